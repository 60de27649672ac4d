"""Photos of one hue: grey, sepia, cyanotype. No torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.samples import highest, lowest
from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

_DEGREE = 3
# Number of pixels that represent a larger image well enough.
_ENOUGH = 250_000
# Deviation of chroma from luma's curve allowed for four of five, and nineteen of twenty pixels.
_USUAL, _MOST = 0.014, 0.027
# Difference of channels invisible to the eye.
_NO_COLOUR = 0.02


def is_grey(rgb: Array) -> bool:
    """Tell whether (H, W, 3) display values have no colour at all."""
    chroma = highest(rgb) - lowest(rgb)
    return bool(np.percentile(chroma, 99) < _NO_COLOUR)


def is_monochrome(rgb: Array, slack: float = 1.0) -> bool:
    """Tell whether chroma of (H, W, 3) display values follows from luma alone.

    A toned print has one curve from luma to chroma; objects with colours of their own fit no such
    curve. `slack` scales the allowed distance from it.
    """
    every = _every(rgb)
    luma, chroma = _split(rgb[::every, ::every])
    powers, curve = _chroma_by_luma(luma, chroma)
    beside = highest(np.abs(chroma - powers @ curve))
    usual, most = np.quantile(beside, (0.8, 0.95)) / slack
    return bool(usual < _USUAL and most < _MOST)


def with_hue_of_the_rest(rgb: Array, mask: Mask) -> Array:
    """Give masked pixels the hue of the rest, keeping their luma.

    `rgb` (H, W, 3) holds display values of one hue. Where `mask` (H, W) is true, a pixel gets the
    chroma of unmasked pixels of the same luma.
    """
    every = _every(rgb)
    rest = ~mask[::every, ::every]
    if not rest.any():
        return rgb
    known, chroma = _split(rgb[::every, ::every][rest])
    _, curve = _chroma_by_luma(known, chroma)
    luma, _ = _split(rgb[mask])
    # Outside the known range a polynomial is unreliable.
    held = np.clip(luma, *np.quantile(known, (0.001, 0.999)))
    result = rgb.copy()
    result[mask] = with_chroma(luma, np.vander(held, _DEGREE + 1) @ curve)
    return result


def mean_chroma(rgb: Array) -> float:
    """Return the mean over (H, W, 3) display values of the larger of Cb and Cr, 0 to 0.5."""
    return float(highest(np.abs(_split(rgb)[1])).mean())


def grey_of(rgb: Array) -> Array:
    """Return the luma of (H, W, 3) display values in all three channels."""
    return np.asarray(np.repeat((rgb @ YCC[0])[..., None], 3, axis=2), np.float32)


def with_chroma(luma: Array, chroma: Array) -> Array:
    """Join luma (H, W) and chroma (H, W, 2) to display values (H, W, 3), which may leave 0 to 1."""
    values = np.concatenate([luma[..., None], chroma], -1)
    return np.asarray(values @ np.linalg.inv(YCC).T, np.float32)


def _every(rgb: Array) -> int:
    return max(1, math.isqrt(rgb.shape[0] * rgb.shape[1] // _ENOUGH))


def _chroma_by_luma(luma: Array, chroma: Array) -> tuple[Array, Array]:
    """Return powers of luma (N, 4), and the weights (4, 2) that predict chroma (N, 2) from them."""
    powers = np.vander(luma, _DEGREE + 1)
    curve, *_ = np.linalg.lstsq(powers, chroma, rcond=None)
    return powers, curve


def _split(rgb: Array) -> tuple[Array, Array]:
    values = rgb.reshape(-1, 3) @ YCC.T
    return values[:, 0], values[:, 1:]
