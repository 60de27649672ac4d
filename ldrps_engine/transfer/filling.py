"""Filling of damage at full size, from the photo's own surroundings, coarse to fine.

Each level of a pyramid of means predicts the next finer one. There, the missing pixels of a small
block are the conditional mean of a Gaussian: its covariance is that of patches around the hole,
those that look like the block's known pixels counting most, and it is given these known pixels and
the coarser level. In thin holes the known pixels decide, and lines go on across them; in the
middle of wide ones the coarser level does. At the photo's own size, texture comes from the most
similar patch: what the same prediction leaves of it. Local Gaussian models of patches are those of
Yu, Sapiro and Mallat, "Solving inverse problems with piecewise linear estimators", 2012.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.colour.masks import any_within
from ldrps_engine.transfer.pyramid import BLOCK, Level, Tiles, pyramid

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

_Kind = TypeVar("_Kind", bound=np.generic)

_MARGIN = 3
# A block of so many pixels is predicted from so many more on each side.
_SIDE = BLOCK + 2 * _MARGIN
# Patches are taken from so far around; from farther if there are too few.
_REACHES = (20, 40, 80)
_FEWEST = 48
_BATCH = 48
_RIDGE = 4e-6
# Blocks from which less effort is made for each: a large photo would take minutes.
#
# The finest level is then the coarser one with detail from nearby: half the time, and as good.
_MANY = 8000
# Weight of a difference to the coarser level, which has no detail, beside that to a pixel.
_COARSE_COUNTS = 0.3
# Patches that detail is taken from, at most.
_CANDIDATES = 64
# Share of the surroundings' texture. All of it would cost more of what is likely.
_TEXTURE = 0.7
# Nothing farther from the mask is looked at, pixels.
_AROUND = 256


@dataclass(frozen=True)
class _Effort:
    """Number of patches that are looked at for each block."""

    patches: int
    nearest: int
    """The most similar of them count, the others not."""
    shrinkage: float
    """Share of the mean variance added to each: so few patches would be followed too closely."""


_CAREFUL, _QUICK = _Effort(256, 128, 0.2), _Effort(128, 64, 0.3)


def _nobody(_: int, __: int) -> None:
    """For callers who only want the result."""


def fill(rgb: Array, mask: Mask, on_part: Callable[[int, int], None] = _nobody) -> Array:
    """Fill an image (H, W, 3) where a mask (H, W) is true; the rest stays to the bit.

    `on_part` receives how many parts of how many are done, and stops it by raising.
    """
    if not mask.any():
        return rgb
    where = _around(mask)
    levels = pyramid(rgb[where], mask[where])
    count = sum(len(level.blocks) for level in levels)
    effort = _QUICK if count > _MANY else _CAREFUL
    done = 0

    def on_batch(blocks: int) -> None:
        nonlocal done
        done += blocks
        on_part(done, count)

    for depth in reversed(range(len(levels))):
        texture = 0.0 if depth else _TEXTURE
        copies = depth == 0 and count > _MANY
        _paint(levels[depth], texture, None if copies else effort, on_batch)
    result = rgb.copy()
    result[where][mask[where]] = levels[0].painted[mask[where]]
    return result


def _around(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns around all that a mask marks."""
    rows, columns = (
        slice(max(0, int(places[0]) - _AROUND), int(places[-1]) + 1 + _AROUND)
        for places in (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    )
    return rows, columns


def _paint(
    level: Level, texture: float, effort: _Effort | None, on_batch: Callable[[int], None]
) -> None:
    """Paint what is missing in one level, once the next coarser one is painted.

    Without an `effort` its detail is that of the most similar patch.
    """
    if not len(level.blocks):
        return
    if level.coarser is None:
        height, width = level.missing.shape
        rgb = level.known(slice(0, height), slice(0, width))
        level.painted[level.missing] = rgb[~level.missing].mean(0)
        on_batch(len(level.blocks))
        return
    painter = _Painter(level, effort or _QUICK)
    painter.look_around(painter.windows(level.blocks))
    for start in range(0, len(level.blocks), _BATCH):
        batch = painter.windows(level.blocks[start : start + _BATCH])
        if effort is None:
            painter.copy(batch, texture)
        else:
            painter.paint(batch, texture)
        on_batch(len(batch))


class _Painter:
    """Predicts the missing pixels of one level. Its edges are mirrored: blocks have margins."""

    def __init__(self, level: Level, effort: _Effort) -> None:
        self._level, self._effort = level, effort
        height, width = level.missing.shape
        self._rows, self._columns = (
            np.pad(np.arange(side), _SIDE, mode="symmetric") for side in (height, width)
        )
        size = height + 2 * _SIDE, width + 2 * _SIDE
        self._tiles = Tiles((2, *size, 3), self._made)
        self._fine, self._larger = self._tiles.values
        self._missing = np.pad(level.missing, _SIDE, mode="symmetric")
        self._whole = ~any_within(self._missing, _SIDE)

    def _made(self, rows: slice, columns: slice) -> Array:
        """Return the level (h, w, 3), what is missing as the coarser one has it, and that one."""
        down, across = self._rows[rows], self._columns[columns]
        part = slice(down.min(), down.max() + 1), slice(across.min(), across.max() + 1)
        larger, missing = self._level.larger(*part), self._level.missing[part]
        fine = np.where(missing[..., None], larger, self._level.known(*part))
        both = np.stack([fine, larger])
        if all((np.diff(places) == 1).all() for places in (down, across)):
            return both
        down, across = np.ix_(down - part[0].start, across - part[1].start)
        return both[:, down, across]

    def windows(self, blocks: Places) -> Places:
        """Return the corners of windows around blocks that begin at places (B, 2)."""
        return blocks + (_SIDE - _MARGIN)

    def look_around(self, places: Places) -> None:
        """Make all windows that begin no farther than the nearest reach from places (B, 2)."""
        first = np.maximum(places - _REACHES[0], 0)
        self._tiles.ensure_around(first, 2 * _REACHES[0] + _SIDE)

    def _see(self, place: Places, reach: int) -> tuple[Places, Places]:
        """Make all windows that begin no farther than so from a place; the first, and the last."""
        low = np.maximum(place - reach, 0)
        high = np.minimum(place + reach, np.array(self._whole.shape) - 1)
        if reach > _REACHES[0]:
            (top, left), (bottom, right) = low.tolist(), (high + _SIDE).tolist()
            self._tiles.ensure(top, bottom, left, right)
        return low, high + 1

    def paint(self, places: Places, texture: float) -> None:
        """Predict blocks whose windows begin at `places` (B, 2), with so much texture."""
        sources, enough = self._sources(places)
        self._keep(places[~enough])
        places, sources = places[enough], sources[enough]
        if not len(places):
            return
        target, exemplars = self._windows(places[:, None]), self._windows(sources)
        missing = torch.from_numpy(_gather(self._missing, places[:, None], _SIDE))[:, 0]
        predicted = _predict(target[:, 0], exemplars, missing.flatten(1), texture, self._effort)
        self._put(places, predicted.unflatten(2, (_SIDE, _SIDE)), missing)

    def copy(self, places: Places, share: float) -> None:
        """Give blocks of the coarser level so much of the detail of the patch that fits best."""
        near = np.random.default_rng(0).integers(-_REACHES[0], _REACHES[0] + 1, (_CANDIDATES, 2))
        sources = np.clip(places[:, None] + near, 0, np.array(self._whole.shape) - 1)
        usable = self._whole[sources[..., 0], sources[..., 1]]
        enough = usable.any(1)
        self._keep(places[~enough])
        places, sources, usable = places[enough], sources[enough], usable[enough]
        if not len(places):
            return
        missing = torch.from_numpy(_gather(self._missing, places[:, None], _SIDE))[:, 0]
        fine, coarse = self._fine, self._larger
        known = ~missing[:, None].numpy()
        apart = _gather(fine, sources, _SIDE) - _gather(fine, places[:, None], _SIDE)
        # Where its pixels are missing, the block's own are those of the coarser level.
        apart *= np.where(known, np.float32(1), np.float32(_COARSE_COUNTS))[:, :, None]
        distance = np.einsum("bncij,bncij->bn", apart, apart) + np.where(usable, 0, np.inf)
        best = sources[np.arange(len(places)), distance.argmin(1)]
        detail = (_gather(fine, best[:, None], _SIDE) - _gather(coarse, best[:, None], _SIDE))[:, 0]
        found = _gather(coarse, places[:, None], _SIDE)[:, 0] + np.float32(share) * detail
        self._put(places, torch.from_numpy(found), missing)

    def _keep(self, places: Places) -> None:
        """Leave blocks with too few patches around them as the coarser level has them."""
        if len(places):
            found = torch.from_numpy(_gather(self._larger, places[:, None], _SIDE))[:, 0]
            missing = torch.from_numpy(_gather(self._missing, places[:, None], _SIDE))[:, 0]
            self._put(places, found, missing)

    def _put(self, places: Places, windows: Tensor, missing: Tensor) -> None:
        """Write the missing pixels of blocks, out of windows (B, 3, side, side)."""
        inner = slice(_MARGIN, _MARGIN + BLOCK)
        gone = missing[:, inner, inner].numpy()
        values = windows[:, :, inner, inner].permute(0, 2, 3, 1).numpy()
        across = np.arange(BLOCK) + _MARGIN
        rows = np.broadcast_to((places[:, :1] + across)[:, :, None], gone.shape)[gone]
        columns = np.broadcast_to((places[:, 1:] + across)[:, None], gone.shape)[gone]
        height, width = self._level.missing.shape
        inside = (rows < height + _SIDE) & (columns < width + _SIDE)
        rows, columns = rows[inside] - _SIDE, columns[inside] - _SIDE
        self._level.painted[rows, columns] = values[gone][inside]

    def _windows(self, places: Places) -> Tensor:
        """Return (B, N, 3, pixels): fine windows, then every other pixel of coarse ones."""
        fine = _gather(self._fine, places, _SIDE)
        coarse = _gather(self._larger, places, _SIDE, slice(1, None, 2))
        both = [part.reshape(*places.shape[:2], 3, -1) for part in (fine, coarse)]
        return torch.from_numpy(np.concatenate(both, 3))

    def _sources(self, places: Places) -> tuple[Places, Mask]:
        """Whole windows around each block, (B, N, 2), and where there are enough of them."""
        random, wanted = np.random.default_rng(0), self._effort.patches
        found = np.zeros((len(places), wanted, 2), np.int64)
        enough = np.zeros(len(places), bool)
        for index, place in enumerate(places):
            for reach in _REACHES:
                low, high = self._see(place, reach)
                whole = np.flatnonzero(self._whole[low[0] : high[0], low[1] : high[1]])
                if len(whole) >= _FEWEST:
                    chosen = random.choice(len(whole), wanted, replace=len(whole) < wanted)
                    inside = np.divmod(whole[chosen], high[1] - low[1])
                    found[index] = np.stack(inside, 1) + low
                    enough[index] = True
                    break
        return found, enough


def _predict(
    target: Tensor, exemplars: Tensor, missing: Tensor, texture: float, effort: _Effort
) -> Tensor:
    """Conditional means (B, 3, pixels) of windows, given the pixels of `target` not `missing`.

    `target` is (B, 3, P), `exemplars` are (B, N, 3, P). Added to it is a share `texture` of what
    the same prediction leaves of the most similar sample.
    """
    fine = missing.shape[1]
    known = torch.ones(len(target), target.shape[2])
    known[:, :fine] = (~missing).float()
    apart = (exemplars - target[:, None]).mul_(known[:, None, None])
    distance = torch.linalg.vector_norm(apart, dim=(2, 3)).square() / 3
    distance = distance / known.sum(1, keepdim=True)
    # The others would weigh next to nothing, and take as long.
    distance, order = distance.topk(effort.nearest, 1, largest=False)
    exemplars = exemplars.gather(1, order[..., None, None].expand(-1, -1, *exemplars.shape[2:]))
    farthest = distance[:, -1:]
    weight = torch.exp(-0.5 * distance / (farthest + 1e-6))
    weight = weight / weight.sum(1, keepdim=True)
    alike = exemplars[:, 0].clone()
    mean = torch.einsum("bn,bncp->bcp", weight, exemplars)
    flat = exemplars.sub_(mean[:, None]).mul_((weight / 3).sqrt()[..., None, None]).flatten(1, 2)
    covariance = flat.transpose(1, 2) @ flat
    # What is missing is given no part by being made independent of all else.
    given = covariance * known[:, :, None] * known[:, None, :]
    ridge = _RIDGE + effort.shrinkage * covariance.diagonal(dim1=1, dim2=2).mean(1)
    given = given + torch.diag_embed((1 - known) + ridge[:, None])
    # The prediction is linear: that of the one less that of the other is that of their difference.
    seen = (target - mean - texture * (alike - mean)) * known[:, None]
    solved = _solved(given, seen.transpose(1, 2)) * known[..., None]
    left = mean[..., :fine] + texture * (alike - mean)[..., :fine]
    predicted: Tensor = left + (covariance[:, :fine] @ solved).transpose(1, 2)
    return predicted


def _solved(matrices: Tensor, right: Tensor) -> Tensor:
    """Solve positive definite systems (B, P, P) for right sides (B, P, K)."""
    count = torch.get_num_threads()
    # Threads would meet after each small system: on busy cores that takes a hundred times as long.
    torch.set_num_threads(1)
    try:
        return torch.cholesky_solve(right, torch.linalg.cholesky(matrices))
    finally:
        torch.set_num_threads(count)


def _gather(
    values: NDArray[_Kind], places: Places, side: int, taken: slice = slice(None)
) -> NDArray[_Kind]:
    """Windows (B, N, ..., side, side) that begin at `places` (B, N, 2); `taken` of both sides."""
    sliding = np.lib.stride_tricks.sliding_window_view(values, (side, side), (0, 1))
    return sliding[..., taken, taken][places[..., 0], places[..., 1]]
