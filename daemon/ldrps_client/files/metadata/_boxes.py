"""Boxes of AVIF and HEIF: the properties of the photo itself (ISO 14496-12; ISO 23008-12, 6.5).

A file holds several pictures, such as alpha and gain maps; each has properties of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_MOST_BYTES = 1 << 22
_MOST_BOXES = 4096

Box = tuple[bytes, bytes]


def properties(file: BinaryIO) -> list[Box]:
    """Return (type, content) of each property of an open file's main picture; empty if broken."""
    where = file.tell()
    file.seek(0)
    try:
        meta = _meta(file)
        return _of_main_item(meta) if meta else []
    except (struct.error, IndexError):
        return []
    finally:
        file.seek(where)


def pictures(file: BinaryIO) -> set[bytes]:
    """Return the types of the items in an open file, such as `av01` and `tmap`; empty if broken."""
    where = file.tell()
    file.seek(0)
    try:
        infos = dict(boxes(_meta(file)[4:])).get(b"iinf", b"")
        start = 6 if infos[:1] == b"\0" else 8
        entries = (data for name, data in boxes(infos[start:]) if name == b"infe")
        return {data[12 if data[0] > 2 else 8 :][:4] for data in entries if data[:1] >= b"\2"}
    except (struct.error, IndexError):
        return set()
    finally:
        file.seek(where)


def _meta(file: BinaryIO) -> bytes:
    """Return the content of the box `meta`, which is among the first."""
    for _ in range(_MOST_BOXES):
        head = file.read(8)
        if len(head) < 8:
            return b""
        size, name = struct.unpack(">I4s", head)
        large = size == 1
        if large:
            (size,) = struct.unpack(">Q", file.read(8))
        body = size - (16 if large else 8)
        if name == b"meta":
            return file.read(min(max(body, 0), _MOST_BYTES)) if size else file.read(_MOST_BYTES)
        if body < 0 or size >= 1 << 62:
            return b""
        file.seek(body, 1)
    return b""


def boxes(data: bytes) -> Iterator[Box]:
    """Yield type and content of each box; of as many as a photo may have."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        size, name = struct.unpack_from(">I4s", data, at)
        size = size or len(data) - at
        if size < 8:
            return
        yield name, data[at + 8 : at + size]
        at += size


def _of_main_item(meta: bytes) -> list[Box]:
    inside = dict(boxes(meta[4:]))
    place = inside.get(b"pitm", b"\0\0\0\0\0\0")
    (item,) = struct.unpack_from(">H" if place[0] == 0 else ">I", place, 4)
    parts = list(boxes(inside.get(b"iprp", b"")))
    held = [box for name, data in parts if name == b"ipco" for box in boxes(data)]
    numbers = [n for name, data in parts if name == b"ipma" for n in _associated(data, item)]
    return [held[number - 1] for number in numbers if 0 < number <= len(held)]


def _associated(data: bytes, item: int) -> list[int]:
    """Return the numbers of the properties of an item, from 1."""
    version, flags, count = data[0], data[3], struct.unpack_from(">I", data, 4)[0]
    form, wide = (">H" if version < 1 else ">I"), bool(flags & 1)
    at = 8
    for _ in range(min(count, _MOST_BOXES)):
        (found,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        many = data[at]
        step = 2 if wide else 1
        raw = [data[at + 1 + k * step : at + 1 + (k + 1) * step] for k in range(many)]
        at += 1 + many * step
        if found == item:
            mask = 0x7FFF if wide else 0x7F
            return [int.from_bytes(number, "big") & mask for number in raw]
    return []
