"""Rims of damage: traces of blur, sharpening and JPEG beside a scratch. No torch.

A mask that ends where a scratch is half as bright leaves a pale line on both sides once it is
filled, and a sharpened one a dark line beyond. Pixels next to a mask belong to it if they differ
from the surroundings towards the damage, or away from it, by more than the surroundings vary.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.masks import grown

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Width of a rim, in pixels of the copy in which damage was found.
_REACH = 1.0
# Radius for the colour of the damage, and for that of its surroundings, which begin at a distance.
_INSIDE, _OUTSIDE, _APART = 2, 6, 2
# Fraction of the way from the surroundings to the damage from which a pixel belongs to the rim.
_SHARE = 0.25
_DEVIATIONS = 5.0


def with_rims(rgb: Array, mask: Mask, seen: Array, found: Mask) -> Mask:
    """Return a mask (H, W) of an image with its rims added.

    `seen` and `found` are smaller copies of both, or the same, for comparing colours.
    """
    if not mask.any():
        return mask
    scale = len(seen) / len(rgb)
    ring = grown(mask, math.ceil(_REACH / scale)) & ~mask
    rows, columns = np.nonzero(ring)
    places = (
        np.minimum((rows * scale).astype(np.int64), len(seen) - 1),
        np.minimum((columns * scale).astype(np.int64), seen.shape[1] - 1),
    )
    inside = _means(seen, found, _INSIDE, places)
    around = ~grown(found, _APART)
    outside = _means(seen, around, _OUTSIDE, places)
    squares = (seen * seen).mean(2, keepdims=True)
    variance = _means(squares, around, _OUTSIDE, places)[:, 0] - (outside * outside).mean(1)
    way = inside - outside
    length = np.sqrt((way * way).sum(1)) + np.float32(1e-6)
    along = np.abs(((rgb[rows, columns] - outside) * way).sum(1)) / length
    deviation = np.sqrt(np.maximum(variance, 0))
    differs = along > np.maximum(_SHARE * length, _DEVIATIONS * deviation)
    result = mask.copy()
    result[rows[differs], columns[differs]] = True
    return result


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
