"""An AVIF with other metadata: its pictures stay as they are coded, to the bit.

Only the box `meta` is written again (ISO 14496-12, 8.11); EXIF and XMP are appended to the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from ldrps_client.files.metadata._boxes import Box, boxes

_XMP_TYPE = b"application/rdf+xml"
_EXIF_PREFIX = b"Exif\0\0"
# Of data that other files or other boxes hold, nothing is known here.
_KNOWN = {b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp", b"idat", b"free"}


@dataclass(frozen=True)
class _Item:
    """One item's place: its extents in the file, or in the box `idat`."""

    number: int
    method: int
    extents: tuple[tuple[int, int], ...]
    """Offset and length of each."""


class _UnknownError(ValueError):
    """The file is built in a way that is not carried over."""


def can_be_kept(data: bytes) -> bool:
    """Tell whether `with_metadata` can write a file of these bytes again."""
    try:
        with_metadata(data, b"", b"<x/>")
    except (_UnknownError, struct.error, IndexError, KeyError, ValueError):
        return False
    return True


def with_metadata(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """Return the file with this EXIF and XMP in place of its own; empty ones are left out."""
    start, end = _meta_of(data)
    parts = list(boxes(data[start + 12 : end]))
    names = [name for name, _ in parts]
    if len(names) != len(set(names)) or not {*names} <= _KNOWN:
        raise _UnknownError
    inside = dict(parts)
    primary = _number(inside[b"pitm"], 4, inside[b"pitm"][0] > 0)
    kept = [entry for entry in _infos(inside[b"iinf"]) if not _is_metadata(entry)]
    numbers = {_info_number(entry) for entry in kept}
    items = [item for item in _items(inside[b"iloc"]) if item.number in numbers]
    if {item.number for item in items} != numbers or max(numbers) > 0xFF00:
        raise _UnknownError
    payloads = [struct.pack(">I", 0) + exif.removeprefix(_EXIF_PREFIX)] if exif else []
    payloads += [xmp] if xmp else []
    new = range(max(numbers) + 1, max(numbers) + 1 + len(payloads))
    kinds = ([b"Exif\0"] if exif else []) + ([b"mime\0" + _XMP_TYPE + b"\0"] if xmp else [])
    kept += [
        struct.pack(">B3xHH", 2, number, 0) + kind for number, kind in zip(new, kinds, strict=True)
    ]
    references = _references(inside.get(b"iref", bytes(4)), numbers)
    references += [_box(b"cdsc", struct.pack(">HHH", number, 1, primary)) for number in new]

    def meta_at(items: list[_Item]) -> bytes:
        made = {
            **inside,
            b"iinf": struct.pack(">4xH", len(kept)) + b"".join(_box(b"infe", e) for e in kept),
            b"iref": bytes(4) + b"".join(references),
            b"iloc": _located(items),
        }
        order = [*names, *([] if b"iref" in names else [b"iref"])]
        return _box(b"meta", bytes(4) + b"".join(_box(name, made[name]) for name in order))

    # Of the size that it will have, whatever the offsets in it are.
    places = [_Item(number, 0, ((0, len(one)),)) for number, one in zip(new, payloads, strict=True)]
    grown = len(meta_at([*items, *places])) - (end - start)
    at = len(data) + grown + 8
    for index, payload in enumerate(payloads):
        places[index] = replace(places[index], extents=((at, len(payload)),))
        at += len(payload)
    moved = [_moved(item, end, grown) for item in items]
    behind = _box(b"mdat", b"".join(payloads)) if payloads else b""
    return data[:start] + meta_at([*moved, *places]) + data[end:] + behind


def _meta_of(data: bytes) -> tuple[int, int]:
    """Return where the one box `meta` begins and ends, which other boxes surround."""
    at, found = 0, []
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            raise _UnknownError
        if name == b"meta":
            found.append((at, at + size))
        elif name not in (b"ftyp", b"mdat", b"free"):
            raise _UnknownError
        at += size
    if len(found) != 1:
        raise _UnknownError
    return found[0]


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def _number(data: bytes, at: int, wide: bool) -> int:
    return int(struct.unpack_from(">I" if wide else ">H", data, at)[0])


def _infos(data: bytes) -> list[bytes]:
    entries: list[Box] = list(boxes(data[6 if data[0] == 0 else 8 :]))
    if any(name != b"infe" or entry[0] != 2 for name, entry in entries):
        raise _UnknownError
    return [entry for _, entry in entries]


def _info_number(entry: bytes) -> int:
    return _number(entry, 4, wide=False)


def _is_metadata(entry: bytes) -> bool:
    return entry[8:12] == b"Exif" or (entry[8:12] == b"mime" and _XMP_TYPE in entry)


def _items(data: bytes) -> list[_Item]:
    version, sizes, base_size = data[0], data[4], data[5] >> 4
    # An index of extents, and data in other files, are for what no photo has.
    if version > 1 or data[5] & 0xF:
        raise _UnknownError
    at, found = 8, []
    for _ in range(_number(data, 6, wide=False)):
        number = _number(data, at, wide=False)
        method = _number(data, at + 2, wide=False) & 0xF if version else 0
        at += 4 if version else 2
        if _number(data, at, wide=False) or method > 1:
            raise _UnknownError
        at += 2
        base = int.from_bytes(data[at : at + base_size], "big")
        at += base_size
        count = _number(data, at, wide=False)
        at += 2
        extents = []
        for _ in range(count):
            middle = at + (sizes >> 4)
            behind = middle + (sizes & 0xF)
            offset, length = data[at:middle], data[middle:behind]
            extents.append((base + int.from_bytes(offset, "big"), int.from_bytes(length, "big")))
            at = behind
        found.append(_Item(number, method, tuple(extents)))
    return found


def _located(items: list[_Item]) -> bytes:
    made = struct.pack(">B3xBBH", 1, 0x44, 0, len(items))
    for item in items:
        made += struct.pack(">HHHH", item.number, item.method, 0, len(item.extents))
        made += b"".join(struct.pack(">II", *extent) for extent in item.extents)
    return made


def _moved(item: _Item, end: int, grown: int) -> _Item:
    """Return an item's place after the box `meta`, which ended at `end`, has grown."""
    if item.method == 1:
        return item
    if any(start < end for start, _ in item.extents):
        raise _UnknownError
    return replace(item, extents=tuple((start + grown, length) for start, length in item.extents))


def _references(data: bytes, numbers: set[int]) -> list[bytes]:
    """Return the references of all items that stay."""
    if data[0] != 0:
        raise _UnknownError
    return [
        _box(name, content)
        for name, content in boxes(data[4:])
        if _number(content, 0, wide=False) in numbers
    ]
