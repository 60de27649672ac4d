"""Metadata that travels with the pixels. The ICC profile is in the Photo."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ldrps_client.files.metadata._packet import Packet, Prefixes

_EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION, _EXIF, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_THUMBNAIL, _THUMBNAIL_SIZE = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
_XMP = Prefixes(tiff="http://ns.adobe.com/tiff/1.0/", exif="http://ns.adobe.com/exif/1.0/")
# What a turned photo has otherwise; the file itself says it anyway.
_TURNED = (
    *("tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength"),
    *("exif:PixelXDimension", "exif:PixelYDimension"),
)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Everything carried from the source file to the result. Neutral: all empty, dpi None."""

    exif: bytes = b""
    """EXIF as a TIFF structure without the `Exif` prefix, orientation 1, no thumbnail."""
    xmp: bytes = b""
    """XMP packet; says nothing of an orientation that was applied."""
    iptc: bytes = b""
    """IPTC-IIM records."""
    texts: tuple[tuple[str, str], ...] = ()
    """PNG's texts, (keyword, text) such as `Author`, in the file's order."""
    comments: tuple[bytes, ...] = ()
    """JPEG's comments, without those about encoding, in the file's order."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down."""


def sensible_dpi(across: float, down: float) -> tuple[float, float] | None:
    """Return a resolution that a file of any format can hold; None for nonsense."""
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None


def strip_prefix(exif: bytes) -> bytes:
    """Return EXIF as a bare TIFF structure."""
    return exif.removeprefix(_EXIF_PREFIX)


def with_prefix(exif: bytes) -> bytes:
    """Return EXIF in the form JPEG needs."""
    return _EXIF_PREFIX + exif if exif else b""


def upright_exif(exif: bytes, size: tuple[int, int], *, turned: bool = False) -> tuple[bytes, int]:
    """Return (EXIF with orientation 1 and without a thumbnail, the orientation it had).

    `size` is the stored width and height, or that of pixels that were `turned` already; the
    upright one replaces what the EXIF says.
    Patched in place, because rewriting the structure would move the makers' notes, whose
    offsets that cannot be mended. Broken EXIF is dropped: other programs stumble over it.
    """
    if not exif:
        return b"", 1
    try:
        return _patched(exif, size, turned)
    except (struct.error, KeyError):
        return b"", 1


def _patched(exif: bytes, size: tuple[int, int], turned: bool) -> tuple[bytes, int]:
    data = _Patch(exif)
    start = data.number("I", 4)
    first, behind = data.entries(start)
    orientation = data.value(first.get(_ORIENTATION)) or 1
    data.set(first.get(_ORIENTATION), 1)
    width, height = size if orientation < 5 or turned else size[::-1]
    if inner := data.value(first.get(_EXIF)):
        entries, _ = data.entries(inner)
        data.set(entries.get(_WIDTH), width)
        data.set(entries.get(_HEIGHT), height)
    data.drop_thumbnail(behind)
    return bytes(data.data), orientation if 1 <= orientation <= 8 else 1


class _Patch:
    """EXIF that is changed in place."""

    def __init__(self, exif: bytes) -> None:
        self.data = bytearray(exif)
        self._order = {b"II": "<", b"MM": ">"}[exif[:2]]

    def number(self, form: str, where: int) -> int:
        return int(struct.unpack_from(self._order + form, self.data, where)[0])

    def entries(self, start: int) -> tuple[dict[int, int], int]:
        """Return the offset of each tag's entry, and that of the next directory's pointer."""
        behind = start + 2 + 12 * self.number("H", start)
        places = {self.number("H", at): at for at in range(start + 2, behind, 12)}
        self.number("I", behind)
        return places, behind

    def value(self, entry: int | None) -> int:
        """Return a short's or a long's value; 0 if there is none."""
        if entry is None or self.number("H", entry + 2) not in (_SHORT, _LONG):
            return 0
        return self.number("H" if self.number("H", entry + 2) == _SHORT else "I", entry + 8)

    def set(self, entry: int | None, value: int) -> None:
        """Overwrite a value, if there was one."""
        if entry is not None and self.value(entry):
            form = "H" if self.number("H", entry + 2) == _SHORT else "I"
            struct.pack_into(self._order + form, self.data, entry + 8, value)

    def drop_thumbnail(self, behind: int) -> None:
        """Cut the second directory off, and blank the photo before its restoration in it."""
        second = self.number("I", behind)
        struct.pack_into(self._order + "I", self.data, behind, 0)
        if second:
            entries, _ = self.entries(second)
            start = self.value(entries.get(_THUMBNAIL))
            end = start + self.value(entries.get(_THUMBNAIL_SIZE))
            if 8 < start < end <= len(self.data):
                # At the end, where it mostly is, it can go; elsewhere offsets would move.
                self.data[start:end] = b"" if end == len(self.data) else bytes(end - start)


def upright_xmp(xmp: bytes, orientation: int) -> bytes:
    """Adapt the packet of a photo that was turned by an orientation; 1 changes nothing."""
    if orientation == 1 or not xmp:
        return xmp
    packet = Packet(xmp)
    for name in _TURNED:
        packet.remove(_XMP.name(name))
    return packet.to_bytes()
