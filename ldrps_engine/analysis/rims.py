"""Rims of damage: traces of blur, sharpening and JPEG beside a scratch. No torch.

A mask that ends where a scratch is half as bright leaves a pale line on both sides once it is
filled, and a sharpened one a dark line beyond. One pixel beside a scratch tells little about this:
noise and texture vary as much. All of them together tell how soft the scan is, and by so much the
mask grows everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.masks import grown

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Greatest width of a rim, in pixels of the copy in which damage was found.
_REACH = 3
# Radius for the colour of the damage, and for that of its surroundings, which begin at a distance.
_INSIDE, _OUTSIDE, _APART = 2, 8, 4
# Places where the edge is measured: their surroundings vary less than a share of the contrast, the
# contrast is visible, and the pixel is no damage that was missed.
_SMOOTH, _VISIBLE, _MISSED = 1 / 6, 0.1, 0.8
# Least number of such places, and share of the ring, and the greatest share of visible ones that
# look like the damage: the mask then covers part of an object, whose edge says nothing.
_FEWEST, _FEWEST_OF_ALL, _MOST_MISSED = 20, 0.4, 0.25
# Deviations of the surroundings from which a pixel lies beyond them, seen from the damage.
_BEYOND = 2.5
# Drop of the median fraction of the way from the surroundings to the damage, from one ring of
# pixels to the next, and share of pixels beyond the surroundings, from which a ring belongs to a
# soft edge or to the halo of a sharpened one: the first ring, and those further out. Scans blurred
# by 0.5, 0.8 and 1.2 pixels drop by 0.16, 0.29 and 0.34 from the first, sharp edges by 0.01.
_FIRST, _FURTHER = (0.1, 0.22), (0.05, 0.14)
# Lower quartile of that fraction above which an edge is soft: objects have sharp edges and soft
# ones, a scan blurs all damage alike.
_LEAST = 0.03
# Least deviation: that of 8-bit samples and little more.
_LEAST_DEVIATION = 0.004


def with_rims(rgb: Array, mask: Mask, seen: Array, found: Mask) -> Mask:
    """Return a mask (H, W) of an image with its rims added.

    `seen` and `found` are smaller copies of both, or the same, for comparing colours.
    """
    if not mask.any():
        return mask
    result, rings = mask, _rings(rgb, mask, seen, found)
    ring = next(rings)
    for distance, further_out in enumerate(rings):
        soft_from, halo_from = _FURTHER if distance else _FIRST
        # What hardly gets less with the distance is the light of the scene.
        soft = ring.softness - further_out.softness > soft_from and ring.least > _LEAST
        if not soft and ring.halo <= halo_from:
            break
        result, ring = ring.mask, further_out
    return result


@dataclass(frozen=True)
class _Ring:
    """Pixels beside a mask, compared with the damage and with its surroundings."""

    mask: Mask
    """The mask (H, W) and this ring."""
    softness: float
    """Median fraction of the way from the surroundings to the damage."""
    least: float
    """Lower quartile of that fraction."""
    halo: float
    """Share of the pixels that lie beyond the surroundings, seen from the damage."""

    @classmethod
    def of(cls, mask: Mask, apart: Array, way: Array, variance: Array) -> _Ring:
        """Compare pixels that are `apart` (N, C) from surroundings of a `variance` (N,).

        `way` (N, C) leads from there to the damage. All is 0 if too few of the pixels tell, or too
        many are damage or the object that was taken for it.
        """
        length = np.sqrt((way * way).sum(1)) + np.float32(1e-6)
        along = (apart * way).sum(1) / length
        deviation = np.sqrt(np.maximum(variance, 0)) + np.float32(_LEAST_DEVIATION)
        visible, missed = length > _VISIBLE, along >= _MISSED * length
        telling = (deviation < _SMOOTH * length) & visible & ~missed
        few = telling.sum() < max(_FEWEST, _FEWEST_OF_ALL * len(length))
        if few or (missed & visible).sum() > _MOST_MISSED * visible.sum():
            return cls(mask, 0.0, 0.0, 0.0)
        least, softness = np.percentile((along / length)[telling], (25, 50))
        halo = (telling & (along < -_BEYOND * deviation)).mean()
        return cls(mask, float(softness), float(least), float(halo))


def _rings(rgb: Array, mask: Mask, seen: Array, found: Mask) -> Iterator[_Ring]:
    """Yield one ring of pixels around a mask after the other."""
    scale = len(seen) / len(rgb)
    around = ~grown(found, _APART)
    squares = (seen * seen).mean(2, keepdims=True)
    for distance in range(_REACH + 1):
        larger = grown(mask, math.ceil(1 / scale))
        rows, columns = np.nonzero(larger & ~mask)
        places = (
            np.minimum((rows * scale).astype(np.int64), len(seen) - 1),
            np.minimum((columns * scale).astype(np.int64), seen.shape[1] - 1),
        )
        inside = _means(seen, found, _INSIDE + distance, places)
        outside = _means(seen, around, _OUTSIDE, places)
        variance = _means(squares, around, _OUTSIDE, places)[:, 0] - (outside * outside).mean(1)
        yield _Ring.of(larger, rgb[rows, columns] - outside, inside - outside, variance)
        mask = larger


def _means(values: Array, where: Mask, reach: int, places: tuple[NDArray[np.int64], ...]) -> Array:
    """Mean (N, C) of values (H, W, C) where a mask is true, in squares around places; else 0."""
    height, width = where.shape
    top, bottom = np.maximum(places[0] - reach, 0), np.minimum(places[0] + reach + 1, height)
    left, right = np.maximum(places[1] - reach, 0), np.minimum(places[1] + reach + 1, width)

    def total(of: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.pad(of.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        found = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        return np.asarray(found)

    count = np.maximum(total(where.astype(np.float64)), 1)
    channels = [total(np.where(where, values[..., k], 0)) for k in range(values.shape[2])]
    return (np.stack(channels, 1) / count[:, None]).astype(np.float32)
