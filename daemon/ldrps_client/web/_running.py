"""Restorations requested on the page: handed to the daemon, followed, cancelled."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from ldrps_client import events
from ldrps_client._gathering import Gathered
from ldrps_client._result import Result
from ldrps_client._text import shown
from ldrps_client.cli._progress import text_of
from ldrps_client.client import Client
from ldrps_client.files import result_suffix
from ldrps_client.files._names import fitting, longest_name
from ldrps_client.web._gallery import Gallery, Upload
from ldrps_client.web._reading import AFTER, PREVIEW, SMALL_AFTER, load, trouble_of
from ldrps_client.web._views import write_preview, write_small, write_view
from ldrps_engine.errors import CancelledError, LdrpsError, SettingsError
from ldrps_engine.settings import RECIPES, Settings

# Photos handed in at a time: while one is worked on, the next one is sent.
_TOGETHER = 2
_MARK = "_restored"
# Recipes, each in the words of docs/reference/settings.md.
_RECIPES = {
    "auto": "finds out what is wrong and corrects it; leaves a photo alone if nothing is",
    "fast": "like auto, several times faster and slightly less well",
    "low-light": "the photo is too dark",
    "haze": "the photo is hazy",
    "noise": "the photo is noisy",
    "colour": "the photo has no colour; the colours are made up",
    "old-photo": "the photo is old and has a cast or has faded; a print in one hue keeps its "
    "tone, and is corrected only half as far unless it looks faded",
    "paper": "the published method with its constants and step counts, for comparison",
}
# Settings that the page may set, and their types.
_KINDS: dict[str, tuple[Any, str]] = {
    "recipe": (str, "a text"),
    "strength": (int | float, "a number"),
    "amounts": (dict, "numbers by name"),
}


def settings_from(given: Mapping[str, Any]) -> Settings:
    """Parse the page's settings; SettingsError names the wrong one."""
    for name, value in given.items():
        if name not in _KINDS:
            known = ", ".join(_KINDS)
            raise SettingsError(f"setting '{shown(name)}' is not known here; use {known}")
        kind, words = _KINDS[name]
        if isinstance(value, bool) or not isinstance(value, kind):
            raise SettingsError(f"{name} is {shown(str(value))}; give {words}")
    return Settings(**given)


class Runs:
    """Restorations of the page."""

    def __init__(self, client: Client, gallery: Gallery) -> None:
        self._client, self._gallery = client, gallery
        self._executor = ThreadPoolExecutor(_TOGETHER, "ldrps-web-run")

    def start(self, upload: Upload, settings: Settings) -> None:
        """Restore a photo when its turn comes; SettingsError if it cannot be now."""
        if upload.state == "refused":
            raise SettingsError(f"{upload.name} cannot be restored: {upload.trouble}")
        if not self._gallery.begin(upload):
            raise SettingsError(f"{upload.name} is being worked on already; wait or cancel that")
        self._gallery.change(upload, progress={"words": "waiting for its turn"})
        self._executor.submit(self._run, upload, settings)

    def cancel(self, upload: Upload) -> None:
        """Stop a photo's restoration; nothing happens if there is none."""
        self._gallery.change(upload, stopped=True)
        if upload.job and upload.busy:
            self._client.cancel(upload.job)

    def close(self) -> None:
        """Cancel all restorations, and wait for their ends."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for upload in self._gallery.all():
            with suppress(LdrpsError):
                self.cancel(upload)
        self._executor.shutdown(wait=True)

    def _run(self, upload: Upload, settings: Settings) -> None:
        trouble = ""
        try:
            self._restore(upload, settings)
        except CancelledError as error:
            # By the user, who knows; or by another client, whose user is not here.
            trouble = "" if upload.stopped else shown(str(error))
        except Exception as error:
            trouble = trouble_of(error, upload)
        finally:
            state = "done" if upload.results else "ready"
            # Last: from now on others may work with it, or remove it.
            self._gallery.change(upload, progress={}, job="", trouble=trouble, state=state)

    def _restore(self, upload: Upload, settings: Settings) -> None:
        _check_not_stopped(upload)
        loaded = load(upload)
        choices: Any = {name: getattr(settings, name) for name in _KINDS}
        job = self._client.submit(loaded, **choices)
        self._gallery.change(upload, job=job, state="running")
        gathered = Gathered()
        try:
            _check_not_stopped(upload)
            for event in self._client.watch(job, previews=True):
                gathered.add(event)
                self._on_event(upload, event)
        except BaseException:
            with suppress(LdrpsError):
                self._client.cancel(job)
            raise
        result = gathered.result(settings, job, loaded)
        self._keep(upload, result)

    def _on_event(self, upload: Upload, event: events.Event) -> None:
        if isinstance(event, events.Preview):
            write_preview(upload.folder / PREVIEW, event.pixels)
            self._gallery.change(upload, previews=upload.previews + 1)
        elif isinstance(event, events.Queued | events.Restarted | events.Loading | events.Step):
            share = event.index / event.count if isinstance(event, events.Step) else None
            progress = {"words": shown(text_of(event)), "share": share}
            self._gallery.change(upload, progress=progress)

    def _keep(self, upload: Upload, result: Result) -> None:
        """Write the result next to the previous one, and only then put it in its place."""
        self._gallery.change(upload, progress={"words": "writing the result", "share": 1.0})
        folder = Path(tempfile.mkdtemp(prefix="result-", dir=upload.folder))
        target = folder / result_name(upload.name, folder)
        result.save(target)
        for path in folder.iterdir():
            path.chmod(0o600)
        write_small(upload.folder / SMALL_AFTER, result.photo)
        write_view(upload.folder / AFTER, result.photo)
        before = upload.results
        facts = _facts_of(target, result, number=upload.result.get("number", 0) + 1)
        self._gallery.change(upload, results=folder, result=facts)
        if before:
            shutil.rmtree(before, ignore_errors=True)


def _check_not_stopped(upload: Upload) -> None:
    if upload.stopped:
        raise CancelledError("cancelled on the page")


def result_name(name: str, folder: Path) -> str:
    """Return the photo's name with our mark, no longer than the folder takes."""
    path = Path(name)
    tail = f"{_MARK}{result_suffix(path)}"
    return fitting(path.stem, lambda stem: f"{stem}{tail}", longest_name(folder)) + tail


def _facts_of(target: Path, result: Result, number: int) -> dict[str, Any]:
    return {
        "name": target.name,
        "number": number,
        "words": result.words,
        "remarks": [shown(remark) for remark in result.remarks],
        "description": shown(result.description),
        "seconds": result.seconds,
        "recipe": result.settings.recipe,
        "strength": result.settings.strength,
        "amounts": dict(result.settings.amounts),
        "generated": result.generated[0] if result.generated else None,
        "width": result.photo.width,
        "height": result.photo.height,
    }


def recipes() -> list[dict[str, str]]:
    """Return the names of recipes and what they do, the usual one first."""
    return [{"name": name, "words": _RECIPES[name]} for name in RECIPES]
