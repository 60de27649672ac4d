"""Display values, held as floats or as a photo's own 8-bit samples. No torch.

A large photo's floats take four times the memory of its bytes, and making them takes longer than
most measurements. So code that uses part of a photo accepts either, and converts only that part.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Values = Array | Bytes
"""(H, W, channels): display values, or bytes of which 255 is 1."""


def display(values: NDArray[np.generic]) -> Array:
    """Return display values of any shape; floats as they are."""
    if values.dtype != np.uint8:
        return np.asarray(values, np.float32)
    shown: Array = np.divide(values, np.float32(255), dtype=np.float32)
    return shown


def in_steps(values: Values) -> Array:
    """Return 8-bit steps as floats; display values are clipped to [0, 1]."""
    if values.dtype == np.uint8:
        return values.astype(np.float32)
    steps = np.clip(np.asarray(values, np.float32), 0, 1)
    steps *= np.float32(255)
    return steps


def highest(values: Array) -> Array:
    """Return the highest of few channels (..., C), in a thirtieth of the time of `values.max(-1)`.

    numpy's reduces one pixel after the other.
    """
    return np.asarray(reduce(np.maximum, np.moveaxis(values, -1, 0)))


def lowest(values: Array) -> Array:
    """Return the lowest of few channels (..., C), as `highest` does."""
    return np.asarray(reduce(np.minimum, np.moveaxis(values, -1, 0)))
