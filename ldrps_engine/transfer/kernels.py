"""The loops of collaborative filtering, compiled by numba: what is small stays in the processor's
nearest memory. No torch.

A patch is 8x8 pixels, its spectrum the 64 coefficients of its orthonormal DCT row by row. Patches
lie on a grid and are counted row by row. Machine code is kept beside this file or, where that
cannot be written to, in the user's cache; it is made at the first use, which takes some seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_spectrum import PATCH, dct_matrix

Array = NDArray[np.float32]
Numbers = NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., object])

GROUP = 16
"""Patches that are filtered together."""
SLOPE: Array = (0.2 + 0.8 * np.hanning(PATCH + 2)[1:-1]).astype(np.float32)
"""Window of a patch's weight towards its edges."""

FREQUENCIES = PATCH * PATCH
_HALF = GROUP // 2
_DCT: Array = np.ascontiguousarray(dct_matrix(PATCH), dtype=np.float32)
_TURNED: Array = np.ascontiguousarray(_DCT.T)
_SLOPING: Array = _DCT * SLOPE
# DCT across a group, of its sums and differences: [parity, coefficient, member].
_ACROSS: Array = (
    dct_matrix(GROUP)[:, :_HALF].reshape(_HALF, 2, _HALF).swapaxes(0, 1).astype(np.float32).copy()
)
_NOTHING, _ONE, _LEAST, _NEVER = (np.float32(value) for value in (0, 1, 1e-12, 1e15))


def _compiled(function: Function) -> Function:
    """Not bound to Python's lock, so that threads run it side by side."""
    options = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        made: Function = njit(cache=True, **options)(function)
    except RuntimeError:  # There is no place to keep it.
        made = njit(**options)(function)
    return made


