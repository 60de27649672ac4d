"""EXIF as part of a TIFF's own directories, and within the sizes that files can hold."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from ldrps_client.files.metadata._ifd import Directory, Entry, merge, read, structure
from ldrps_client.files.metadata._metadata import sensible_dpi

# Of the first directory, what describes how this very file stores its pixels (TIFF 6.0, its
# supplements, DNG), and what is carried over by other ways.
_STORAGE = {
    *range(254, 267),
    *(273, *range(275, 282), 284, *range(288, 294), 297, 301, *range(317, 348), *range(512, 533)),
    *(700, 32953, *range(33421, 33424), 33723, 34377, 34675, 37724, *range(50706, 51200)),
}
_ORIENTATION, _ACROSS, _DOWN, _UNIT = 274, 282, 283, 296
_RESOLUTION = {_ACROSS, _DOWN, _UNIT}
_MAKER_NOTE, _EXIF = 37500, 34665
_FRACTION, _SHORT = 5, 3
_INCHES_PER_UNIT = {2: 1.0, 3: 2.54}


def exif_of_tiff(file: BinaryIO, photo: int | None = None) -> bytes:
    """Extract the EXIF of an open TIFF as a structure of its own; empty if there is none.

    `photo` is the offset of the photo's own directory, if it may not be the first: the first one's
    statements about a camera hold for it too.
    """
    try:
        found = read(file)
        own = read(file, start=photo) if photo is not None else found
    except (ValueError, OSError):
        # Broken directories: the pixels are worth having without them.
        return b""
    _without(found, _STORAGE)
    _without(own, _STORAGE)
    if own is not found:
        found.entries = {**_without_pixels(found.entries), **own.entries}
        found.children |= own.children
    return structure(found) if found.entries or found.children else b""


def _without_pixels(entries: dict[int, Entry]) -> dict[int, Entry]:
    """Drop what a directory says of its own picture only."""
    return {tag: entry for tag, entry in entries.items() if tag not in {_ORIENTATION, *_RESOLUTION}}


def directory_of(exif: bytes) -> Directory | None:
    """Parse the directories of an EXIF structure; None if it is empty or broken."""
    return _read(exif) if exif else None


def byte_order(exif: bytes) -> str:
    """Return the byte order that a TIFF needs to take this EXIF; `<` if there is none."""
    return ">" if exif[:2] == b"MM" else "<"


def add_to_tiff(buffer: io.BytesIO, exif: bytes) -> None:
    """Add EXIF to a finished classic TIFF of the same byte order."""
    if directory := _read(exif):
        _without(directory, {*_STORAGE, *_RESOLUTION, _ORIENTATION})
        merge(buffer, directory)


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Return pixels per inch, across and down; None if the EXIF does not say."""
    directory = _read(exif)
    if directory is None:
        return None
    across, down = directory.ratio(_ACROSS), directory.ratio(_DOWN)
    scale = _INCHES_PER_UNIT.get(directory.number(_UNIT) or 2)
    if not across or not down or not scale:
        return None
    return sensible_dpi(across * scale, down * scale)


def with_resolution(exif: bytes, dpi: tuple[float, float]) -> bytes:
    """Add the number of pixels per inch to EXIF, for formats that state it nowhere else."""
    if resolution_of(exif):
        return exif
    directory = _read(exif) or Directory("<")
    order = directory.order
    for tag, value in zip((_ACROSS, _DOWN), dpi, strict=True):
        fraction = struct.pack(order + "II", round(value * 1000), 1000)
        directory.entries[tag] = Entry(_FRACTION, 1, fraction)
    directory.entries[_UNIT] = Entry(_SHORT, 1, struct.pack(order + "H", 2))
    return structure(directory)


def within(exif: bytes, limit: int) -> bytes:
    """Limit EXIF to so many bytes: without the makers' notes if need be, else empty."""
    if len(exif) <= limit:
        return exif
    directory = _read(exif)
    if directory is None or _EXIF not in directory.children:
        return b""
    directory.children[_EXIF].entries.pop(_MAKER_NOTE, None)
    smaller = structure(directory)
    return smaller if len(smaller) <= limit else b""


def _read(exif: bytes) -> Directory | None:
    try:
        return read(io.BytesIO(exif))
    except ValueError:
        return None


def _without(directory: Directory, tags: set[int]) -> None:
    for tag in tags & directory.entries.keys():
        del directory.entries[tag]
