"""A smooth field of local affine colour maps that carries the photo's tones to the pilot's.

Fitted by regularised least squares in a bilateral grid (Chen, Adams, Wadhwa and Hasinoff,
"Bilateral guided upsampling", SIGGRAPH Asia 2016; Gharbi et al., HDRNet, SIGGRAPH 2017): cells
span position and brightness, so that the maps change at the photo's own edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldrps_engine.photo import Part

_LEVELS = 8


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

        `guide` (h, w) in [0, 1] is the brightness by which cells are told apart, `weight`
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
        red, green, blue = source
        out = torch.empty_like(source)
        for colour, rows in enumerate(self._maps(guide, size, part)):
            out[colour] = rows[0] * red + rows[1] * green + rows[2] * blue + rows[3]
        return out

    def _maps(self, guide: Tensor, size: tuple[int, int], part: Part) -> Tensor:
        """The affine maps (3, 4, h, w) at every pixel of a guide (h, w)."""
        y, x = (
            (torch.arange(of.start, of.stop) * 2 + 1) / side - 1
            for of, side in zip(part, size, strict=True)
        )
        where = torch.stack(
            [
                x[None, :].expand(guide.shape),
                y[:, None].expand(guide.shape),
                guide.clamp(0, 1) * 2 - 1,
            ],
            -1,
        )[None, None]
        sliced = nn.functional.grid_sample(
            self._grid, where, align_corners=False, padding_mode="border"
        )
        # Stored by design column (4) and colour (3).
        maps: Tensor = sliced[0, :, 0].unflatten(0, (4, 3)).transpose(0, 1)
        return maps


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
