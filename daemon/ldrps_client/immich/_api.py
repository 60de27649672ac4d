"""The part of Immich's API used here: assets, albums, stacks and tags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from ldrps_client._text import shown
from ldrps_engine.errors import (
    AccessError,
    LdrpsError,
    LimitError,
    NotFoundError,
    OutputError,
    SettingsError,
    UnavailableError,
)

_TIMES = httpx.Timeout(30.0, read=600.0, write=600.0)
_PAGE = 250
_MOST_BYTES = 1_000_000_000
_OLDEST = 3
_FAULT = 500
# Immich's answer, instead of 404, for objects that do not exist or belong to others.
_GONE = "not found or no "


class GoneError(NotFoundError):
    """Absence of an asset on the server, or lack of this user's access to it."""


class FaultError(UnavailableError):
    """Failure of the server at one request: its own trouble, or that of one asset.

    Immich answers so for a file that its disk has lost, and for everything while its database is
    away.
    """


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One photo or film of the server."""

    id: str
    name: str
    checksum: str
    """SHA-1 of the file, in Base64."""
    is_photo: bool
    is_trashed: bool
    created: str
    modified: str
    """Times as Immich writes them."""
    visibility: str
    tags: tuple[str, ...]

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Parse an AssetResponseDto; KeyError or TypeError if it is none."""
        return cls(
            id=str(values["id"]),
            name=str(values["originalFileName"]),
            checksum=str(values["checksum"]),
            is_photo=values["type"] == "IMAGE",
            is_trashed=bool(values["isTrashed"]),
            created=str(values["fileCreatedAt"]),
            modified=str(values["fileModifiedAt"]),
            visibility=str(values["visibility"]),
            tags=tuple(str(tag["value"]) for tag in values.get("tags") or ()),
        )


