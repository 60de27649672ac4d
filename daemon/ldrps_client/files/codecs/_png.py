"""PNG: pixels through Pillow, those of 16 bits through imagecodecs (libpng); the rest by chunks.

Both are exact in both directions by test. Everything else that belongs to the photo is read from
the chunks themselves, and spliced in after the header, as PNG (third edition, 5.6) orders.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from ldrps_client.files._orientation import upright
from ldrps_client.files._read import Encoding, Parts
from ldrps_client.files.codecs._pillow import open_image
from ldrps_client.files.colour._hdr import refuse_hdr
from ldrps_client.files.colour._stated import Stated, by_code_points, by_gamma, chromaticities
from ldrps_client.files.metadata._chunks import (
    Chunks,
    Note,
    header,
    profile_of,
    read_chunks,
    read_notes,
    texts_of,
)
from ldrps_client.files.metadata._comments import Text, as_texts
from ldrps_client.files.metadata._companions import without_companions
from ldrps_client.files.metadata._exif import resolution_of
from ldrps_client.files.metadata._iptc import PNG_KEYWORD, png_text, raw_profile, unwrapped
from ldrps_client.files.metadata._metadata import (
    Metadata,
    sensible_dpi,
    strip_prefix,
    upright_exif,
    upright_xmp,
)
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Photo, Samples, check_size
from ldrps_wire.formats import Format

_HEADER_END = 33  # signature 8, IHDR 8 + 13 + 4
_INCH = 0.0254
_XMP = "XML:com.adobe.xmp"
_RAW = "Raw profile type "
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
# Chunks that state colours by numbers, with their sizes; the first one present counts.
_STATING = ((b"cICP", 4), (b"sRGB", 1), (b"gAMA", 4), (b"cHRM", 32))
_OF_FEW_COLOURS = "it has a palette of few colours; the result is in full colour"


def read_png(file: BinaryIO, kind: Format) -> Parts:
    """Read pixels, metadata and encoding of an open PNG."""
    head = header(file)
    check_size(*struct.unpack_from(">II", head))
    found = read_chunks(file)
    if len(frames := found.first(b"acTL", 8)) and frames[:4] != b"\0\0\0\1":
        raise PhotoError("it is animated; export one frame as PNG")
    samples, odd = _deep(found, head) if head[8] == 16 else _shallow(found)
    profile, encoding, words = _colours(found, grey=samples.ndim == 2 or samples.shape[2] < 3)
    metadata, orientation, lost = _metadata(found, head)
    photo = Photo.from_samples(upright(samples, orientation), profile)
    return Parts(photo, metadata, encoding, (*odd, *words, *lost, *found.odd))


def _deep(found: Chunks, head: bytes) -> tuple[Samples, tuple[str, ...]]:
    samples: Samples = imagecodecs.png_decode(found.pixels)
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if samples.dtype != np.uint16 or channels != _CHANNELS.get(head[9]):
        raise PhotoError("it has one transparent colour; convert it to an alpha channel")
    return samples, ()


def _shallow(found: Chunks) -> tuple[Samples, tuple[str, ...]]:
    with open_image(io.BytesIO(found.pixels), Format.PNG) as image:
        if image.mode == "1":
            raise PhotoError("it is black and white without greys; convert it to greyscale")
        few = image.mode == "P"
        return np.asarray(_converted(image)), (_OF_FEW_COLOURS,) if few else ()


def _converted(image: Image.Image) -> Image.Image:
    """Convert palettes to colours, and one transparent colour, as PNG can have, to alpha."""
    transparent = "transparency" in image.info
    if image.mode == "P":
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode in ("L", "RGB") and transparent:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    image.load()
    return image


def _colours(found: Chunks, *, grey: bool) -> tuple[bytes, Encoding, tuple[str, ...]]:
    """Return (the profile, the chunks that state colours, warnings), in 4.3's precedence."""
    stating = [(name, data) for name, size in _STATING if (data := found.first(name, size))]
    embedded = profile_of(found)
    numbers = found.first(b"cICP", 4)
    refuse_hdr(numbers[1] if numbers else None)
    stated = by_code_points(numbers[0], numbers[1], grey=grey) if numbers else Stated()
    if numbers and not stated.odd:
        # The profile is for those who do not know of such numbers.
        stating += [(b"iCCP", found.first(b"iCCP"))] if embedded else []
        return stated.profile, Encoding(stated=stated.profile, colour_chunks=tuple(stating)), ()
    words = (stated.odd,) if stated.odd and not embedded else ()
    if embedded or found.first(b"sRGB", 1):
        return embedded, Encoding(colour_chunks=tuple(stating)), words
    stated = _by_gamma(found, grey=grey)
    words = (*words, *([stated.odd] if stated.odd else []))
    return stated.profile, Encoding(stated=stated.profile, colour_chunks=tuple(stating)), words


