"""Medians and quantiles, several times quicker than those of numpy. No torch.

numpy's also look for values that are not numbers, which takes more sorting than needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def median(values: Array) -> Array:
    """Return the median along the last axis of (..., n) numbers, n at least 1, same kind.

    The same bits as `np.median` for numbers; contiguous rows are quickest.
    """
    count = values.shape[-1]
    half = count // 2
    parted = np.partition(values, half, axis=-1)
    middle = parted[..., half]
    if count % 2:
        return np.asarray(middle)
    # Values not above the middle lie before it.
    return np.asarray((parted[..., :half].max(-1) + middle) / 2)


def quantiles(values: Array, shares: tuple[float, ...], axis: int) -> list[Array]:
    """Return quantiles along an axis of two or more values: of a few, sorted once for all of them.

    Like `np.quantile` by default, it interpolates linearly; `shares` are below 1.
    """
    places = [share * (values.shape[axis] - 1) for share in shares]
    ordered = np.moveaxis(np.sort(values, axis), axis, 0)
    return [
        ordered[low] + np.float32(place - low) * (ordered[low + 1] - ordered[low])
        for place, low in ((place, int(place)) for place in places)
    ]
