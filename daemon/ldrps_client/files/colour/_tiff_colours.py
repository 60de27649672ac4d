"""Samples of a TIFF as grey or RGB, from whichever form the file states colours in."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import imagecodecs
import numpy as np

from ldrps_client.files.colour._alpha import straight
from ldrps_client.files.colour._cmyk import cmyk_to_srgb
from ldrps_client.files.colour._stated import (
    Stated,
    by_curves,
    by_table,
    chromaticities,
    srgb_if_none,
)
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Depth, Samples

_TRANSFER, _WHITE, _PRIMARIES, _INKS = 301, 318, 319, 332
_CMYK_INKS, _ORIENTATION = 1, 274
_ASSOCIATED, _UNASSOCIATED = 1, 2
_COMPRESSED_AS_JPEG = 7
_OF_FEW_COLOURS = "it has a palette of few colours; the result is in full colour"


@dataclass(frozen=True)
class Colours:
    """Samples and their meaning."""

    samples: Samples
    profile: bytes = b""
    odd: tuple[str, ...] = ()


def samples_of(page: Any, file: BinaryIO) -> Colours:
    """Return the samples (H, W, 1 to 4) of a page whose layout was checked, with their profile."""
    profile = bytes(page.iccprofile or b"")
    kind = page.photometric.name
    if kind == "PALETTE":
        return Colours(_looked_up(page), profile, (_OF_FEW_COLOURS,))
    if kind == "YCBCR" and page.compression != _COMPRESSED_AS_JPEG:
        return _of_ycbcr(page, file, profile)
    samples = _channels_last(page)
    if kind == "SEPARATED":
        return _of_cmyk(page, samples, profile)
    if kind == "MINISWHITE":
        samples = _inverted(samples)
    if extra_of(page) == _ASSOCIATED:
        samples = straight(samples, Depth(samples.dtype.name))
    stated = Stated() if profile else _stated(page, grey=samples.shape[2] < 3)
    return Colours(samples, profile or stated.profile, (stated.odd,) if stated.odd else ())


def extra_of(page: Any) -> int:
    """Return the meaning of the channel behind the colours, as TIFF numbers it."""
    return int(page.extrasamples[0]) if page.extrasamples else _UNASSOCIATED


def _channels_last(page: Any) -> Samples:
    samples: Any = page.asarray()
    if samples.ndim == 3 and page.planarconfig == 2:
        samples = np.moveaxis(samples, 0, -1)
    return cast(Samples, samples[..., None] if samples.ndim == 2 else samples)


def _inverted(samples: Samples) -> Samples:
    peak = next(depth.peak for depth in Depth if depth.value == samples.dtype.name)
    grey: Any = samples
    result = np.concatenate([peak - grey[..., :1], grey[..., 1:]], axis=-1)
    return cast(Samples, result.astype(samples.dtype))


def _looked_up(page: Any) -> Samples:
    """Look colours up in the table, in 8 bits if that is what it was made from."""
    table = np.asarray(page.colormap).T
    indices = _channels_last(page)
    if indices.dtype.kind != "u" or indices.shape[2] != 1 or table.ndim != 2 or table.shape[1] != 3:
        raise PhotoError("it has a palette of an unknown form; save it as RGB")
    # Some multiply by 257, some by 256, and some not at all.
    if table.max(initial=0) < 256:
        table = table.astype(np.uint8)
    elif not (table % 257).any() or not (table % 256).any():
        table = (table >> 8).astype(np.uint8)
    colours: Samples = table[indices[..., 0]]
    return colours


def _of_ycbcr(page: Any, file: BinaryIO, profile: bytes) -> Colours:
    """Decode through libtiff, which knows of coefficients, ranges and chroma of half the size."""
    is_usual = page.bitspersample == 8 and page.samplesperpixel == 3
    # Below another directory, libtiff does not know which one.
    if not is_usual or not isinstance(page.index, int):
        raise PhotoError("it is in YCbCr of an unusual form; save it as RGB")
    data = _unturned(page, file)
    rgba: Any = imagecodecs.tiff_decode(data, index=page.index, asrgb=True)
    return Colours(cast(Samples, np.ascontiguousarray(rgba[..., :3])), profile)


def _unturned(page: Any, file: BinaryIO) -> bytes:
    """Remove the file's orientation, since libtiff applies it to some files only."""
    file.seek(0)
    data = bytearray(file.read())
    tag = page.tags.get(_ORIENTATION)
    if tag is not None:
        struct.pack_into(f"{page.parent.byteorder}H", data, tag.valueoffset, 1)
    return bytes(data)


def _of_cmyk(page: Any, samples: Samples, profile: bytes) -> Colours:
    inks = page.tags.get(_INKS)
    if (inks is not None and inks.value != _CMYK_INKS) or samples.dtype.kind != "u":
        raise PhotoError("it is made of other inks than CMYK; convert it to RGB")
    rgb, words = cmyk_to_srgb(samples, profile)
    return Colours(rgb, b"", (words,))


def _stated(page: Any, *, grey: bool) -> Stated:
    """Read the tags TransferFunction, WhitePoint and PrimaryChromaticities (TIFF 6.0, part 3)."""
    curves = _curves(page)
    white, corners = _fractions(page, _WHITE, 2), _fractions(page, _PRIMARIES, 6)
    primaries = chromaticities([*white, *corners]) if white and corners else None
    return by_curves(curves, primaries, grey=grey)


def _curves(page: Any) -> list[bytes]:
    tag = page.tags.get(_TRANSFER)
    entries = [] if tag is None else list(np.ravel(tag.value))
    size = 1 << min(int(page.bitspersample), 16)
    if len(entries) not in (size, 3 * size):
        return srgb_if_none()
    return [by_table(entries[at : at + size]) for at in range(0, len(entries), size)]


def _fractions(page: Any, code: int, count: int) -> list[float]:
    tag = page.tags.get(code)
    numbers = [] if tag is None else [float(number) for number in np.ravel(tag.value)]
    if len(numbers) != 2 * count:
        return []
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    found = [above / below for above, below in pairs if below]
    return found if len(found) == count else []
