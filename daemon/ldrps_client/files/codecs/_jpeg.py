"""A JPEG apart from its pixels: its kind, its completeness, its comments."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import simplejpeg

from ldrps_client.files._formats import DAMAGED
from ldrps_engine.errors import PhotoError

_NO_FRAME = (0xC4, 0xC8, 0xCC)
_HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
_ALONE = (0x01, *range(0xD0, 0xD9))
_START_OF_SCAN, _END = 0xDA, 0xD9
_TABLES = 0xC4
_MOST_HEADERS = 1 << 24
_PROGRESSIVE = (0xC2, 0xCA)
_COEFFICIENTS = 64
LACKS_PASSES = "it loads in passes, of which the last ones are missing; details are lost"
# CIPA DC-007, 5.2.3.3: what an index of pictures says of each; small copies of the first are none.
_INDEX_ENTRIES = 0xB002
_INDEX_ENTRY_BYTES = 16
_OF_ITS_OWN = (0x000000, 0x020001, 0x020002, 0x020003)
# Zeros behind 0xFF are stuffing, and restarts stand within a scan. More of 0xFF may come before a
# marker; a pattern that begins with just one is found twenty times as quickly.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ZEROS = bytes(64)
_COMMENT = b"\xff\xfe"
_LARGEST_COMMENT = 65_533

# libjpeg's words for having made up what was missing. Others, such as a version of JFIF that it
# does not know, say nothing of the picture.
_MADE_UP = re.compile(
    r"premature end|bad huffman code|bad arithmetic code|found marker 0x\w+ instead of rst"
    r"|inconsistent progression",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0x(\w\w)")
# Some cameras and webcams put a few between the last block and the next marker.
_FEW_BYTES = 16


def check_kind(file: BinaryIO) -> None:
    """Raise PhotoError for a JPEG that is not damaged, but of a kind that is not decoded here."""
    kind, bits, height, channels = _frame(file)
    if kind in _HIERARCHICAL:
        raise PhotoError("it is a JPEG of several sizes in one; save it as PNG or TIFF")
    if kind and not height:
        raise PhotoError("it is a JPEG that tells its height only at its end; save it again")
    if bits not in (0, 8):
        raise PhotoError(f"it is a JPEG of {bits} bits; save it as PNG or TIFF with 16")
    if channels not in (0, 1, 3, 4):
        raise PhotoError(f"it is a JPEG of {channels} channels; save it as grey or RGB")


def _frame(file: BinaryIO) -> tuple[int, int, int, int]:
    """Return (marker, bits, height, channels) of the frame's header; zeros if there is none."""
    where = file.tell()
    file.seek(0)
    head = file.read(_MOST_HEADERS)
    file.seek(where)
    for marker, start, end in _segments(head):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME and end - start >= 6:
            height = int.from_bytes(head[start + 1 : start + 3], "big")
            return marker, head[start], height, head[start + 5]
    return 0, 0, 0, 0


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment that has a length; not of the pixels."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = found[0][-1], found.end()
        if marker == _END:
            return
        if marker in _ALONE or at + 2 > len(data):
            continue
        end = at + int.from_bytes(data[at : at + 2], "big")
        yield marker, at + 2, end
        at = max(end, at)


def check_whole(data: bytes) -> None:
    """Raise PhotoError if parts of the picture are missing and a decoder would make them up.

    Reads all of the entropy-coded data, and makes an eighth of the pixels a side of it.
    """
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        target = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(colours, "RGB")
        simplejpeg.decode_jpeg(data, target, fastdct=True, fastupsample=True, min_factor=8)
    except ValueError as error:
        words = str(error)
        if _MADE_UP.search(words) or _has_left_over(words, data):
            raise PhotoError(DAMAGED) from None
    if _has_zeros_that_mean_nothing(data):
        raise PhotoError(DAMAGED)


