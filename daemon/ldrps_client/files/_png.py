"""PNG: 16 bits a sample, which Pillow cannot hold, and the chunks that carry metadata.

Pixels go through imagecodecs (libpng), exact in both directions by test; metadata is spliced
in as chunks after the header, as the PNG specification (third edition, section 5.6) orders.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import imagecodecs
import numpy as np

from ldrps_client.files._iptc import PNG_KEYWORD, png_text
from ldrps_client.files._metadata import Metadata
from ldrps_engine.photo import Samples

_HEADER_END = 33  # signature 8, IHDR 8 + 13 + 4
_INCH = 0.0254
_XMP = "XML:com.adobe.xmp"


def png_bytes(samples: Samples, profile: bytes, metadata: Metadata) -> bytes:
    """A PNG file of uint8 or uint16 samples."""
    squeezed = samples[..., 0] if samples.shape[2] == 1 else samples
    plain = bytes(imagecodecs.png_encode(np.ascontiguousarray(squeezed), level=6))
    chunks = _chunks(profile, metadata)
    return b"".join([plain[:_HEADER_END], *chunks, plain[_HEADER_END:]])


def _chunks(profile: bytes, metadata: Metadata) -> list[bytes]:
    chunks = []
    if profile:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    if metadata.dpi:
        across, down = (round(value / _INCH) for value in metadata.dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", across, down, 1)))
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(_text(_XMP, metadata.xmp))
    chunks += [_text(keyword, text.encode()) for keyword, text in metadata.texts.items()]
    if metadata.iptc:
        body = zlib.compress(png_text(metadata.iptc).encode())
        chunks.append(_chunk(b"zTXt", PNG_KEYWORD.encode() + b"\0\0" + body))
    return chunks


def _text(keyword: str, text: bytes) -> bytes:
    return _chunk(b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text)


def texts_of(info: Mapping[Any, Any]) -> dict[str, str]:
    """The comments among what Pillow found, without what is metadata of other kinds."""
    return {
        keyword: str(text)
        for keyword, text in info.items()
        if isinstance(keyword, str)
        and isinstance(text, str)
        and keyword != _XMP
        and not keyword.startswith("Raw profile type")
    }


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
