"""Connected parts of a mask, by its runs of pixels in each row. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """Parts that touch, also at corners, numbered from 0."""

    labels: NDArray[np.int32]
    """Number of each pixel's part (H, W), -1 where nothing is marked."""
    count: int

    @classmethod
    def of(cls, mask: Mask) -> Components:
        """Find the parts of a mask (H, W)."""
        rows, starts, ends = _runs(mask)
        if not len(rows):
            return cls(np.full(mask.shape, -1, np.int32), 0)
        parents = _joined(*_touching(rows, starts, ends), len(rows))
        _, numbers = np.unique(parents, return_inverse=True)
        labels = np.full(mask.shape, -1, np.int32)
        labels[mask] = np.repeat(numbers.astype(np.int32), ends - starts)
        return cls(labels, int(numbers.max()) + 1)

    def areas(self) -> Counts:
        """Pixels of each part."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.count)

    def means(self, values: Array) -> NDArray[np.float64]:
        """Mean of values (H, W) over each part."""
        marked = self.labels >= 0
        sums = np.bincount(self.labels[marked], values[marked], self.count)
        return np.asarray(sums / np.maximum(self.areas(), 1))

    def maxima(self, values: Array) -> Array:
        """Largest of values (H, W) in each part."""
        marked = self.labels >= 0
        most = np.full(self.count, -np.inf, np.float32)
        np.maximum.at(most, self.labels[marked], values[marked])
        return most

    def chosen(self, wanted: Mask) -> Mask:
        """Return the mask (H, W) of the chosen parts, given by flags (count,)."""
        return np.append(wanted, False)[self.labels]


def _runs(mask: Mask) -> tuple[Counts, Counts, Counts]:
    """Rows, first columns and columns behind the last of all runs, in reading order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return rows, starts, np.nonzero(edges == -1)[1]


def _touching(rows: Counts, starts: Counts, ends: Counts) -> tuple[Counts, Counts]:
    """Pairs of runs of rows that follow each other which touch."""
    span = int(ends.max()) + 2
    # In one order: whatever ends before a run begins, one row further up, comes before it.
    first = np.searchsorted(rows * span + ends, (rows - 1) * span + starts, "left")
    last = np.searchsorted(rows * span + starts, (rows - 1) * span + ends, "right")
    counts = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(len(below)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + offsets, below


def _joined(above: Counts, below: Counts, count: int) -> Counts:
    """Smallest run that each is connected with: neighbours take over the smaller one's."""
    parents = np.arange(count)
    while True:
        least = np.minimum(parents[above], parents[below])
        new = parents.copy()
        np.minimum.at(new, parents[above], least)
        np.minimum.at(new, parents[below], least)
        np.minimum.at(new, above, least)
        np.minimum.at(new, below, least)
        new = new[new]
        if np.array_equal(new, parents):
            return parents
        parents = new
