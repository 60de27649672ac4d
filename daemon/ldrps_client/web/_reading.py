"""Reading of a new photo: decoded, measured, shown to the browser. Needs no daemon."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from ldrps_client._text import shown
from ldrps_client.cli._output import unforeseen
from ldrps_client.files import LoadedFile, decode_bytes
from ldrps_client.web._folder import no_room
from ldrps_client.web._gallery import Gallery, Upload
from ldrps_client.web._views import write_small, write_view
from ldrps_engine.analysis.amounts import proposed_amounts
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.inset import diagnose_photo
from ldrps_engine.errors import LdrpsError
from ldrps_engine.settings import Settings

PICTURES = BEFORE, AFTER, SMALL, SMALL_AFTER, PREVIEW = (
    "before",
    "after",
    "small",
    "small-after",
    "preview",
)
"""Pictures of a photo that the page can ask for."""


def load(upload: Upload) -> LoadedFile:
    """Decode the photo; its errors and its result know it by the user's name."""
    return decode_bytes(upload.original.read_bytes(), upload.name)


def read_later(executor: Executor, gallery: Gallery, upload: Upload) -> None:
    """Read a photo when there is time."""
    executor.submit(_read, gallery, upload)


def _read(gallery: Gallery, upload: Upload) -> None:
    if upload.removed:
        gallery.change(upload, state="refused")
        return
    try:
        loaded = load(upload)
        found = diagnose_photo(loaded.photo)
        write_small(upload.folder / SMALL, loaded.photo)
        write_view(upload.folder / BEFORE, loaded.photo)
    except Exception as error:
        gallery.change(upload, state="refused", trouble=trouble_of(error, upload))
    else:
        gallery.change(upload, state="ready", facts=_facts(loaded, found))


def trouble_of(error: Exception, upload: Upload) -> str:
    """Say in one sentence what kept a photo from being read or restored."""
    if isinstance(error, OSError):
        error = no_room(error, upload.folder.parent)
    return shown(str(error if isinstance(error, LdrpsError) else unforeseen(error)))


def _facts(loaded: LoadedFile, found: Diagnosis) -> dict[str, Any]:
    photo = loaded.photo
    return {
        "width": photo.width,
        "height": photo.height,
        "kind": f"{loaded.format.name}, {photo.depth.dtype.itemsize * 8} bit",
        "words": found.words(),
        "findings": findings(found.words()),
        "grey": found.grey,
        # Of the recipes that go by the diagnosis.
        "amounts": proposed_amounts(found, Settings()),
        "needs_work": found.needs_work,
        "warnings": [shown(sentence) for sentence in loaded.warnings],
    }


def findings(words: str) -> list[str]:
    """Split the diagnosis' words, one finding each."""
    return words.replace("; ", ", ").split(", ")
