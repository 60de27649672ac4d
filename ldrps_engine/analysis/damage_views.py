"""Evaluations of the damage network: in overlapping parts, mirrored and rotated. No torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.damage_network import MULTIPLE, log_odds

Array = NDArray[np.float32]

# Size of the parts and of the surroundings evaluated with them, pixels.
_SIDE, _OVERLAP = 1024, 64
# Views of a photo: unchanged, mirrored, and rotated by mirroring both ways.
_SIDES = tuple(np.s_[::down, ::along] for down, along in ((1, 1), (1, -1), (-1, 1), (-1, -1)))
# Lower limit of the probability that one view contributes.
_LEAST = 1e-4
VIEWS = len(_SIDES)
"""Greatest number of views."""


def probabilities(rgb: Array) -> Array:
    """Probability (H, W) that each pixel of an image in [0, 1] is damaged, evaluated in parts."""
    height, width = rgb.shape[:2]
    colours = rgb if rgb.shape[2] == 3 else np.repeat(rgb, 3, axis=2)
    likely = np.empty((height, width), np.float32)
    for rows, kept_rows in _spans(height):
        for columns, kept_columns in _spans(width):
            part = colours[rows, columns]
            edges = [(0, -side % MULTIPLE) for side in part.shape[:2]]
            padded = np.pad(part, (*edges, (0, 0)), mode="symmetric")
            odds = log_odds(padded)[: part.shape[0], : part.shape[1]]
            inner = (
                slice(kept_rows.start - rows.start, kept_rows.stop - rows.start),
                slice(kept_columns.start - columns.start, kept_columns.stop - columns.start),
            )
            likely[kept_rows, kept_columns] = 1 / (1 + np.exp(-np.clip(odds[inner], -30, 30)))
    return likely


def likely_from_sides(rgb: Array, views: int) -> Array:
    """Probability (H, W) of damage in an image in [0, 1], averaged over this many views.

    The network's false alarms often vanish in a mirrored view.
    """
    if views == 1:
        return probabilities(rgb)
    odds = np.zeros(rgb.shape[:2], np.float32)
    for turn in _SIDES[:views]:
        seen = np.clip(probabilities(np.ascontiguousarray(rgb[turn]))[turn], _LEAST, 1 - _LEAST)
        odds += np.log(seen / (1 - seen))
    return np.asarray(1 / (1 + np.exp(-odds / views)), np.float32)


def _spans(length: int) -> Iterator[tuple[slice, slice]]:
    count = max(1, -(-length // _SIDE))
    for k in range(count):
        start, stop = length * k // count, length * (k + 1) // count
        # Parts begin at even pixels, so that the result does not depend on how the image is cut.
        outer = max(0, start - _OVERLAP) // MULTIPLE * MULTIPLE
        yield slice(outer, min(length, stop + _OVERLAP)), slice(start, stop)
