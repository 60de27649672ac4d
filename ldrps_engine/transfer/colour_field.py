"""A smooth field of local affine colour maps that transfers the pilot's tones to the photo.

Fitted by regularised least squares in a bilateral grid (Chen, Adams, Wadhwa and Hasinoff,
"Bilateral guided upsampling", SIGGRAPH Asia 2016; Gharbi et al., HDRNet, SIGGRAPH 2017): cells
span position and brightness, so that the maps change at the photo's own edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldrps_engine.photo import Part

_LEVELS = 8
# Pixels that are mapped at a time.
_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Smoothness:
    """Limits on how much the field may vary."""

    cells: int = 16
    """Cells along the long side."""
    ridge: float = 1e-3
    """Pull of each cell towards the global map."""
    blur: float = 0.6
    """Standard deviation of the smoothing over cells."""


class ColourField:
    """Maps (3, H, W) images of the source's kind; made by `fit`."""

    def __init__(self, grid: Tensor) -> None:
        self._grid = grid

    @classmethod
    def fit(
        cls, source: Tensor, target: Tensor, guide: Tensor, weight: Tensor, how: Smoothness
    ) -> ColourField:
        """Fit source (3, h, w) to target (3, h, w).

        `guide` (h, w) in [0, 1] is the brightness by which cells differ, `weight`
        (h, w) how much each pixel counts.
        """
        height, width = source.shape[-2:]
        cell = max(height, width) / how.cells
        shape = (_LEVELS, max(2, round(height / cell)), max(2, round(width / cell)))
        design = torch.cat([source, torch.ones_like(source[:1])]).flatten(1).T
        where, share = _splat(guide, shape)
        gram = torch.einsum("ni,nj,n->nij", design, design, weight.flatten()).flatten(1)
        cross = torch.einsum("ni,nk,n->nik", design, target.flatten(1).T, weight.flatten())
        sums = torch.cat([gram, cross.flatten(1)], 1)
        cells = torch.zeros(shape[0] * shape[1] * shape[2], sums.shape[1])
        for k in range(where.shape[0]):
            cells.index_add_(0, where[k], sums * share[k][:, None])
        blurred = _blur(cells.T.reshape(1, -1, *shape), how.blur)[0].flatten(1).T
        grid = _solve(blurred, sums.sum(0), how.ridge)
        return cls(grid.T.reshape(1, 12, *shape))

    def apply(self, source: Tensor, guide: Tensor) -> Tensor:
        """Map (3, H, W) of any size, its cells chosen by `guide` (H, W)."""
        height, width = guide.shape
        return self.apply_part(source, guide, (height, width), (slice(0, height), slice(0, width)))

    def apply_part(
        self, source: Tensor, guide: Tensor, size: tuple[int, int], part: Part
    ) -> Tensor:
        """Map the rows and columns `part` of an image of (height, width) `size`."""
        out = torch.empty_like(source)
        levels, down, across = self._grid.shape[-3:]
        columns_by_cells = _between_cells(across, size[1], part[1])
        for rows, top, y in _between_cells(down, size[0], part[0]):
            for columns, left, x in columns_by_cells:
                maps = self._maps_around(top, left)
                for some in _strips(rows, columns):
                    share = y[some].reshape(-1, 1), x[columns]
                    values = source[:, some, columns].flatten(1)
                    mixed = maps @ _features(values, guide[some, columns].flatten(), levels)
                    corners = mixed.unflatten(0, (2, 2, 3)).unflatten(-1, (len(share[0]), -1))
                    upper, lower = torch.lerp(corners[:, 0], corners[:, 1], share[1])
                    out[:, some, columns] = torch.lerp(upper, lower, share[0])
        return out

    def _maps_around(self, top: int, left: int) -> Tensor:
        """Return the maps of the four cells about a place, (12, features): see `_features`."""
        down, across = self._grid.shape[-2:]
        rows = torch.tensor([top, min(top + 1, down - 1)])
        columns = torch.tensor([left, min(left + 1, across - 1)])
        cells = self._grid[0][:, :, rows[:, None], columns]
        # Stored by design column (4) and colour (3); then levels, rows and columns.
        maps: Tensor = cells.unflatten(0, (4, 3)).permute(3, 4, 1, 2, 0).reshape(12, -1)
        return maps.contiguous()


