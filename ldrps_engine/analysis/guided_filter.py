"""The guided filter (He, Sun and Tang, "Guided image filtering", ECCV 2010). No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def guided(guide: Array, values: Array, radius: int, epsilon: float | Array) -> Array:
    """Filter values (h, w) along the edges of a grey guide (h, w).

    `epsilon`, one number or (h, w), is the variance of the guide at which half of it is kept.
    """
    mean_g, mean_v = box(guide, radius), box(values, radius)
    slope = (box(guide * values, radius) - mean_g * mean_v) / (
        box(guide * guide, radius) - mean_g**2 + epsilon
    )
    offset = mean_v - slope * mean_g
    return box(slope, radius) * guide + box(offset, radius)


def box(values: Array, radius: int) -> Array:
    """Return the mean of the square around each place, edges repeated."""
    padded = np.pad(values.astype(np.float64), radius, mode="edge")
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    side = 2 * radius + 1
    window = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(window / side**2, dtype=np.float32)
