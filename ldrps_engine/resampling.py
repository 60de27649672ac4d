"""Resampling of float images. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]


def resize(values: Array, size: tuple[int, int], *, smooth: bool = False) -> Array:
    """Resample (H, W, C) floats to (height, width), antialiased when shrinking.

    Bicubic; with `smooth` bilinear, which does not overshoot.
    """
    if values.shape[:2] == size:
        return values
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.BICUBIC
    planes = [
        Image.fromarray(np.ascontiguousarray(values[..., c], dtype=np.float32)).resize(
            (size[1], size[0]), method
        )
        for c in range(values.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
