"""Replacement of the XMP packet in a finished file; all the rest stays as it is, to the bit."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from ldrps_wire.formats import Format

_PNG_HEAD = 8
_PNG_XMP = b"XML:com.adobe.xmp\0"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_LIMIT = 65_533
_APP1, _SCAN = 0xE1, 0xDA
_TIFF_XMP, _TIFF_BYTE = 700, 1
_WEBP_HEAD = 12


def with_xmp(data: bytes, kind: Format, xmp: bytes) -> bytes | None:
    """Replace the XMP packet in a file's bytes.

    None where such a file cannot hold it, or has none to be replaced. ValueError if the bytes are
    no such file.
    """
    try:
        match kind:
            case Format.JPEG:
                return _jpeg(data, xmp)
            case Format.PNG:
                return _png(data, xmp)
            case Format.WEBP:
                return _webp(data, xmp)
            case Format.TIFF:
                return _tiff(data, xmp)
    except (struct.error, IndexError) as error:
        raise ValueError(f"it is no {kind.name}") from error
    return None


def _jpeg(data: bytes, xmp: bytes) -> bytes | None:
    body = _JPEG_XMP + xmp
    if len(body) > _JPEG_LIMIT:
        return None
    segment = struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
    for start, end in _jpeg_segments(data):
        if data[start + 1] == _APP1 and data.startswith(_JPEG_XMP, start + 4):
            return data[:start] + segment + data[end:]
    return None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each segment before the pixels."""
    at = 2
    while data[at] == 0xFF and data[at + 1] != _SCAN:
        end = at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        yield at, end
        at = end


def _png(data: bytes, xmp: bytes) -> bytes | None:
    body = b"iTXt" + _PNG_XMP + b"\0\0\0\0" + xmp
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    at = _PNG_HEAD
    while at < len(data):
        end = at + 12 + int(struct.unpack_from(">I", data, at)[0])
        if data.startswith(b"iTXt" + _PNG_XMP, at + 4):
            return data[:at] + chunk + data[end:]
        at = end
    return None


def _webp(data: bytes, xmp: bytes) -> bytes | None:
    chunk = b"XMP " + struct.pack("<I", len(xmp)) + xmp + b"\0" * (len(xmp) % 2)
    at = _WEBP_HEAD
    while at < len(data):
        size = int(struct.unpack_from("<I", data, at + 4)[0])
        end = at + 8 + size + size % 2
        if data.startswith(b"XMP ", at):
            body = data[8:at] + chunk + data[end:]
            return b"RIFF" + struct.pack("<I", len(body)) + body
        at = end
    return None


def _tiff(data: bytes, xmp: bytes) -> bytes | None:
    import tifffile

    buffer = io.BytesIO(data)
    with tifffile.TiffFile(buffer, mode="r+") as tiff:
        tag = tiff.pages.first.tags.get(_TIFF_XMP)
        if tag is None:
            return None
        tag.overwrite(xmp, dtype=_TIFF_BYTE)
        return buffer.getvalue()