class ImmichApi:
    """One server, as one of its users."""

    def __init__(self, url: str, key: str) -> None:
        """Take the address and the key; SettingsError if the address is none."""
        self.url = address_of(url)
        self._http = httpx.Client(
            base_url=f"{self.url}/api",
            headers={"x-api-key": key, "Accept": "application/json"},
            timeout=_TIMES,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def check(self) -> None:
        """Raise if this is no Immich that we know, or if it does not take the key."""
        try:
            self._check_version(self._json("GET", "/server/version"))
            self._json("GET", "/users/me")
        except GoneError:
            raise self._strange() from None
        except FaultError as error:
            # At this it fails for no asset's sake.
            raise UnavailableError(f"{error}; try again later") from None

    def _check_version(self, version: Any) -> None:
        if not isinstance(version, dict) or not isinstance(version.get("major"), int):
            raise self._strange()
        if version["major"] < _OLDEST:
            found = ".".join(str(version.get(part, 0)) for part in ("major", "minor", "patch"))
            raise UnavailableError(f"{self.url} is Immich {found}; it takes {_OLDEST}.0 or later")

    def asset(self, key: str) -> Asset:
        """Return one asset; GoneError if it has gone."""
        return self._asset(self._json("GET", f"/assets/{key}"))

    def original(self, asset: Asset) -> bytes:
        """Return the file as it was uploaded."""
        data = bytearray()
        accept = {"Accept": "application/octet-stream"}
        with (
            _readable(self.url),
            self._http.stream("GET", f"/assets/{asset.id}/original", headers=accept) as answer,
        ):
            # The body of a stream has to be read before its message can be shown.
            if answer.is_error or answer.is_redirect:
                answer.read()
                self._check(answer)
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > _MOST_BYTES:
                    raise LimitError(f"{shown(asset.name)} has more than {_MOST_BYTES} bytes")
        return bytes(data)

    def album(self, name: str) -> str:
        """Return the id of the album with a name; an error if there is none, or more than one."""
        albums = self._json("GET", "/albums")
        try:
            found = [str(album["id"]) for album in albums if album["albumName"] == name]
        except (TypeError, KeyError):
            raise self._strange() from None
        if not found:
            raise NotFoundError(f"{self.url} has no album '{shown(name)}'; check its name")
        if len(found) > 1:
            raise SettingsError(
                f"{self.url} has {len(found)} albums '{shown(name)}'; give one another name"
            )
        return found[0]

    def album_photos(self, album: str) -> Iterator[Asset]:
        """Return the photos of an album, without their tags."""
        page: Any = 1
        while page:
            wanted = {"albumIds": [album], "type": "IMAGE", "size": _PAGE, "page": int(page)}
            answer = self._json("POST", "/search/metadata", json=wanted)
            try:
                items, page = answer["assets"]["items"], answer["assets"]["nextPage"]
            except (TypeError, KeyError):
                raise self._strange() from None
            yield from map(self._asset, items)

    def upload(self, files: list[Path], like: Asset) -> str:
        """Upload a file and its sidecar with the times of an asset; returns the new asset's id.

        A file that is there already is not stored twice: its id comes back.
        """
        photo, *sidecars = files
        fields = {
            "filename": photo.name,
            "fileCreatedAt": like.created,
            "fileModifiedAt": like.modified,
            "visibility": like.visibility,
        }
        parts = {"assetData": (photo.name, photo.read_bytes(), "application/octet-stream")}
        for sidecar in sidecars:
            parts["sidecarData"] = (sidecar.name, sidecar.read_bytes(), "application/xml")
        answer = self._json("POST", "/assets", data=fields, files=parts)
        try:
            return str(answer["id"])
        except (TypeError, KeyError):
            raise self._strange() from None

    def stack(self, first: str, *others: str) -> None:
        """Stack assets, one of them on top."""
        self._json("POST", "/stacks", json={"assetIds": [first, *others]})

    def tag(self, name: str, asset: str) -> None:
        """Give an asset a tag, which is made if there is none."""
        tags = self._json("PUT", "/tags", json={"tags": [name]})
        try:
            ids = [str(tag["id"]) for tag in tags]
        except (TypeError, KeyError):
            raise self._strange() from None
        self._json("PUT", "/tags/assets", json={"tagIds": ids, "assetIds": [asset]})

    def add_to_album(self, album: str, asset: str) -> None:
        """Put an asset into an album."""
        self._json("PUT", f"/albums/{album}/assets", json={"ids": [asset]})

    def _asset(self, values: Any) -> Asset:
        try:
            return Asset.of(values)
        except (TypeError, KeyError):
            raise self._strange() from None

    def _json(self, method: str, path: str, **more: Any) -> Any:
        with _readable(self.url):
            answer = self._http.request(method, path, **more)
            self._check(answer)
            return answer.json() if answer.content else None

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        said = _message(answer)
        if answer.status_code in (401, 403):
            raise AccessError(
                f"{self.url} does not take the API key ({said}); make one with the permissions "
                "that the guide names, and give its file"
            )
        if answer.status_code == 404 or said.lower().startswith(_GONE):
            raise GoneError(f"{self.url} has it no longer: {said}")
        if answer.status_code in (413, 507) or "quota" in said.lower():
            raise OutputError(f"{self.url} does not take the upload: {said}")
        if answer.status_code == _FAULT:
            raise FaultError(f"{self.url} fails at {answer.request.url.path}: {said}")
        if answer.status_code > _FAULT or answer.status_code == 429:
            raise UnavailableError(f"{self.url} cannot answer now: {said}; try again later")
        if answer.is_redirect:
            where = shown(answer.headers.get("location", ""))
            raise UnavailableError(f"{self.url} leads to {where}; give Immich's own address")
        raise SettingsError(f"{self.url} refuses {answer.request.url.path}: {said}")

    def _strange(self) -> LdrpsError:
        return UnavailableError(
            f"{self.url} answers what Immich {_OLDEST} does not; check the address"
        )


@contextmanager
def _readable(url: str) -> Iterator[None]:
    """Turn failures on the way into one sentence."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise UnavailableError(
            f"Immich at {url} does not answer ({why}); check the address and the server"
        ) from error
    except ValueError as error:
        raise UnavailableError(f"{url} answers what is no JSON; check the address") from error


def _message(answer: httpx.Response) -> str:
    try:
        said = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
    text = "; ".join(map(str, said)) if isinstance(said, list) else str(said)
    return shown(text)[:300] or f"HTTP {answer.status_code}"


def address_of(url: str) -> str:
    """Return the server's address without what follows it; SettingsError if it is none."""
    wrong = SettingsError(f"url '{shown(url)}' is none of Immich; give https://HOST or http://HOST")
    try:
        parts = urlsplit(url.strip())
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        raise wrong from None
    if not fine or parts.username or parts.query or parts.fragment:
        raise wrong
    path = parts.path.rstrip("/").removesuffix("/api")
    return f"{parts.scheme}://{parts.netloc}{path}"