def _between_cells(count: int, side: int, of: slice) -> list[tuple[slice, int, Tensor]]:
    """Cut rows or columns of a side where they pass the middle of one of `count` cells.

    Each run has the cell before it; all of them how far each place is on the way to the next.
    """
    at = (torch.arange(of.start, of.stop) + 0.5) * (count / side) - 0.5
    at = at.clamp(0, count - 1)
    low = at.long().clamp(max=max(count - 2, 0))
    cells, lengths = torch.unique_consecutive(low, return_counts=True)
    ends = lengths.cumsum(0).tolist()
    starts = [0, *ends[:-1]]
    runs = (slice(start, end) for start, end in zip(starts, ends, strict=True))
    return [(run, cell, at - low) for run, cell in zip(runs, cells.tolist(), strict=True)]


def _strips(rows: slice, columns: slice) -> Iterator[slice]:
    """Cut rows into runs whose features stay in the processor's cache."""
    step = max(1, _AT_ONCE // (columns.stop - columns.start))
    for start in range(rows.start, rows.stop, step):
        yield slice(start, min(start + step, rows.stop))


def _features(values: Tensor, guide: Tensor, levels: int) -> Tensor:
    """Return the values (3, n) and 1, as far as they belong to each level, (levels * 4, n).

    Interpolation between maps is linear: so a map of features is the interpolated map of values,
    for all pixels in one product of matrices.
    """
    place = (guide.clamp(0, 1) * levels - 0.5).clamp(0, levels - 1)
    share = place - torch.arange(levels, dtype=place.dtype)[:, None]
    share = share.abs_().neg_().add_(1).clamp_(min=0)
    design = torch.cat([values, torch.ones_like(values[:1])])
    return (share[:, None] * design).flatten(0, 1)


def _splat(guide: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """For each pixel the two brightness cells it belongs to, (2, n) indices and shares."""
    levels, rows, columns = shape
    height, width = guide.shape
    row = (torch.arange(height) * rows // height).clamp(max=rows - 1)
    column = (torch.arange(width) * columns // width).clamp(max=columns - 1)
    place = (row[:, None] * columns + column[None, :]).flatten()
    level = (guide.clamp(0, 1) * levels - 0.5).flatten()
    low = level.floor()
    share = level - low
    cells = [(low + k).clamp(0, levels - 1).long() * rows * columns + place for k in (0, 1)]
    return torch.stack(cells), torch.stack([1 - share, share])


def _blur(cells: Tensor, sigma: float) -> Tensor:
    """Gaussian over the three axes of (1, C, levels, rows, columns)."""
    reach = torch.arange(-2, 3, dtype=cells.dtype)
    kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
    kernel /= kernel.sum()
    flat = cells.transpose(0, 1)
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 5
        padding = [0, 0, 0]
        padding[axis] = 2
        flat = nn.functional.conv3d(flat, kernel.reshape(shape), padding=padding)
    return flat.transpose(0, 1)


def _solve(cells: Tensor, total: Tensor, ridge: float) -> Tensor:
    """Per cell, the affine map (12,) that fits best and stays near the global one."""

    def split(sums: Tensor) -> tuple[Tensor, Tensor]:
        lead = sums.shape[:-1]
        return sums[..., :16].reshape(*lead, 4, 4), sums[..., 16:].reshape(*lead, 4, 3)

    gram, cross = split(total.double())
    scale = gram.diagonal().sum()
    eye = torch.eye(4, dtype=torch.float64)
    everywhere = torch.linalg.solve(gram + 1e-6 * scale * eye, cross + 1e-6 * scale * eye[:, :3])
    gram, cross = split(cells.double())
    # The pull has to be weak where pixels are many and decide where there are few.
    pull = ridge * (gram.diagonal(dim1=-2, dim2=-1).sum(-1) + 1e-3 * scale / len(cells))
    pull = pull[:, None, None] * eye
    maps: Tensor = torch.linalg.solve(gram + pull, cross + pull @ everywhere)
    return maps.flatten(1).float()
