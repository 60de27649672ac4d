"""TIFF directories, the form that EXIF has too, byte for byte (TIFF 6.0, section 2; BigTIFF).

Values are moved and never interpreted, so that what cannot be parsed, such as makers' notes and
private tags, arrives as it left.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

EXIF, GPS, INTEROPERABILITY = 34665, 34853, 40965
Pointers = Mapping[int, "Pointers"]
OF_PHOTO: Pointers = {EXIF: {INTEROPERABILITY: {}}, GPS: {}}
"""Tags of a photo's first directory that lead to other directories."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_POINTER_TYPES = {4: "I", 13: "I", 16: "Q", 18: "Q"}
_LONG = 4
_BIG = 43
_MAX_ENTRIES = 4096
_MAX_BYTES = 1 << 26


@dataclass(frozen=True)
class Entry:
    """One tag's value, in the byte order of its directory."""

    kind: int
    """TIFF's number of the type."""
    count: int
    data: bytes


@dataclass
class Directory:
    """A directory with those it leads to."""

    order: str
    """`<` or `>`."""
    entries: dict[int, Entry] = field(default_factory=dict)
    children: dict[int, Directory] = field(default_factory=dict)

    def number(self, tag: int) -> int | None:
        """Return the first number of a tag of shorts or longs."""
        entry = self.entries.get(tag)
        form = {3: "H", 4: "I"}.get(entry.kind) if entry else None
        if entry is None or form is None or not entry.data:
            return None
        return int(struct.unpack_from(self.order + form, entry.data)[0])

    def ratio(self, tag: int) -> float | None:
        """Return the first value of a tag of fractions."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind != 5 or not entry.data:
            return None
        above, below = struct.unpack_from(self.order + "II", entry.data)
        return above / below if below else None


def read(file: BinaryIO, pointers: Pointers = OF_PHOTO, *, start: int | None = None) -> Directory:
    """Read a directory of an open TIFF or EXIF structure, the first one unless `start` says where.

    ValueError if there is none.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    try:
        if order is None:
            raise ValueError("no byte order")
        (magic,) = struct.unpack_from(order + "H", head, 2)
        form, place = ("Q", 8) if magic == _BIG else ("I", 4)
        if start is None:
            (start,) = struct.unpack_from(order + form, head, place)
        return _Reader(file, order, big=magic == _BIG).directory(start, pointers)
    except struct.error:
        raise ValueError("it ends early") from None


class _Reader:
    def __init__(self, file: BinaryIO, order: str, *, big: bool) -> None:
        self._file = file
        self._order = order
        self._head = order + ("HHQ" if big else "HHI")
        self._count = order + ("Q" if big else "H")
        self._offset = order + ("Q" if big else "I")
        # Of all values together: a small file can claim the same large one many times.
        self._left = _MAX_BYTES

    def directory(self, start: int, pointers: Pointers) -> Directory:
        found = Directory(self._order)
        (count,) = struct.unpack(self._count, self._bytes(start, struct.calcsize(self._count)))
        if count > _MAX_ENTRIES:
            raise ValueError("too many entries")
        size = struct.calcsize(self._head) + struct.calcsize(self._offset)
        table = self._bytes(start + struct.calcsize(self._count), count * size)
        for at in range(0, len(table), size):
            self._add(found, table[at : at + size], pointers)
        return found

    def _add(self, directory: Directory, entry: bytes, pointers: Pointers) -> None:
        tag, kind, count = struct.unpack_from(self._head, entry)
        inline = entry[struct.calcsize(self._head) :]
        if tag in pointers:
            if kind in _POINTER_TYPES and count == 1:
                (start,) = struct.unpack_from(self._order + _POINTER_TYPES[kind], inline)
                directory.children[tag] = self.directory(start, pointers[tag])
            return
        size = _SIZES.get(kind, 0) * count
        if not 0 < size <= self._left:
            return
        self._left -= size
        if size <= len(inline):
            directory.entries[tag] = Entry(kind, count, inline[:size])
            return
        (start,) = struct.unpack(self._offset, inline)
        # A value that lies outside of the file is lost, and the others are not.
        if len(data := self._some(start, size)) == size:
            directory.entries[tag] = Entry(kind, count, data)

    def _bytes(self, start: int, size: int) -> bytes:
        data = self._some(start, size)
        if len(data) != size:
            raise ValueError("it ends early")
        return data

    def _some(self, start: int, size: int) -> bytes:
        if start >= 1 << 62:
            return b""
        self._file.seek(start)
        return self._file.read(size)


def structure(directory: Directory) -> bytes:
    """Lay a directory out on its own, as EXIF is stored in files that are not TIFFs."""
    mark = b"II*\0" if directory.order == "<" else b"MM\0*"
    return mark + struct.pack(directory.order + "I", 8) + _laid_out(directory, 8)


def _laid_out(directory: Directory, at: int) -> bytes:
    """Lay out the directory, then its values, then its children, for the place `at`."""
    tags = sorted({*directory.entries, *directory.children})
    after = io.BytesIO()
    behind = at + 2 + 12 * len(tags) + 4
    table = b"".join(_placed(directory, tag, after, behind) for tag in tags)
    head = struct.pack(directory.order + "H", len(tags))
    return head + table + bytes(4) + after.getvalue()


def _placed(directory: Directory, tag: int, after: BinaryIO, behind: int) -> bytes:
    """Return a tag's twelve bytes; larger values go to `after`, which lies `behind`."""
    order = directory.order
    where = behind + _even_end(after)
    if tag in directory.children:
        after.write(_laid_out(directory.children[tag], where))
        return struct.pack(order + "HHII", tag, _LONG, 1, where)
    entry = directory.entries[tag]
    head = struct.pack(order + "HHI", tag, entry.kind, entry.count)
    if len(entry.data) <= 4:
        return head + entry.data.ljust(4, b"\0")
    after.write(entry.data)
    return head + struct.pack(order + "I", where)


def merge(file: io.BytesIO, added: Directory) -> None:
    """Add entries and children to the first directory of a finished classic TIFF.

    It is rewritten at the end; its old entries keep their values, whose offsets count from
    the start of the file. The byte orders must be the same.
    """
    order = added.order
    file.seek(4)
    file.seek(*struct.unpack(order + "I", file.read(4)))
    (count,) = struct.unpack(order + "H", file.read(2))
    entries = [file.read(12) for _ in range(count)]
    old = {struct.unpack_from(order + "H", entry)[0]: entry for entry in entries}
    new = {
        tag: _placed(added, tag, file, 0)
        for tag in sorted({*added.entries, *added.children})
        if tag not in old
    }
    table = [entry for _, entry in sorted((old | new).items())]
    where = _even_end(file)
    file.write(struct.pack(order + "H", len(table)) + b"".join(table) + bytes(4))
    file.seek(4)
    file.write(struct.pack(order + "I", where))


def _even_end(file: BinaryIO) -> int:
    end = file.seek(0, io.SEEK_END)
    return end + file.write(bytes(end % 2))
