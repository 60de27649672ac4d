"""EXIF in TIFF files, where it is not a block but part of the file's own directories."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin

# Of the first directory only what describes the photo; the rest describes the file.
_TEXTS = (270, 271, 272, 305, 306, 315, 33432)
_DIRECTORIES = (34665, 34853)  # EXIF and GPS
_INTEROPERABILITY = 40965
_HEADER = b"II*\0\x08\0\0\0"

Tag = tuple[int, int, int, Any, bool]


def exif_of_tiff(file: BinaryIO) -> bytes:
    """The EXIF of an open TIFF as a structure of its own; empty if there is none to be had."""
    source = Image.Exif()
    try:
        file.seek(0)
        source.load_from_fp(file)
        return _copied(source)
    except Exception:
        # BigTIFF, or broken tags: the pixels are worth having without them.
        return b""


def _copied(source: Image.Exif) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2(ifh=_HEADER)
    for tag in _TEXTS:
        if isinstance(value := source.get(tag), str):
            directory[tag] = value
    for tag in _DIRECTORIES:
        if tag in source and (inner := dict(source.get_ifd(tag))):
            inner.pop(_INTEROPERABILITY, None)
            directory[tag] = inner
    return _HEADER + directory.tobytes(8) if len(directory) else b""


def tags_of_exif(exif: bytes) -> list[Tag]:
    """EXIF's texts as tags for tifffile."""
    source = _loaded(exif)
    return [
        (tag, 2, 0, _ascii(value), True)
        for tag in _TEXTS
        if isinstance(value := source.get(tag), str)
    ]


def _ascii(text: str) -> bytes:
    return text.rstrip("\0").encode("utf-8", "replace") + b"\0"


def add_directories(buffer: io.BytesIO, exif: bytes) -> None:
    """Append EXIF's directories to a finished little-endian TIFF.

    tifffile writes no pointers to them, so the first directory is written anew behind them;
    its old entries keep their offsets, which count from the start of the file.
    """
    source = _loaded(exif)
    pointers = {
        tag: _append(buffer, _directory(tag, inner))
        for tag in _DIRECTORIES
        if (inner := dict(source.get_ifd(tag)))
    }
    if pointers:
        _point_to(buffer, pointers)


def _directory(tag: int, values: dict[int, Any]) -> TiffImagePlugin.ImageFileDirectory_v2:
    values.pop(_INTEROPERABILITY, None)
    directory = TiffImagePlugin.ImageFileDirectory_v2(ifh=_HEADER, group=tag)
    for key, value in values.items():
        directory[key] = value
    return directory


def _append(buffer: io.BytesIO, directory: TiffImagePlugin.ImageFileDirectory_v2) -> int:
    offset = _even_end(buffer)
    buffer.write(directory.tobytes(offset))
    return offset


def _point_to(buffer: io.BytesIO, pointers: dict[int, int]) -> None:
    data = buffer.getbuffer()
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    first, last = start + 2, start + 2 + 12 * count
    entries = [bytes(data[at : at + 12]) for at in range(first, last, 12)]
    data.release()
    entries += [struct.pack("<HHII", tag, 4, 1, offset) for tag, offset in pointers.items()]
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    offset = _even_end(buffer)
    buffer.write(struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0")
    buffer.seek(4)
    buffer.write(struct.pack("<I", offset))


def _even_end(buffer: io.BytesIO) -> int:
    end = buffer.seek(0, io.SEEK_END)
    return end + buffer.write(b"\0" * (end % 2))


def _loaded(exif: bytes) -> Image.Exif:
    source = Image.Exif()
    if exif:
        source.load(b"Exif\0\0" + exif)
    return source
