"""Network that judges the haze over a photo; the engine has the same in numpy.

See `ldrps_engine/analysis/haze_field.py`, which says what goes in and what comes out.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.haze_field import (
    BRIGHTEST,
    CELL,
    DIMMEST,
    FAR,
    QUANTILES,
    STATISTICS,
)

CHANNELS = (24, 48, 64, 64)
"""Channels on the grid of cells, and on those of 2, 4 and 8 cells."""
_CONTEXT = 96
_SUMMARY = 4 * len(QUANTILES) + 3
# Bias from which depth starts: a softplus of it is an ordinary haze.
_THIN = -0.5


class HazeNetwork(nn.Module):
    """Network for optical depth (N, 1, h, w) and air (N, 3) of statistics (N, 10, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        finest, *_, deepest = CHANNELS
        self.enter = nn.Conv2d(STATISTICS + 2, finest, 3, 1, 1)
        self.look = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for width in CHANNELS)
        pairs = list(pairwise(CHANNELS))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 3, 2, 1) for fine, coarse in pairs)
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.up = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for width in CHANNELS[:-1])
        self.wide = nn.Conv2d(CHANNELS[2], CHANNELS[2], 3, 1, 1)
        self.deep = nn.Conv2d(deepest, deepest, 3, 1, 1)
        self.context = nn.Linear(2 * deepest + _SUMMARY, _CONTEXT)
        self.into = nn.Linear(_CONTEXT, deepest)
        self.air = nn.Linear(_CONTEXT, 3)
        self.leave = nn.Conv2d(finest, 1, 1)
        nn.init.zeros_(self.air.weight)
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(self.leave.bias, _THIN)  # type: ignore[arg-type]

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Judge statistics (N, 10, h, w)."""
        relu = functional.relu
        hidden = relu(self.enter(_entered(cells)))
        hidden = relu(hidden + self.look[0](hidden))
        seen: list[Tensor] = []
        for level, down in enumerate(self.down):
            seen.append(hidden)
            hidden = relu(down(hidden))
            hidden = relu(hidden + self.look[level + 1](hidden))
            if level == 1:
                hidden = relu(hidden + self.wide(hidden))
        whole, far = summary(cells)
        pooled = [hidden.mean((2, 3)), hidden.amax((2, 3)), whole]
        context = relu(self.context(torch.cat(pooled, 1)))
        hidden = relu(hidden + self.into(context)[:, :, None, None])
        hidden = relu(hidden + self.deep(hidden))
        for level in reversed(range(len(self.up))):
            narrow = self.narrow[level](hidden)
            larger = functional.interpolate(narrow, size=seen[level].shape[2:], mode="nearest")
            hidden = relu(seen[level] + larger)
            hidden = relu(hidden + self.up[level](hidden))
        air = torch.sigmoid(torch.logit(far.clamp(DIMMEST, BRIGHTEST)) + self.air(context))
        return functional.softplus(self.leave(hidden)), air


def statistics(images: Tensor) -> Tensor:
    """Return statistics (N, 10, h / 4, w / 4) of images (N, 3, h, w), as the engine's."""
    luma = images.mean(1, keepdim=True)
    mean = functional.avg_pool2d(luma, CELL)
    variance = (functional.avg_pool2d(luma.square(), CELL) - mean.square()).clamp(min=0)
    least, most = -functional.max_pool2d(-images, CELL), functional.max_pool2d(images, CELL)
    return torch.cat([functional.avg_pool2d(images, CELL), least, most, variance.sqrt()], 1)


def undone(hazy: Tensor, depth: Tensor, air: Tensor) -> Tensor:
    """Take haze of a depth (N, 1, h, w) and air (N, 3) off values (N, 3, h, w)."""
    light = air[:, :, None, None]
    return light + (hazy - light) * depth.exp()


def summary(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Quantiles over the photo and the colour of its far cells (N, 39), and that colour (N, 3)."""
    means, dark = cells[:, :3].flatten(2), cells[:, 3:6].amin(1).flatten(1)
    points = torch.tensor(QUANTILES, device=cells.device)
    channels = torch.quantile(means, points, dim=2).permute(1, 2, 0).flatten(1)
    farthest = dark.topk(max(1, dark.shape[1] // FAR), 1).indices
    far = means.gather(2, farthest[:, None].expand(-1, 3, -1)).mean(2)
    return torch.cat([channels, torch.quantile(dark, points, dim=1).T, far], 1), far


def _entered(cells: Tensor) -> Tensor:
    count, _, height, width = cells.shape
    shape = (count, 1, height, width)
    y = torch.linspace(-1, 1, height, device=cells.device)[:, None].expand(shape)
    x = torch.linspace(-1, 1, width, device=cells.device)[None].expand(shape)
    return torch.cat([cells[:, :9] - 0.5, 10 * cells[:, 9:] - 0.3, y, x.abs()], 1)