@_compiled
def nearest(guide: Array, patch: int, stride: int, reach: int, found: Numbers) -> None:
    """Fill `found` (rows, columns, GROUP): for each reference its most similar patches.

    References lie `stride` apart in `guide` (C, H, W), and are looked for at most `reach` away;
    `patch` is 4 or 8. The reference itself is first, and comes again where there are fewer others
    than that.
    """
    channels, height, width = guide.shape
    rows, columns = height - patch + 1, width - patch + 1
    span = width + reach
    # All channels beside each other: one long line is compared sooner than several short ones.
    lines = np.zeros((height, channels * span), np.float32)
    for c in range(channels):
        lines[:, c * span : c * span + width] = guide[c]
    square, total = np.zeros(channels * span, np.float32), np.empty(columns, np.float32)
    distances = np.empty((found.shape[1], GROUP), np.float32)
    for i in range(found.shape[0]):
        y = i * stride
        distances[:] = _NEVER
        for j in range(found.shape[1]):
            found[i, j] = y * columns + j * stride
        for dy in range(max(-reach, -y), min(reach, rows - 1 - y) + 1):
            for dx in range(-reach, reach + 1):
                if dy == 0 and dx == 0:
                    continue
                _compare(lines, y, dy, dx, patch, square)
                total[:] = 0
                for c in range(channels):
                    for k in range(patch):
                        beside = square[c * span + k : c * span + k + columns]
                        for x in range(columns):
                            total[x] += beside[x]
                first, last = max(0, -dx), min(columns, columns - dx)
                for j in range(-(-first // stride), -(-last // stride)):
                    x = j * stride
                    if total[x] < distances[j, GROUP - 1]:
                        _insert(distances[j], found[i, j], total[x], (y + dy) * columns + x + dx)


@_compiled
def _compare(lines: Array, y: int, dy: int, dx: int, patch: int, square: Array) -> None:
    """Squared differences between `patch` lines from `y` on and those moved by (dy, dx), summed."""
    start, stop = max(0, -dx), len(square) - max(0, dx)
    inside = square[start:stop]
    inside[:] = 0
    for k in range(y, y + patch, 4):
        a, p = lines[k, start:stop], lines[k + dy, start + dx : stop + dx]
        b, q = lines[k + 1, start:stop], lines[k + 1 + dy, start + dx : stop + dx]
        c, r = lines[k + 2, start:stop], lines[k + 2 + dy, start + dx : stop + dx]
        d, s = lines[k + 3, start:stop], lines[k + 3 + dy, start + dx : stop + dx]
        for x in range(len(inside)):
            upper = (a[x] - p[x]) * (a[x] - p[x]) + (b[x] - q[x]) * (b[x] - q[x])
            lower = (c[x] - r[x]) * (c[x] - r[x]) + (d[x] - s[x]) * (d[x] - s[x])
            inside[x] += upper + lower


@_compiled
def _insert(distances: Array, members: Numbers, distance: np.float32, member: int) -> None:
    """Keep the order; the first member stays, the last one goes."""
    place = GROUP - 1
    while place > 1 and distances[place - 1] > distance:
        distances[place], members[place] = distances[place - 1], members[place - 1]
        place -= 1
    distances[place], members[place] = distance, member


@_compiled
def spectra(image: Array, grid: int, out: Array) -> None:
    """Fill `out` (rows, columns, 64) with the spectra of the patches of `image` (H, W)."""
    width = image.shape[1]
    strip = np.empty((PATCH, width), np.float32)
    for i in range(out.shape[0]):
        strip[:] = 0
        for f in range(PATCH):
            for k in range(PATCH):
                for x in range(width):
                    strip[f, x] += _DCT[f, k] * image[i * grid + k, x]
        for j in range(out.shape[1]):
            for f in range(PATCH):
                for g in range(PATCH):
                    out[i, j, f * PATCH + g] = 0
                for k in range(PATCH):
                    value = strip[f, j * grid + k]
                    for g in range(PATCH):
                        out[i, j, f * PATCH + g] += value * _TURNED[k, g]


@_compiled
def join(given: Array, weights: Array, grid: int, image: Array) -> None:
    """Lay patches over each other: `given` (rows, columns, 64), already multiplied by their
    `weights` (rows, columns), fill `image` (H, W).
    """
    width = image.shape[1]
    heard = np.zeros_like(image)
    strip, weight = np.empty((PATCH, width), np.float32), np.empty(width, np.float32)
    image[:] = 0
    for i in range(given.shape[0]):
        strip[:], weight[:] = 0, 0
        for j in range(given.shape[1]):
            start = j * grid
            for k in range(PATCH):
                weight[start + k] += weights[i, j] * SLOPE[k]
            for f in range(PATCH):
                for g in range(PATCH):
                    value = given[i, j, f * PATCH + g]
                    for k in range(PATCH):
                        strip[f, start + k] += value * _SLOPING[g, k]
        for k in range(PATCH):
            y = i * grid + k
            for x in range(width):
                heard[y, x] += SLOPE[k] * weight[x]
            for f in range(PATCH):
                for x in range(width):
                    image[y, x] += _SLOPING[f, k] * strip[f, x]
    for y in range(image.shape[0]):
        for x in range(width):
            image[y, x] /= heard[y, x]


@_compiled
def threshold(
    own: Array, members: Numbers, limits: Array, variance: Array, total: Array, weights: Array
) -> None:
    """Add to `total` (patches, 64) and `weights` (patches,) all groups of `members` (N, GROUP).

    Of `own` (patches, 64), transformed across each group, coefficients whose square is below
    `limits` (64,) are set to zero. Groups count by the inverse of their noise's `variance` (64,).
    """
    stack, apart = _room(), _room()
    for group in range(members.shape[0]):
        _across(own, members, group, apart, stack)
        mean, left = stack[0, 0, 0], variance[0]
        stack[0, 0, 0] = 0
        for parity in range(2):
            for k in range(_HALF):
                for f in range(FREQUENCIES):
                    value = stack[parity, k, f]
                    kept = value * value > limits[f]
                    stack[parity, k, f] = value if kept else _NOTHING
                    left += variance[f] if kept else _NOTHING
        stack[0, 0, 0] = mean
        _add(stack, members, group, _ONE / max(left, _LEAST), total, weights)


@_compiled
def wiener(
    own: Array, guess: Array, members: Numbers, variance: Array, total: Array, weights: Array
) -> None:
    """As `threshold`; coefficients are multiplied by those of `guess`, squared, over that and
    the noise's variance.
    """
    stack, hint, apart = _room(), _room(), _room()
    for group in range(members.shape[0]):
        _across(own, members, group, apart, stack)
        _across(guess, members, group, apart, hint)
        hint[0, 0, 0] = _NEVER  # The mean stays.
        left = _NOTHING
        for parity in range(2):
            for k in range(_HALF):
                for f in range(FREQUENCIES):
                    guessed = hint[parity, k, f]
                    factor = guessed * guessed / (guessed * guessed + variance[f])
                    stack[parity, k, f] *= factor
                    left += factor * factor * variance[f]
        _add(stack, members, group, _ONE / max(left, _LEAST), total, weights)


@_compiled
def _room() -> Array:
    return np.empty((2, _HALF, FREQUENCIES), np.float32)


@_compiled
def _across(given: Array, members: Numbers, group: int, apart: Array, stack: Array) -> None:
    """DCT across a group: even coefficients see sums of opposite members, odd ones differences."""
    for m in range(_HALF):
        one, other = members[group, m], members[group, GROUP - 1 - m]
        for f in range(FREQUENCIES):
            apart[0, m, f] = given[one, f] + given[other, f]
            apart[1, m, f] = given[one, f] - given[other, f]
    for p in range(2):
        for k in range(_HALF):
            for f in range(FREQUENCIES):
                low, high = np.float32(0), np.float32(0)
                for m in range(0, _HALF, 2):
                    low += _ACROSS[p, k, m] * apart[p, m, f]
                    high += _ACROSS[p, k, m + 1] * apart[p, m + 1, f]
                stack[p, k, f] = low + high


@_compiled
def _add(
    stack: Array, members: Numbers, group: int, weight: np.float32, total: Array, weights: Array
) -> None:
    """The way back from `_across`, onto the sums."""
    for m in range(_HALF):
        one, other = members[group, m], members[group, GROUP - 1 - m]
        for f in range(FREQUENCIES):
            even, odd = np.float32(0), np.float32(0)
            for k in range(_HALF):
                even += _ACROSS[0, k, m] * stack[0, k, f]
                odd += _ACROSS[1, k, m] * stack[1, k, f]
            total[one, f] += weight * (even + odd)
            total[other, f] += weight * (even - odd)
        weights[one] += weight
        weights[other] += weight
