"""Requests of the page, by path and method. Answers are pictures, files, or JSON."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from ldrps_client._text import plain, shown
from ldrps_client.cli._output import error_record, unforeseen
from ldrps_client.web._folder import no_room
from ldrps_client.web._gallery import MOST_PHOTOS, Gallery, Upload
from ldrps_client.web._reading import PICTURES, read_later
from ldrps_client.web._running import Runs, recipes, settings_from
from ldrps_client.web._taking import GoneError, take
from ldrps_client.web._watched import Watched
from ldrps_engine.errors import LdrpsError, NotFoundError, SettingsError

PAGE = Path(__file__).with_name("page")
_CODES = {
    **{"settings": 400, "photo": 415, "limit": 413, "output": 507, "model": 409},
    **{"unavailable": 503, "busy": 503, "not-found": 404, "cancelled": 409, "access": 403},
}
_MOST_JSON = 64 * 1024

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Parts:
    """Parts of the page's server."""

    gallery: Gallery
    runs: Runs
    readers: ThreadPoolExecutor
    folder: Path
    """Folder for temporary files."""
    most_bytes: int
    """Most bytes of one photo."""


def answered(handler: Callable[[Pages, Request], Awaitable[Response]]) -> Any:
    """Answer with a sentence whatever goes wrong."""

    @wraps(handler)
    async def answer(self: Pages, request: Request) -> Response:
        try:
            return await handler(self, request)
        except GoneError:
            return Response(status_code=400)
        except LdrpsError as error:
            return _sentence(error)
        except OSError as error:
            return _sentence(no_room(error, self._parts.folder))
        except Exception as bug:
            return _sentence(unforeseen(bug))

    return answer


def _sentence(error: LdrpsError) -> Response:
    record = error_record(error)
    record["message"] = shown(str(record["message"]))
    return JSONResponse({"error": record}, _CODES.get(error.reason, 500))


