"""Chunks of a PNG (PNG, third edition, 5.3 and 11.3), taken apart without a decoder.

Decoders mix what a file says with what they themselves note: a text called `transparency` or
`icc_profile` is as good as any other, and must not reach them. They get the pixels alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ldrps_client.files._formats import DAMAGED
from ldrps_engine.errors import PhotoError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OF_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# Most bytes of everything but pixels, packed, and as many again unpacked.
_LARGEST_NOTE = 1 << 26


@dataclass
class Chunks:
    """One file, taken apart."""

    pixels: bytes = b""
    """A PNG of the same pixels and nothing else."""
    notes: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(type, content) of all other chunks, in the file's order."""
    odd: list[str] = field(default_factory=list)
    """Sentences about what was left out, and why."""

    def first(self, name: bytes, size: int | None = None) -> bytes:
        """Return the first chunk of a type, if it has the right size; empty if there is none."""
        found = next((data for kind, data in self.notes if kind == name), b"")
        return found if size is None or len(found) == size else b""


def header(file: BinaryIO) -> bytes:
    """Return the content of an open file's header, 13 bytes; PhotoError if there is none."""
    file.seek(0)
    head = file.read(33)
    if head[12:16] == b"CgBI":
        raise PhotoError("it is a PNG as Apple's Xcode packs them into apps; save it as plain PNG")
    if len(head) < 33 or head[12:16] != b"IHDR" or not all(struct.unpack_from(">II", head, 16)):
        raise PhotoError(DAMAGED)
    return head[16:29]


def read_chunks(file: BinaryIO) -> Chunks:
    """Read all chunks of an open PNG; PhotoError if one that holds pixels is damaged."""
    found = Chunks()
    parts = [SIGNATURE]
    left = _LARGEST_NOTE
    for name, size, whole in _raw(file):
        if name in _OF_PIXELS:
            if not _is_sound(name, whole, size):
                raise PhotoError(DAMAGED)
            parts.append(whole)
            continue
        left -= len(whole)
        if left < 0 or not _is_sound(name, whole, size):
            why = "too large" if left < 0 else "damaged"
            found.odd.append(f"its block '{_printable(name)}' is {why} and left out")
        else:
            found.notes.append((name, whole[8:-4]))
    found.pixels = b"".join(parts)
    return found


def read_notes(file: BinaryIO) -> Chunks:
    """Read everything but the pixels of an open PNG, which are passed over."""
    sound = (
        (name, whole[8:-4])
        for name, size, whole in _raw(file, skipped=_OF_PIXELS)
        if name not in _OF_PIXELS and _is_sound(name, whole, size)
    )
    return Chunks(notes=list(sound))


def _raw(file: BinaryIO, skipped: tuple[bytes, ...] = ()) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield (type, size, the whole chunk); what follows the end is no part of the photo."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if not name.isalpha():
            # A hole, in which zeros would be so many empty chunks.
            raise PhotoError(DAMAGED)
        if name in skipped or (name not in _OF_PIXELS and size > _LARGEST_NOTE):
            yield name, size, head
            file.seek(size + 4, 1)
        else:
            yield name, size, head + file.read(size + 4)
        if name == b"IEND":
            return


def _is_sound(name: bytes, whole: bytes, size: int) -> bool:
    if len(whole) != size + 12:
        # A cut-off end holds no pixels: decoders say themselves when some are missing.
        return name == b"IEND"
    return bool(zlib.crc32(whole[4:-4]) == int.from_bytes(whole[-4:], "big"))


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text with its keyword."""

    keyword: str
    raw: bytes
    """Text as it is in the file, unpacked."""
    encoding: str

    @property
    def text(self) -> str:
        """Decoded text."""
        return self.raw.decode(self.encoding, "replace")


def texts_of(found: Chunks) -> list[Note]:
    """Return all texts of a file, whatever the kind of their chunk; broken ones go to `odd`."""
    result = []
    left = _LARGEST_NOTE
    for name, data in found.notes:
        if name not in _READERS:
            continue
        try:
            note = _READERS[name](data, left)
        except (zlib.error, ValueError):
            keyword = data.partition(b"\0")[0][:79]
            found.odd.append(f"its text '{_printable(keyword)}' is damaged or too large; left out")
            continue
        left -= len(note.raw)
        result.append(note)
    return result


def profile_of(found: Chunks) -> bytes:
    """Return the embedded ICC profile; empty if there is none or it cannot be unpacked."""
    data = found.first(b"iCCP")
    if not data:
        return b""
    _, _, rest = data.partition(b"\0")
    try:
        return unpacked(rest[1:], _LARGEST_NOTE)
    except (zlib.error, ValueError):
        found.odd.append("its colour profile is damaged, so the photo is taken for sRGB")
        return b""


def unpacked(data: bytes, most: int) -> bytes:
    """Inflate; ValueError if that gives more than so many bytes, or ends early."""
    inflater = zlib.decompressobj()
    # Nothing at all would be without a limit.
    result = inflater.decompress(data, max(most, 1))
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("too large or cut off")
    return result


def _plain(data: bytes, most: int) -> Note:
    keyword, _, text = data.partition(b"\0")
    return Note(keyword=keyword.decode("latin-1"), raw=text, encoding="latin-1")


def _packed(data: bytes, most: int) -> Note:
    keyword, _, rest = data.partition(b"\0")
    return Note(keyword=keyword.decode("latin-1"), raw=unpacked(rest[1:], most), encoding="latin-1")


def _international(data: bytes, most: int) -> Note:
    keyword, _, rest = data.partition(b"\0")
    # Flag and method of packing, the language, and the keyword in it.
    _, _, translated = rest[2:].partition(b"\0")
    _, _, text = translated.partition(b"\0")
    raw = unpacked(text, most) if rest[:1] == b"\1" else text
    return Note(keyword=keyword.decode("latin-1"), raw=raw, encoding="utf-8")


def _printable(name: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in name.decode("latin-1"))


_READERS = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
