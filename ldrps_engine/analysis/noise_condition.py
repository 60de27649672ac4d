"""Measured noise as the few numbers that condition a network. No torch."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_spectrum import ORDER, noise_sigma
from ldrps_engine.analysis.resampling import squares

Array = NDArray[np.float32]

_EDGES = (0, 3, 6, 9, 15)
_CHANNELS = 3
BANDS = _CHANNELS * (len(_EDGES) - 1)
"""Count of bands: four of luminance and four of each chroma, the coarsest first."""
# Limit of logarithms; a band without noise would be minus infinity.
_MOST = 3.0
# Root mean square of the bands' logarithms at which noise is hardly white any more. Measured white
# noise has 0.06 at most, noise reduced to half its size with its photo 0.15.
_SLIGHT = 0.16


def spectrum_bands(spectrum: Array) -> Array:
    """Log of the relative deviation in each band (BANDS,) of a `noise_spectrum` (3, 8, 8)."""
    sigma = max(noise_sigma(spectrum), 1e-9)
    variance = np.square(spectrum, dtype=np.float64)
    bands = [
        variance[:, (low <= ORDER) & (high > ORDER)].mean(1)
        for low, high in itertools.pairwise(_EDGES)
    ]
    logs = np.log(np.maximum(np.stack(bands, 1).ravel(), 1e-18)) / 2 - np.log(sigma)
    return np.asarray(np.clip(logs, -_MOST, _MOST), dtype=np.float32)


def whiteness(bands: Array) -> float:
    """Return the whiteness of noise with such `spectrum_bands`: 1 if white, towards 0 if not.

    The coarsest band is left out, since its measurement is partly shading.
    """
    fine = bands.reshape(_CHANNELS, -1)[:, 1:]
    return float(np.exp(-np.square(fine / _SLIGHT, dtype=np.float64).mean()))


def level_condition(relative: Array, patch: int) -> Array:
    """Log of the relative deviation (H, W, 3) in each `patch` of pixels, (3, H / patch, W / patch).

    Sides are multiples of `patch`.
    """
    variance = squares(np.square(relative), patch).mean((1, 3), dtype=np.float32)
    logs = np.log(np.maximum(variance, np.float32(1e-6))) / 2
    return np.asarray(np.clip(np.moveaxis(logs, 2, 0), -_MOST, _MOST), dtype=np.float32)