class Pages:
    """Handlers of the page's requests."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gallery, self._runs = parts.gallery, parts.runs
        self._watched = Watched(parts.folder)

    @answered
    async def page(self, request: Request) -> Response:
        """Return the page itself."""
        return FileResponse(PAGE / "index.html", media_type="text/html; charset=utf-8")

    @answered
    async def about(self, request: Request) -> Response:
        """Return what stays the same while this program runs."""
        limits = {"bytes": self._parts.most_bytes, "photos": MOST_PHOTOS}
        return JSONResponse({"recipes": recipes(), "limits": limits})

    @answered
    async def photos(self, request: Request) -> Response:
        """Return all there is to show; nothing (204) if the page has that version already."""
        if request.query_params.get("since") == str(self._gallery.version):
            return Response(status_code=204)
        return JSONResponse(self._gallery.picture())

    @answered
    async def add(self, request: Request) -> Response:
        """Take a photo, the body of the request."""
        upload = await take(request, self._gallery, self._parts.most_bytes)
        read_later(self._parts.readers, self._gallery, upload)
        return JSONResponse({"id": upload.id}, 201)

    @answered
    async def remove(self, request: Request) -> Response:
        """Remove a photo from the page."""
        upload = self._upload(request)
        with suppress(LdrpsError):
            # A daemon that is away keeps no photo on the page.
            await run_sync(self._runs.cancel, upload)
        self._gallery.remove(upload)
        return Response(status_code=204)

    @answered
    async def run(self, request: Request) -> Response:
        """Restore a photo with the settings in the body."""
        settings = settings_from(await _json(request))
        self._runs.start(self._upload(request), settings)
        return Response(status_code=202)

    @answered
    async def cancel(self, request: Request) -> Response:
        """Stop restoring a photo."""
        await run_sync(self._runs.cancel, self._upload(request))
        return Response(status_code=202)

    @answered
    async def picture(self, request: Request) -> Response:
        """Return a picture of a photo for the browser."""
        which = request.path_params["which"]
        path = self._upload(request).folder / which
        if which not in PICTURES or not path.is_file():
            raise NotFoundError("there is no such picture of this photo; reload the page")
        # Its address changes with it.
        headers = {"Cache-Control": "private, max-age=86400"}
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    @answered
    async def result(self, request: Request) -> Response:
        """Return a result as a file to save; with its sidecar, if it needs one, as a zip."""
        files = self._upload(request).files()
        if not files:
            raise NotFoundError("this photo has no result yet; restore it first")
        if len(files) == 1:
            return FileResponse(files[0], filename=plain(files[0].name))
        return await self._zip([files], f"{plain(files[0].stem)}.zip")

    @answered
    async def results(self, request: Request) -> Response:
        """Return all results as one zip."""
        found = [files for upload in self._gallery.all() if (files := upload.files())]
        if not found:
            raise NotFoundError("no photo has a result yet; restore some first")
        return await self._zip(found, "restored.zip")

    @answered
    async def watched(self, request: Request) -> Response:
        """Return the state of the hot folders; nothing (204) if the page has that version."""
        listing = await run_sync(self._watched.listing)
        if request.query_params.get("since") == listing["version"]:
            return Response(status_code=204)
        return JSONResponse(listing)

    @answered
    async def details(self, request: Request) -> Response:
        """Return the facts about one result of a hot folder, once its files are read."""
        return JSONResponse(await run_sync(self._watched.details, *_which(request)))

    @answered
    async def judge(self, request: Request) -> Response:
        """Accept or reject a result of a hot folder, or take that back."""
        verdict = (await _json(request)).get("verdict")
        await run_sync(self._watched.judge, *_which(request), verdict)
        return Response(status_code=204)

    @answered
    async def watched_picture(self, request: Request) -> Response:
        """Return a picture of a result of a hot folder."""
        wanted = (*_which(request), request.path_params["which"])
        path = await run_sync(self._watched.picture, *wanted)
        headers = {"Cache-Control": "private, max-age=600"}
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    async def _zip(self, groups: list[list[Path]], name: str) -> Response:
        path = await run_sync(_zipped, groups, self._parts.folder)
        return FileResponse(path, filename=name, background=BackgroundTask(path.unlink))

    def _upload(self, request: Request) -> Upload:
        return self._gallery.get(request.path_params["id"])


def _which(request: Request) -> tuple[str, str]:
    return request.path_params["folder"], request.path_params["key"]


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_JSON:
            raise SettingsError("the settings are too long; send recipe, strength and amounts")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise SettingsError("the settings are no JSON; send recipe, strength and amounts") from None
    if not isinstance(value, dict):
        raise SettingsError("the settings are no JSON object; send recipe, strength and amounts")
    return value


def _zipped(groups: list[list[Path]], folder: Path) -> Path:
    """Zip without compression, which photos have. Equal names are numbered, with sidecars."""
    handle, name = tempfile.mkstemp(suffix=".zip", dir=folder)
    path = Path(name)
    taken: set[str] = set()
    try:
        with open(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for files in groups:
                number = 1
                while any(_numbered(each, number).casefold() in taken for each in files):
                    number += 1
                for each in files:
                    taken.add(_numbered(each, number).casefold())
                    archive.write(each, plain(_numbered(each, number)))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _numbered(path: Path, number: int) -> str:
    if number == 1:
        return path.name
    # Of a sidecar, the ending is the photo's and its own.
    photo, own = (path.stem, path.suffix) if path.suffix == ".xmp" else (path.name, "")
    return f"{Path(photo).stem}_{number}{Path(photo).suffix}{own}"


def application(parts: Parts) -> Starlette:
    """Build the whole application, without the check of access."""
    pages = Pages(parts)
    one, result = "/api/photos/{id}", "/api/watched/{folder}/{key}"
    routes: list[Any] = [
        Route("/", pages.page),
        Route("/api/about", pages.about),
        Route("/api/photos", pages.photos),
        Route("/api/photos", pages.add, methods=["POST"]),
        Route(one, pages.remove, methods=["DELETE"]),
        Route(f"{one}/run", pages.run, methods=["POST"]),
        Route(f"{one}/cancel", pages.cancel, methods=["POST"]),
        Route(f"{one}/result", pages.result),
        Route(f"{one}/{{which}}", pages.picture),
        Route("/api/results", pages.results),
        Route("/api/watched", pages.watched),
        Route(result, pages.details),
        Route(result, pages.judge, methods=["POST"]),
        Route(f"{result}/{{which}}", pages.watched_picture),
    ]
    app = Starlette(routes=routes)
    app.mount("/", StaticFiles(directory=PAGE))
    return app
