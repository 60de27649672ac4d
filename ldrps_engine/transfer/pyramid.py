"""Pyramid of means of a photo with holes, made only where it is looked at.

Damage is a few lines and specks of a large photo: what lies far from them is neither halved nor
enlarged. Tiles of each level are made when they are first asked for, out of the levels next to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.resampling import resize

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

_Kind = TypeVar("_Kind", bound=np.generic)

BLOCK = 4
"""Side of the blocks in which what is missing is counted, pixels."""
# Sides of the smallest level, pixels.
_LEAST = 8
_TILE = 64
# Tiles side by side that are made at once, at most.
_TOGETHER = 8
# Pixels of the coarser level that an enlarged one depends on, at most.
_AROUND = 3


class Tiles:
    """Images (N, H, W, 3) of which tiles are made when they are first asked for."""

    def __init__(self, shape: tuple[int, ...], make: Callable[[slice, slice], Array]) -> None:
        # The system gives memory to what is written to, and to nothing else.
        self.values: Array = np.zeros(shape, np.float32)
        self._made = np.zeros([-(-side // _TILE) for side in shape[1:3]], bool)
        self._make = make

    def ensure(self, top: int, bottom: int, left: int, right: int) -> None:
        """Make what is not made yet of these rows and columns."""
        rows, columns = (
            slice(top // _TILE, -(-bottom // _TILE)),
            slice(left // _TILE, -(-right // _TILE)),
        )
        made = self._made[rows, columns]
        if made.all():
            return
        lacking = np.nonzero(~made)
        first, last = ([int(pick(axis)) for axis in lacking] for pick in (np.min, np.max))
        # One rectangle around all that lacks: what is made already is made again, and the same.
        above, before = rows.start + first[0], columns.start + first[1]
        below, behind = rows.start + last[0] + 1, columns.start + last[1] + 1
        height, width = self.values.shape[1:3]
        down = slice(above * _TILE, min(below * _TILE, height))
        across = slice(before * _TILE, min(behind * _TILE, width))
        self.values[:, down, across] = self._make(down, across)
        self._made[above:below, before:behind] = True

    def ensure_around(self, places: Places, side: int) -> None:
        """Make squares of `side` pixels, no more than a tile, that begin at places (B, 2)."""
        needed = np.zeros_like(self._made)
        last = np.array(needed.shape) - 1
        first, end = places // _TILE, np.minimum((places + side - 1) // _TILE, last)
        for rows in (first[:, 0], end[:, 0]):
            for columns in (first[:, 1], end[:, 1]):
                needed[rows, columns] = True
        for row, column, count in _runs(needed & ~self._made):
            top, left = row * _TILE, column * _TILE
            self.ensure(top, top + _TILE, left, left + count * _TILE)

    def part(self, rows: slice, columns: slice) -> Array:
        """Return these rows and columns of all images, made if they were not."""
        self.ensure(rows.start, rows.stop, columns.start, columns.stop)
        return self.values[:, rows, columns]


class Level:
    """One level of the pyramid: what is known of it, and what is painted into its holes."""

    def __init__(self, missing: Mask, known: Callable[[slice, slice], Array]) -> None:
        self.missing = missing
        self.known = known
        """Values (h, w, 3) of some rows and columns; of no account where they are missing."""
        self.coarser: Level | None = None
        self.painted: Array = np.zeros((*missing.shape, 3), np.float32)
        """Values (H, W, 3) of what is missing, once it is painted."""
        self.blocks = _blocks(missing)
        """Corners (B, 2) of the blocks in which something is missing."""

    def filled(self, rows: slice, columns: slice) -> Array:
        """Return rows and columns with nothing missing."""
        values, missing = self.known(rows, columns), self.missing[rows, columns]
        if missing.any():
            values = np.where(missing[..., None], self.painted[rows, columns], values)
        return values

    def larger(self, rows: slice, columns: slice) -> Array:
        """Return rows and columns of the coarser level, enlarged to the size of this one."""
        assert self.coarser is not None
        height, width = self.coarser.missing.shape
        above, left = (max(0, part.start // 2 - _AROUND) for part in (rows, columns))
        below = min(height, (rows.stop + 1) // 2 + _AROUND)
        right = min(width, (columns.stop + 1) // 2 + _AROUND)
        part = self.coarser.filled(slice(above, below), slice(left, right))
        large = resize(part, (2 * part.shape[0], 2 * part.shape[1]))
        down, across = rows.start - 2 * above, columns.start - 2 * left
        return large[
            down : down + rows.stop - rows.start, across : across + columns.stop - columns.start
        ]


def _runs(tiles: Mask) -> list[tuple[int, int, int]]:
    """Row, column and count of tiles side by side that are marked, no more than `_TOGETHER`."""
    runs: list[tuple[int, int, int]] = []
    for row, column in np.argwhere(tiles).tolist():
        above, left, count = runs[-1] if runs else (-1, 0, 0)
        if above == row and left + count == column and count < _TOGETHER:
            runs[-1] = (row, left, count + 1)
        else:
            runs.append((row, column, 1))
    return runs


def pyramid(rgb: Array, mask: Mask) -> list[Level]:
    """Return levels of half the size each, up to one with nothing missing, or the smallest."""
    levels = [Level(mask, lambda rows, columns: rgb[rows, columns])]
    while levels[-1].missing.any() and min(levels[-1].missing.shape) >= 2 * _LEAST:
        finer = levels[-1]
        finer.coarser = _halved(finer)
        levels.append(finer.coarser)
    return levels


def _halved(finer: Level) -> Level:
    """Return a level whose pixels are the means of two by two, of those that are known.

    Missing is where none is.
    """
    padded = _even(finer.missing)
    missing = padded[::2, ::2] & padded[1::2, ::2] & padded[::2, 1::2] & padded[1::2, 1::2]
    height, width = finer.missing.shape

    def means(rows: slice, columns: slice) -> Array:
        part = (
            slice(2 * rows.start, min(2 * rows.stop, height)),
            slice(2 * columns.start, min(2 * columns.stop, width)),
        )
        rgb, gone = _even(finer.known(*part)), _even(finer.missing[part])
        if not gone.any():
            return (_added(rgb) / np.float32(4))[None]
        count = np.maximum(_added((~gone).astype(np.float32)), np.float32(1))
        sums = _added(np.where(gone[..., None], np.float32(0), rgb))
        return np.asarray(sums / count[..., None], np.float32)[None]

    tiles = Tiles((1, *missing.shape, 3), means)
    return Level(missing, lambda rows, columns: tiles.part(rows, columns)[0])


def _added(values: Array) -> Array:
    """Sums of two by two values (h, w, ...)."""
    down = values[::2] + values[1::2]
    return np.asarray(down[:, ::2] + down[:, 1::2])


def _even(values: NDArray[_Kind]) -> NDArray[_Kind]:
    """Repeat the last row and column where there is an odd number of them."""
    height, width = values.shape[:2]
    if not (height % 2 or width % 2):
        return values
    edges = [(0, height % 2), (0, width % 2), (0, 0)][: values.ndim]
    return np.pad(values, edges, mode="edge")


def _blocks(missing: Mask) -> Places:
    rows, columns = np.nonzero(missing)
    keys = np.unique((rows // BLOCK) * (1 << 32) + columns // BLOCK)
    return np.stack([keys >> 32, keys & ((1 << 32) - 1)], 1) * BLOCK
