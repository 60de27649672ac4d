"""The way back from a colour conversion that has none of its own, as scanners' profiles lack it.

littleCMS undoes no table in three dimensions. So the conversion is undone at the corners of a
lattice, by Levenberg and Marquardt's method, and in between the corners are interpolated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_Numbers = NDArray[np.float64]
Conversion = Callable[[Array], Array]

_CORNERS = 33
_STARTS = 12
_STEPS = 16
_NEAR_ENOUGH = 5e-4
_STUCK = 50.0
_NEAR = 1 / 256
_MARGIN = 1e-3
_CHUNK = 4096


class Inverse:
    """Converts (H, W, 3) back to values between 0 and 1; what nothing leads to, to the nearest."""

    def __init__(self, forward: Conversion) -> None:
        """`forward` takes and gives (1, N, 3), and takes values between 0 and 1."""
        self._forward = forward
        starts = _grid(np.linspace(0, 1, _STARTS)[None].repeat(3, 0))
        reached = self._at(starts)
        self._low = reached.min(0) - _MARGIN
        self._high = reached.max(0) + _MARGIN
        wanted = _grid(np.linspace(self._low, self._high, _CORNERS, axis=1))
        found = self._undone(wanted, starts[_nearest(wanted, reached)])
        shape = (_CORNERS, _CORNERS, _CORNERS, 3)
        self._table: Array = found.reshape(shape).astype(np.float32)

    def __call__(self, values: Array) -> Array:
        """Values before the conversion that leads to these."""
        place = (values - self._low) / (self._high - self._low) * (_CORNERS - 1)
        place = np.clip(place, 0, _CORNERS - 1)
        base = np.minimum(place.astype(np.intp), _CORNERS - 2)
        part = (place - base).astype(np.float32)
        result = np.zeros(values.shape, np.float32)
        for corner in np.ndindex(2, 2, 2):
            weight = np.where(np.array(corner, bool), part, 1 - part).prod(-1, keepdims=True)
            at = base + np.array(corner)
            result += weight * self._table[at[..., 0], at[..., 1], at[..., 2]]
        return result

    def _at(self, values: _Numbers) -> _Numbers:
        return np.asarray(self._forward(values[None].astype(np.float32))[0], np.float64)

    def _undone(self, wanted: _Numbers, guess: _Numbers) -> _Numbers:
        """(N, 3) values whose conversion is as near to what is wanted as can be."""
        result = guess.copy()
        left = np.arange(len(guess))
        off = self._at(guess) - wanted
        damping = np.full(len(guess), 1e-3)
        for _ in range(_STEPS):
            slopes = self._slopes(guess)
            across = slopes.transpose(0, 2, 1)
            square = across @ slopes + damping[:, None, None] * np.eye(3)
            step = np.linalg.solve(square, across @ off[..., None])[..., 0]
            tried = np.clip(guess - step, 0, 1)
            then = self._at(tried) - wanted
            better = (then**2).sum(1) < (off**2).sum(1)
            guess = np.where(better[:, None], tried, guess)
            off = np.where(better[:, None], then, off)
            damping = np.where(better, damping / 4, damping * 8)
            result[left] = guess
            # Near enough, or at an edge that nothing leads beyond.
            more = (np.abs(off).max(1) > _NEAR_ENOUGH) & (damping < _STUCK)
            more &= ~better | (np.abs(step).max(1) > _NEAR_ENOUGH)
            if not more.any():
                break
            left, guess, off, damping = left[more], guess[more], off[more], damping[more]
            wanted = wanted[more]
        return result

    def _slopes(self, values: _Numbers) -> _Numbers:
        """(N, 3, 3): how each converted channel changes with each of the values."""
        columns = []
        for channel in range(3):
            below, above = values.copy(), values.copy()
            below[:, channel] = np.maximum(values[:, channel] - _NEAR, 0)
            above[:, channel] = np.minimum(values[:, channel] + _NEAR, 1)
            run = above[:, channel] - below[:, channel]
            columns.append((self._at(above) - self._at(below)) / run[:, None])
        return np.stack(columns, axis=-1)


def _grid(axes: _Numbers) -> _Numbers:
    """(N**3, 3) of all combinations of three axes (3, N)."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _nearest(wanted: _Numbers, reached: _Numbers) -> NDArray[np.intp]:
    """Find the nearest of the values that are reached, for each that is wanted."""
    chunks = (wanted[at : at + _CHUNK] for at in range(0, len(wanted), _CHUNK))
    size = (reached**2).sum(1)
    return np.concatenate([(size - 2 * chunk @ reached.T).argmin(1) for chunk in chunks])
