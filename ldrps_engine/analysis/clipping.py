"""Gaussian noise clipped at black and white: its remaining variance, and its true mean.

Moments of a Gaussian clipped at a bound: Tobin, "Estimation of relationships for limited dependent
variables" (Econometrica 1958). Noise clipped at white pulls the mean below white, so naive
denoising leaves grey highlights and raised blacks. No torch.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def variance_left(room: Array, sigma: float) -> Array:
    """Share of the variance sigma^2 left after clipping, for a mean `room` inside the bound."""
    mean, variance = _clipped_gaussian()
    return np.asarray(np.interp(room / max(sigma, 1e-6), mean, variance), dtype=np.float32)


_UNCLIPPED = np.linspace(-3, 4, 141)


@cache
def _clipped_gaussian() -> tuple[Array, Array]:
    """Mean and variance of a unit Gaussian clipped at 0, for the means of `_UNCLIPPED`."""
    density = np.exp(-(_UNCLIPPED**2) / 2) / math.sqrt(2 * math.pi)
    above = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in _UNCLIPPED])
    mean = density + _UNCLIPPED * above
    square = (_UNCLIPPED**2 + 1) * above + _UNCLIPPED * density
    return mean.astype(np.float32), (square - mean**2).astype(np.float32)