def _has_zeros_that_mean_nothing(data: bytes) -> bool:
    """Tell whether a hole was filled with zeros that a decoder took for blocks.

    The code of zeros alone is that of a table's first symbol. Unless that ends the block in every
    table of a scan, they are blocks full of the smallest coefficients, as no picture has them.
    """
    first: dict[int, int] = {}
    sequential = False
    for marker, start, end in _segments(data):
        if marker == _TABLES:
            first |= _first_symbols(data[start:end])
        elif marker in (0xC0, 0xC1):
            sequential = True
        elif marker == _START_OF_SCAN and sequential:
            chosen = data[start + 2 : end : 2][: data[start] if start < len(data) else 0]
            full = any(first.get(number & 15, 0) for number in chosen)
            stop = _MARKER.search(data, end)
            coded = data[end : stop.start() if stop else None].rstrip(b"\xff")
            # Those at the end may be padding.
            if full and _ZEROS in coded.rstrip(b"\0"):
                return True
    return False


def _first_symbols(tables: bytes) -> dict[int, int]:
    """Return the first symbol of each table for AC coefficients, by the table's number."""
    found = {}
    at = 0
    while at + 17 < len(tables):
        if tables[at] >> 4:
            found[tables[at] & 15] = tables[at + 17]
        at += 17 + sum(tables[at + 1 : at + 17])
    return found


def _has_left_over(words: str, data: bytes) -> bool:
    """Tell whether blocks ended before the data did, as they do over a hole of zeros."""
    found = _LEFT_OVER.search(words)
    if not found or int(found[1]) <= _FEW_BYTES:
        return False
    count, marker = int(found[1]), bytes([0xFF, int(found[2], 16)])
    # Padding is of one value, and a hole goes on further to the front than what was left over.
    end = data.rfind(marker)
    before = data[max(0, end - count - 2 * _FEW_BYTES) : end]
    padding = len(before) - len(before.rstrip(before[-1:]))
    return not count - _FEW_BYTES <= padding <= count + _FEW_BYTES


def comments_of(segments: Iterable[tuple[str, bytes]]) -> tuple[bytes, ...]:
    """Return all comments, as they are in the file; `segments` are all of a JPEG's, by name."""
    return tuple(data for name, data in segments if name == "COM")


def comment_segments(comments: Iterable[bytes]) -> bytes:
    """Make segments of comments; one too long for a segment goes on in the next."""
    parts = (
        comment[at : at + _LARGEST_COMMENT]
        for comment in comments
        for at in range(0, len(comment), _LARGEST_COMMENT)
    )
    return b"".join(_COMMENT + struct.pack(">H", len(part) + 2) + part for part in parts)


def lacks_passes(data: bytes) -> bool:
    """Tell whether a progressive JPEG ended before each coefficient was there to its last bit.

    Decoders take it for whole: the standard does not ask for all of them.
    """
    components, exact = 0, set[tuple[int, int]]()
    for marker, start, end in _segments(data):
        if marker in _PROGRESSIVE:
            components = data[start + 5]
        elif marker == _START_OF_SCAN and components and end <= len(data):
            chosen = data[start + 1 : end - 3 : 2]
            first, last, bits = data[end - 3 : end]
            if not bits & 15:
                exact |= {(each, at) for each in chosen for at in range(first, last + 1)}
    return len(exact) < components * _COEFFICIENTS


def holds_pictures(index: bytes | None) -> bool:
    """Tell whether an index of several pictures (MPF) names more than copies of the first."""
    if not index or index[:4] not in (b"II*\0", b"MM\0*"):
        return False
    order = "<" if index[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, _, size, where = struct.unpack_from(f"{order}HHII", index, entry)
            if tag == _INDEX_ENTRIES:
                others = range(where + _INDEX_ENTRY_BYTES, where + size, _INDEX_ENTRY_BYTES)
                kinds = [struct.unpack_from(f"{order}I", index, other)[0] for other in others]
                return any(kind & 0xFFFFFF in _OF_ITS_OWN for kind in kinds)
    except struct.error:
        pass
    return False
