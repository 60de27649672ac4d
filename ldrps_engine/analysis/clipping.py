"""Gaussian noise that black and white have cut off: what is left of it, and where it came from.

Moments of a Gaussian clipped at a bound: Tobin, "Estimation of relationships for limited dependent
variables" (Econometrica 1958). Noise that is clipped at white pulls the mean below white, so that a
photo freed from it without more ado has grey highlights and raised blacks. No torch.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def variance_left(room: Array, sigma: float) -> Array:
    """Share of the variance sigma^2 that is left where the mean lies `room` inside the bound."""
    mean, variance = _clipped_gaussian()
    return np.asarray(np.interp(room / max(sigma, 1e-6), mean, variance), dtype=np.float32)


def distance_to_bound(left: Array) -> Array:
    """Distance of the mean inside the bound, in sigmas, where this share of variance is left."""
    mean, variance = _clipped_gaussian()
    return np.asarray(np.interp(left, variance, mean), dtype=np.float32)


def unclip(values: Array, sigma: float) -> Array:
    """Means of noise clipped at 0 and 1 to the means it had before; values well inside stay.

    `sigma` is the noise's standard deviation before it was clipped. Values in [0, 1], those
    beyond stay beyond.
    """
    if sigma <= 0:
        return values
    mean, _ = _clipped_gaussian()
    up = np.interp(values / sigma, mean, _UNCLIPPED) * sigma
    down = 1 - np.interp((1 - values) / sigma, mean, _UNCLIPPED) * sigma
    reach = mean[-1] * sigma
    low = (values < reach) & (values <= 0.5) & (values > 0)
    high = (1 - values < reach) & (values > 0.5) & (values < 1)
    return np.where(low, np.maximum(up, 0), np.where(high, np.minimum(down, 1), values)).astype(
        np.float32
    )


def clip(values: Array, sigma: float) -> Array:
    """The way back from `unclip`: means that noise of that sigma has once it is clipped."""
    if sigma <= 0:
        return values
    mean, _ = _clipped_gaussian()
    low = np.interp(values / sigma, _UNCLIPPED, mean) * sigma
    high = 1 - np.interp((1 - values) / sigma, _UNCLIPPED, mean) * sigma
    near = np.minimum(values, 1 - values)
    moved = (near >= 0) & (near < _UNCLIPPED[-1] * sigma)
    return np.where(moved, np.where(values <= 0.5, low, high), values).astype(np.float32)


_UNCLIPPED = np.linspace(-3, 4, 141)


@cache
def _clipped_gaussian() -> tuple[Array, Array]:
    """Mean and variance of a unit Gaussian clipped at 0, for the means of `_UNCLIPPED`."""
    density = np.exp(-(_UNCLIPPED**2) / 2) / math.sqrt(2 * math.pi)
    above = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in _UNCLIPPED])
    mean = density + _UNCLIPPED * above
    square = (_UNCLIPPED**2 + 1) * above + _UNCLIPPED * density
    return mean.astype(np.float32), (square - mean**2).astype(np.float32)
