"""Resampling of float images. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.samples import Values, display
from ldrps_engine.photo import Part

Array = NDArray[np.float32]

_SHRINKS_AFTERWARDS = 3
# Samples added at a time.
_STRIP = 1 << 16


def squares(values: Array, side: int) -> Array:
    """(H, W, ...) cut into squares of `side` pixels, (rows, side, columns, side, ...).

    Remainders at the right and lower edge are left out; a shorter side is one square's.
    """
    height, width = (min(side, count) for count in values.shape[:2])
    rows, columns = values.shape[0] // height, values.shape[1] // width
    cut = values[: rows * height, : columns * width]
    return cut.reshape(rows, height, columns, width, *values.shape[2:])


def resize(values: Array, size: tuple[int, int], *, smooth: bool = False) -> Array:
    """Resample (H, W, C) floats to (height, width), antialiased when shrinking.

    Bicubic; with `smooth` bilinear, which does not overshoot.
    """
    return resize_part(values, size, (slice(0, size[0]), slice(0, size[1])), smooth=smooth)


def reduce(values: Values, size: tuple[int, int], *, smooth: bool = False) -> Array:
    """Resample as `resize` does to a size that is many times smaller, several times quicker.

    Means of whole pixels come first, leaving at least a factor of three to the resampling.
    """
    return reduce_part(values, size, (slice(0, size[0]), slice(0, size[1])), smooth=smooth)


def reduce_part(
    values: Values, size: tuple[int, int], part: Part, *, smooth: bool = False
) -> Array:
    """Return the rows and columns `part` of `reduce(values, size)`, without resampling the rest."""
    side = min(values.shape[0] // size[0], values.shape[1] // size[1]) // _SHRINKS_AFTERWARDS
    means = display(values) if side < 2 else means_of_squares(values, side)
    return resize_part(means, size, part, smooth=smooth)


def means_of_squares(values: Values, side: int) -> Array:
    """Mean of each square of `side` pixels, as a product of matrices: the quickest way to add few.

    Remainders at the right and lower edge are left out.
    """
    rows, columns, channels = values.shape[0] // side, values.shape[1] // side, values.shape[2]
    white = 255 if values.dtype == np.uint8 else 1
    shares = np.tile(np.eye(channels, dtype=np.float32), (side, 1))
    shares /= np.float32(white * side * side)
    means = np.empty((rows, columns, channels), np.float32)
    # This few rows at a time stay in the processor's cache.
    step = max(1, _STRIP // (columns * side * channels))
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        strip = values[start * side : stop * side, : columns * side]
        sums = strip[::side].astype(np.float32)
        for row in range(1, side):
            sums += strip[row::side]
        np.matmul(
            sums.reshape(-1, side * channels), shares, out=means[start:stop].reshape(-1, channels)
        )
    return means


def resize_part(values: Array, size: tuple[int, int], part: Part, *, smooth: bool = False) -> Array:
    """The rows and columns `part` of `resize(values, size)`, without making the rest."""
    # The daemon's front process reads diagnoses without loading an image library.
    from PIL import Image

    rows, columns = part
    inside = (rows.stop - rows.start, columns.stop - columns.start)
    height, width = values.shape[:2]
    if (height, width) == size:
        return values[part]
    scale = height / size[0], width / size[1]
    box = (
        columns.start * scale[1],
        rows.start * scale[0],
        min(columns.stop * scale[1], width),
        min(rows.stop * scale[0], height),
    )
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.BICUBIC
    out = np.empty((*inside, values.shape[2]), np.float32)
    for channel in range(values.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(values[..., channel], dtype=np.float32))
        out[..., channel] = plane.resize(inside[::-1], method, box)
    return out
