"""What travels with the pixels: EXIF, XMP and resolution. The ICC profile is in the Photo."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_ORIENTATION = 0x0112
_EXIF_PREFIX = b"Exif\0\0"
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*=\s*[\"']|<tiff:Orientation>\s*)[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Carried from the source file to the result. Neutral: all empty, dpi None."""

    exif: bytes = b""
    """A TIFF structure without the `Exif` prefix, orientation 1, no thumbnail."""
    xmp: bytes = b""
    """An XMP packet, orientation 1."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down."""


def strip_prefix(exif: bytes) -> bytes:
    """EXIF as a bare TIFF structure."""
    return exif.removeprefix(_EXIF_PREFIX)


def with_prefix(exif: bytes) -> bytes:
    """EXIF as JPEG wants it."""
    return _EXIF_PREFIX + exif if exif else b""


def upright_exif(exif: bytes) -> tuple[bytes, int]:
    """(EXIF with orientation 1 and without a thumbnail, the orientation it had).

    Patched in place, because rewriting the structure would move the makers' notes, whose
    offsets nobody can mend. Broken EXIF is dropped: other programs stumble over it.
    """
    if not exif:
        return b"", 1
    try:
        return _patched(exif)
    except (struct.error, KeyError):
        return b"", 1


def _patched(exif: bytes) -> tuple[bytes, int]:
    order = {b"II": "<", b"MM": ">"}[exif[:2]]
    data = bytearray(exif)
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    orientation = 1
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", data, entry)
        if tag == _ORIENTATION:
            orientation = value if 1 <= value <= 8 else 1
            struct.pack_into(order + "H", data, entry + 8, 1)
    # No second directory: it would hold a thumbnail of the photo before its restoration.
    struct.pack_into(order + "I", data, start + 2 + 12 * count, 0)
    return bytes(data), orientation


def upright_xmp(xmp: bytes) -> bytes:
    """The packet with orientation 1, if it names one."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
