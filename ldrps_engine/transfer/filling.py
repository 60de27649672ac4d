"""Filling of damage at full size, from the photo's own surroundings, coarse to fine.

Each level of a pyramid of means predicts the next finer one. There, the missing pixels of a small
block are the conditional mean of a Gaussian: its covariance is that of patches around the hole,
those that look like the block's known pixels counting most, and it is given these known pixels and
the coarser level. In thin holes the known pixels decide, and lines go on across them; in the
middle of wide ones the coarser level does. At the photo's own size, grain comes from the most
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

from ldrps_engine.analysis.resampling import resize

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

_Kind = TypeVar("_Kind", bound=np.generic)

_BLOCK, _MARGIN = 4, 3
_SIDE = _BLOCK + 2 * _MARGIN
"""A block of so many pixels is predicted from so many more on each side."""
_REACHES = (20, 40, 80)
"""Patches are taken from so far around; from farther if there are too few."""
_FEWEST = 48
_BATCH = 48
_RIDGE = 4e-6
_MANY = 8000
"""Blocks from which less effort is made for each: a large photo would take minutes.

The finest level is then the coarser one with detail from nearby: half the time, and as good.
"""
_COARSE_COUNTS = 0.3
"""Weight of a difference to the coarser level, which has no detail, beside that to a pixel."""
_CANDIDATES = 64
"""Patches that detail is taken from, at most."""
_LEAST = 8
"""Sides of the smallest level of the pyramid, pixels."""
_GRAIN = 0.7
"""Share of the surroundings' grain. All of it would cost more of what is likely."""
_AROUND = 256
"""Nothing farther from the mask is looked at, pixels."""


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

    `on_part` is told how many parts of how many are done, and stops it by raising.
    """
    if not mask.any():
        return rgb
    where = _around(mask)
    part, marked = rgb[where], mask[where]
    levels = _pyramid(part, marked)
    filled = None
    count = sum(_blocks(level.missing) for level in levels)
    effort = _QUICK if count > _MANY else _CAREFUL
    done = 0

    def on_batch(blocks: int) -> None:
        nonlocal done
        done += blocks
        on_part(done, count)

    for depth in reversed(range(len(levels))):
        grain = 0.0 if depth else _GRAIN
        copies = depth == 0 and count > _MANY
        filled = _filled(levels[depth], filled, grain, None if copies else effort, on_batch)
    assert filled is not None
    result = rgb.copy()
    result[where] = np.where(marked[..., None], filled, part)
    return result


def _blocks(missing: Mask) -> int:
    """Count the blocks in which something is missing."""
    return len(_block_keys(missing))


def _block_keys(missing: Mask) -> Places:
    rows, columns = np.nonzero(missing)
    return np.unique((rows // _BLOCK) * (1 << 32) + columns // _BLOCK)


def _around(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns around all that a mask marks."""
    rows, columns = (
        slice(max(0, int(places[0]) - _AROUND), int(places[-1]) + 1 + _AROUND)
        for places in (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    )
    return rows, columns


@dataclass(frozen=True)
class _Level:
    """One level of the pyramid."""

    rgb: Array
    missing: Mask


def _pyramid(rgb: Array, mask: Mask) -> list[_Level]:
    """Levels of half the size each, up to one where nothing is missing, or the smallest."""
    levels = [_Level(rgb, mask)]
    while levels[-1].missing.any() and min(levels[-1].missing.shape) >= 2 * _LEAST:
        levels.append(_halved(levels[-1]))
    return levels


def _halved(level: _Level) -> _Level:
    """Means of two by two pixels, of those that are known; missing where none is."""
    height, width = level.missing.shape
    edges = ((0, height % 2), (0, width % 2))
    known = np.pad(~level.missing, edges, mode="edge")
    rgb = np.pad(level.rgb, (*edges, (0, 0)), mode="edge") * known[..., None]
    shape = known.shape[0] // 2, 2, known.shape[1] // 2, 2
    count = known.reshape(shape).sum((1, 3))
    sums = rgb.reshape(*shape, 3).sum((1, 3))
    return _Level(sums / np.maximum(count, 1)[..., None].astype(np.float32), count == 0)


def _filled(
    level: _Level,
    coarse: Array | None,
    grain: float,
    effort: _Effort | None,
    on_batch: Callable[[int], None],
) -> Array:
    """One level with nothing missing, given the next coarser one.

    Without an `effort` its detail is that of the most similar patch.
    """
    rgb, missing = level.rgb, level.missing
    if not missing.any():
        return rgb
    if coarse is None:
        on_batch(_blocks(missing))
        return np.where(missing[..., None], rgb[~missing].mean(0), rgb).astype(np.float32)
    height, width = missing.shape
    larger = resize(coarse, (2 * coarse.shape[0], 2 * coarse.shape[1]))[:height, :width]
    result = np.where(missing[..., None], larger, rgb).astype(np.float32)
    painter = _Painter.of(result, larger, missing, effort or _QUICK)
    for batch in painter.batches():
        if effort is None:
            painter.copy(batch, grain)
        else:
            painter.paint(batch, grain)
        on_batch(len(batch))
    return painter.image()


class _Painter:
    """Predicts the missing pixels of one level, blocks of the same reach together."""

    def __init__(
        self, rgb: Tensor, larger: Tensor, missing: Mask, pad: int, effort: _Effort
    ) -> None:
        self._rgb, self._larger, self._pad, self._effort = rgb, larger, pad, effort
        self._missing = missing
        self._result = rgb.clone()
        self._whole = _whole(missing)

    @classmethod
    def of(cls, rgb: Array, larger: Array, missing: Mask, effort: _Effort) -> _Painter:
        """Mirror the edges, so that every block has its margin."""
        pad = _SIDE
        edges = ((pad, pad), (pad, pad))
        full, wide = (
            torch.from_numpy(np.pad(values, (*edges, (0, 0)), mode="symmetric"))
            for values in (rgb, larger)
        )
        return cls(full, wide, np.pad(missing, edges, mode="symmetric"), pad, effort)

    def image(self) -> Array:
        """Return the level as it is now, without its margin."""
        pad = self._pad
        return self._result[pad:-pad, pad:-pad].numpy()

    def batches(self) -> list[Places]:
        """Windows' corners of all blocks with something missing, (B, 2) each."""
        pad = self._pad
        keys = _block_keys(self._missing[pad:-pad, pad:-pad])
        places = np.stack([keys >> 32, keys & ((1 << 32) - 1)], 1) * _BLOCK + pad - _MARGIN
        return [places[start : start + _BATCH] for start in range(0, len(places), _BATCH)]

    def paint(self, places: Places, grain: float) -> None:
        """Predict blocks whose windows begin at `places` (B, 2), with so much grain."""
        sources, enough = self._sources(places)
        places, sources = places[enough], sources[enough]
        if not len(places):
            return
        target, samples = self._windows(places[:, None]), self._windows(sources)
        missing = torch.from_numpy(_gather(self._missing, places[:, None], _SIDE))[:, 0]
        predicted = _predict(target[:, 0], samples, missing.flatten(1), grain, self._effort)
        self._put(places, predicted.unflatten(2, (_SIDE, _SIDE)), missing)

    def copy(self, places: Places, share: float) -> None:
        """Give blocks of the coarser level so much of the detail of the patch that fits best."""
        near = np.random.default_rng(0).integers(-_REACHES[0], _REACHES[0] + 1, (_CANDIDATES, 2))
        sources = np.clip(places[:, None] + near, 0, np.array(self._whole.shape) - 1)
        usable = self._whole[sources[..., 0], sources[..., 1]]
        enough = usable.any(1)
        places, sources, usable = places[enough], sources[enough], usable[enough]
        if not len(places):
            return
        missing = torch.from_numpy(_gather(self._missing, places[:, None], _SIDE))[:, 0]
        fine, coarse = self._rgb.numpy(), self._larger.numpy()
        known = ~missing[:, None].numpy()
        apart = _gather(fine, sources, _SIDE) - _gather(fine, places[:, None], _SIDE)
        # Where its pixels are missing, the block's own are those of the coarser level.
        apart *= np.where(known, np.float32(1), np.float32(_COARSE_COUNTS))[:, :, None]
        distance = np.einsum("bncij,bncij->bn", apart, apart) + np.where(usable, 0, np.inf)
        best = sources[np.arange(len(places)), distance.argmin(1)]
        detail = (_gather(fine, best[:, None], _SIDE) - _gather(coarse, best[:, None], _SIDE))[:, 0]
        found = _gather(coarse, places[:, None], _SIDE)[:, 0] + np.float32(share) * detail
        self._put(places, torch.from_numpy(found), missing)

    def _put(self, places: Places, windows: Tensor, missing: Tensor) -> None:
        """Write the missing pixels of blocks, out of windows (B, 3, side, side)."""
        inner = slice(_MARGIN, _MARGIN + _BLOCK)
        gone = missing[:, inner, inner].numpy()
        values = windows[:, :, inner, inner].permute(0, 2, 3, 1).numpy()
        across = np.arange(_BLOCK) + _MARGIN
        rows = np.broadcast_to((places[:, :1] + across)[:, :, None], gone.shape)
        columns = np.broadcast_to((places[:, 1:] + across)[:, None], gone.shape)
        self._result.numpy()[rows[gone], columns[gone]] = values[gone]

    def _windows(self, places: Places) -> Tensor:
        """Return (B, N, 3, pixels): fine windows, then every other pixel of coarse ones."""
        fine = _gather(self._rgb.numpy(), places, _SIDE)
        coarse = _gather(self._larger.numpy(), places, _SIDE)[..., 1::2, 1::2]
        both = [part.reshape(*places.shape[:2], 3, -1) for part in (fine, coarse)]
        return torch.from_numpy(np.concatenate(both, 3))

    def _sources(self, places: Places) -> tuple[Places, Mask]:
        """Whole windows around each block, (B, N, 2), and where there are enough of them."""
        random, wanted = np.random.default_rng(0), self._effort.patches
        found = np.zeros((len(places), wanted, 2), np.int64)
        enough = np.zeros(len(places), bool)
        last = np.array(self._whole.shape) - 1
        for index, place in enumerate(places):
            for reach in _REACHES:
                low = np.maximum(place - reach, 0)
                high = np.minimum(place + reach, last) + 1
                rows, columns = np.nonzero(self._whole[low[0] : high[0], low[1] : high[1]])
                if len(rows) >= _FEWEST:
                    chosen = random.choice(len(rows), wanted, replace=len(rows) < wanted)
                    found[index] = np.stack([rows[chosen], columns[chosen]], 1) + low
                    enough[index] = True
                    break
        return found, enough


def _predict(
    target: Tensor, samples: Tensor, missing: Tensor, grain: float, effort: _Effort
) -> Tensor:
    """Conditional means (B, 3, pixels) of windows, given the pixels of `target` not `missing`.

    `target` is (B, 3, P), `samples` are (B, N, 3, P). Added to it is a share `grain` of what the
    same prediction leaves of the most similar sample.
    """
    fine = missing.shape[1]
    known = torch.ones(len(target), target.shape[2])
    known[:, :fine] = (~missing).float()
    apart = (samples - target[:, None]).mul_(known[:, None, None])
    distance = torch.linalg.vector_norm(apart, dim=(2, 3)).square() / 3
    distance = distance / known.sum(1, keepdim=True)
    # The others would weigh next to nothing, and take as long.
    distance, order = distance.topk(effort.nearest, 1, largest=False)
    samples = samples.gather(1, order[..., None, None].expand(-1, -1, *samples.shape[2:]))
    farthest = distance[:, -1:]
    weight = torch.exp(-0.5 * distance / (farthest + 1e-6))
    weight = weight / weight.sum(1, keepdim=True)
    alike = samples[:, 0].clone()
    mean = torch.einsum("bn,bncp->bcp", weight, samples)
    flat = samples.sub_(mean[:, None]).mul_((weight / 3).sqrt()[..., None, None]).flatten(1, 2)
    covariance = flat.transpose(1, 2) @ flat
    # What is missing is given no part by being made independent of all else.
    given = covariance * known[:, :, None] * known[:, None, :]
    ridge = _RIDGE + effort.shrinkage * covariance.diagonal(dim1=1, dim2=2).mean(1)
    given = given + torch.diag_embed((1 - known) + ridge[:, None])
    # The prediction is linear: that of the one less that of the other is that of their difference.
    seen = (target - mean - grain * (alike - mean)) * known[:, None]
    factor = torch.linalg.cholesky(given)
    solved = torch.cholesky_solve(seen.transpose(1, 2), factor) * known[..., None]
    left = mean[..., :fine] + grain * (alike - mean)[..., :fine]
    predicted: Tensor = left + (covariance[:, :fine] @ solved).transpose(1, 2)
    return predicted


def _whole(missing: Mask) -> Mask:
    """(rows, columns) of windows in which nothing is missing."""
    sums = np.pad(missing.cumsum(0, np.int32).cumsum(1, np.int32), ((1, 0), (1, 0)))
    side = _SIDE
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(inside == 0)


def _gather(values: NDArray[_Kind], places: Places, side: int) -> NDArray[_Kind]:
    """Windows (B, N, ..., side, side) that begin at `places` (B, N, 2)."""
    sliding = np.lib.stride_tricks.sliding_window_view(values, (side, side), (0, 1))
    return sliding[places[..., 0], places[..., 1]]
