"""Photos received from the browser, each into a file of its own, within the limit."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request

from ldrps_client._text import cause_and_remedy, shown
from ldrps_client.files._names import fitting
from ldrps_client.web._gallery import Gallery, Upload
from ldrps_engine.errors import LimitError, OutputError, PhotoError
from ldrps_wire.system import free_bytes

MEGABYTE = 1_000_000
_LONGEST = 200
# Bytes that stay free for pictures and results.
_SPARE = 200 * MEGABYTE


class GoneError(Exception):
    """Departure of the browser before all of the photo was here."""


async def take(request: Request, gallery: Gallery, most: int) -> Upload:
    """Keep the photo that a request brings; LimitError if it has more than `most` bytes."""
    name = file_name(request.query_params.get("name", ""))
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else 0
    _check_size(name, size, most)
    upload = gallery.add(name)
    try:
        _check_room(name, upload.folder, size)
        await _receive(request, upload, most)
    except BaseException as error:
        gallery.change(upload, state="refused")
        gallery.remove(upload)
        if isinstance(error, ClientDisconnect):
            raise GoneError from None
        if isinstance(error, OSError):
            why = cause_and_remedy(error)
            raise OutputError(f"{name} cannot be kept in {upload.folder.parent}: {why}") from error
        raise
    return upload


async def _receive(request: Request, upload: Upload, most: int) -> None:
    size = 0
    with open(upload.original, "xb", opener=_privately) as file:
        async for chunk in request.stream():
            size += len(chunk)
            _check_size(upload.name, size, most)
            file.write(chunk)
    if not size:
        raise PhotoError(f"{upload.name} is empty; copy the photo again")


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _check_size(name: str, size: int, most: int) -> None:
    if size > most:
        raise LimitError(
            f"{name} has more than the {most / MEGABYTE:g} MB that this page takes; start it with "
            "'ldrps web --largest MB', or use 'ldrps restore'"
        )


def _check_room(name: str, folder: Path, size: int) -> None:
    free = None
    with suppress(OSError):
        free = free_bytes(folder)
    if free is not None and free < size + _SPARE:
        raise OutputError(
            f"{name} finds no room in {folder.parent}: {free / MEGABYTE:.0f} MB are free there; "
            "make room, or set TMPDIR to another folder"
        )


def file_name(given: str) -> str:
    """Return the name alone, without folders and without characters that names must not have."""
    plain = shown(unquote(given)).replace("\\", "/").rpartition("/")[2].strip().strip("\0")
    if plain in ("", ".", ".."):
        return "photo"
    stem, dot, suffix = plain.rpartition(".")
    if not dot or not stem:
        return fitting(plain, lambda text: text, _LONGEST)
    suffix = suffix[:10]
    return fitting(stem, lambda text: f"{text}.{suffix}", _LONGEST) + f".{suffix}"
