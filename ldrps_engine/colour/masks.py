"""Morphology of masks with squares. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# Marked pixels in a square of nine, the middle one not among them, that enclose it.
_ENCLOSED = 7


def opened(mask: Mask, reach: int) -> Mask:
    """Return the parts of a mask (H, W) in which squares of `reach` around a pixel fit."""
    return grown(~grown(~mask, reach), reach) & mask


def grown(mask: Mask, reach: int) -> Mask:
    """Return a mask (H, W) that marks a square around every pixel of another."""
    return any_within(np.pad(mask, reach), 2 * reach + 1)


def any_within(mask: Mask, side: int) -> Mask:
    """Tell of each square of `side` pixels in a mask (H, W) whether anything in it is marked."""
    result = mask
    for axis in (0, 1):
        along = np.moveaxis(result, axis, 0)
        reached = 1
        # Twice as far each time.
        while reached < side:
            step = min(reached, side - reached)
            along = along[: len(along) - step] | along[step:]
            reached += step
        result = np.moveaxis(along, 0, axis)
    return result


def without_pinholes(mask: Mask) -> Mask:
    """Return a mask (H, W) with all pixels that have seven or more marked neighbours of eight.

    What lies outside counts as marked.
    """
    around = np.pad(mask, 1, constant_values=True).view(np.uint8)
    rows = around[:-2] + around[1:-1] + around[2:]
    count = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return np.asarray(mask | (count >= _ENCLOSED))
