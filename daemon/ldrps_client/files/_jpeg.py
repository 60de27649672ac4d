"""A JPEG apart from its pixels: which kind it is, whether all of it is there, its comments."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import BinaryIO

import simplejpeg

from ldrps_client.files._formats import DAMAGED
from ldrps_engine.errors import PhotoError

_NO_FRAME = (0xC4, 0xC8, 0xCC)
_HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
_ALONE = (0x01, *range(0xD0, 0xD9))
_START_OF_SCAN, _END = 0xDA, 0xD9
_MOST_SEGMENTS = 10_000
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
    """PhotoError for a kind of JPEG that is no damaged one, and that nobody here decodes."""
    kind, bits, channels = _frame(file)
    if kind in _HIERARCHICAL:
        raise PhotoError("it is a JPEG of several sizes in one; save it as PNG or TIFF")
    if bits not in (0, 8):
        raise PhotoError(f"it is a JPEG of {bits} bits; save it as PNG or TIFF with 16")
    if channels not in (0, 1, 3, 4):
        raise PhotoError(f"it is a JPEG of {channels} channels; save it as grey or RGB")


def _frame(file: BinaryIO) -> tuple[int, int, int]:
    """(marker, bits, channels) of the frame's header; zeros if there is none."""
    where = file.tell()
    file.seek(2)
    try:
        for _ in range(_MOST_SEGMENTS):
            marker = _next_marker(file)
            if marker in (_START_OF_SCAN, _END):
                break
            if marker in _ALONE:
                continue
            (size,) = struct.unpack(">H", file.read(2))
            if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
                frame = file.read(6)
                return marker, frame[0], frame[5]
            file.seek(max(size - 2, 0), 1)
    except (struct.error, IndexError):
        pass
    finally:
        file.seek(where)
    return 0, 0, 0


def _next_marker(file: BinaryIO) -> int:
    """The number behind 0xFF; IndexError at the end of the file."""
    while file.read(1)[0] != 0xFF:
        pass
    number = 0xFF
    while number == 0xFF:
        number = file.read(1)[0]
    return number


def check_whole(data: bytes) -> None:
    """PhotoError if parts of the picture are not in the file and a decoder would make them up.

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


def _has_left_over(words: str, data: bytes) -> bool:
    """Whether blocks came to their end before the data did, as they do over a hole of zeros."""
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
    """All comments, as they are in the file; `segments` are all of a JPEG's, by name."""
    return tuple(data for name, data in segments if name == "COM")


def comment_segments(comments: Iterable[bytes]) -> bytes:
    """Segments of comments; one that is too long for a segment goes on in the next."""
    parts = (
        comment[at : at + _LARGEST_COMMENT]
        for comment in comments
        for at in range(0, len(comment), _LARGEST_COMMENT)
    )
    return b"".join(_COMMENT + struct.pack(">H", len(part) + 2) + part for part in parts)
