"""Turning samples upright by the EXIF orientation, exactly."""

from __future__ import annotations

import numpy as np

from ldrps_engine.photo import Samples


def upright(samples: Samples, orientation: int) -> Samples:
    """Turn samples (H, W, ...) upright; orientation 1 to 8 as in EXIF 2.32, 4.6.4."""
    if orientation in (5, 6, 7, 8):
        samples = np.swapaxes(samples, 0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)