def _by_gamma(found: Chunks, *, grey: bool) -> Stated:
    gamma, corners = found.first(b"gAMA", 4), found.first(b"cHRM", 32)
    encoding = int.from_bytes(gamma, "big")
    exponent = 100_000 / encoding if encoding else None
    primaries = None
    if corners:
        primaries = chromaticities([n / 100_000 for n in struct.unpack(">8I", corners)])
    return by_gamma(exponent, primaries, grey=grey)


def _metadata(found: Chunks, head: bytes) -> tuple[Metadata, int, tuple[str, ...]]:
    """Return (metadata, the original orientation, warnings about what is not carried over)."""
    notes = texts_of(found)
    raw = {n.keyword: raw_profile(n.text) for n in notes if n.keyword.startswith(_RAW)}
    size: tuple[int, int] = struct.unpack_from(">II", head)
    legacy = raw.get(f"{_RAW}exif") or raw.get(f"{_RAW}APP1", b"")
    exif = strip_prefix(found.first(b"eXIf") or legacy)
    exif, orientation = upright_exif(exif, size)
    xmp = next((note.raw for note in notes if note.keyword == _XMP), b"")
    xmp, lost = without_companions(xmp or raw.get(f"{_RAW}xmp", b""))
    metadata = Metadata(
        exif=exif,
        xmp=upright_xmp(xmp, orientation),
        iptc=unwrapped(raw.get(PNG_KEYWORD, b"")),
        texts=tuple(_texts(notes)),
        dpi=_dpi(found) or resolution_of(exif),
    )
    return metadata, orientation, lost


def xmp_of(file: BinaryIO) -> bytes:
    """Return the XMP packet of an open PNG; empty if there is none."""
    notes = texts_of(read_notes(file))
    return next((note.raw for note in notes if note.keyword == _XMP), b"")


def _texts(notes: list[Note]) -> list[Text]:
    """Drop texts that hold other kinds of metadata."""
    return [
        (note.keyword, note.text)
        for note in notes
        if note.keyword != _XMP and not note.keyword.startswith(_RAW)
    ]


def _dpi(found: Chunks) -> tuple[float, float] | None:
    data = found.first(b"pHYs", 9)
    if not data or data[8] != 1:
        return None
    across, down = struct.unpack_from(">II", data)
    return sensible_dpi(across * _INCH, down * _INCH)


def png_bytes(
    samples: Samples,
    profile: bytes,
    metadata: Metadata,
    stating: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """Encode uint8 or uint16 samples as a PNG file; `stating` are chunks that state its colours."""
    squeezed = samples[..., 0] if samples.shape[2] == 1 else samples
    plain = bytes(imagecodecs.png_encode(np.ascontiguousarray(squeezed), level=6))
    chunks = [_chunk(name, data) for name, data in stating] + _chunks(profile, metadata)
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
    texts = [*metadata.texts, *as_texts(metadata.comments)]
    chunks += [_text(keyword, text.encode("utf-8", "replace")) for keyword, text in texts]
    if metadata.iptc:
        body = zlib.compress(png_text(metadata.iptc).encode())
        chunks.append(_chunk(b"zTXt", PNG_KEYWORD.encode() + b"\0\0" + body))
    return chunks


def _text(keyword: str, text: bytes) -> bytes:
    return _chunk(b"iTXt", keyword.encode("latin-1", "replace") + b"\0\0\0\0\0" + text)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
