"""Colour multiplied by its alpha (TIFF's associated alpha), undone and done again.

Undone to the file's own depth and done again, every sample is what it was: the rounding of the
quotient is at most half a step, and the multiplication makes it smaller.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.photo import Depth, Samples

_ROWS = 256
_Floats = NDArray[np.float64]


def straight(samples: Samples, depth: Depth) -> Samples:
    """Unassociate the alpha of (H, W, 2 or 4) samples; invisible pixels stay as they are."""
    return _converted(samples, depth, np.divide)


def associated(samples: Samples, depth: Depth) -> Samples:
    """Associate the alpha of (H, W, 2 or 4) samples; invisible pixels stay as they are."""
    return _converted(samples, depth, np.multiply)


def _converted(
    samples: Samples, depth: Depth, by: Callable[[_Floats, _Floats], _Floats]
) -> Samples:
    result = samples.copy()
    for top in range(0, samples.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        strip = samples[rows].astype(np.float64)
        alpha = strip[..., -1:] / depth.peak
        values = by(strip[..., :-1], np.where(alpha > 0, alpha, 1.0))
        if depth in (Depth.U8, Depth.U16):
            values = np.clip(np.rint(values), 0, depth.peak)
        result[rows, :, :-1] = values
    return result
