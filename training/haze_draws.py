"""Haze drawn over good photos, cell by cell, with depths of rooms, landscapes and of neither.

Where depth is the same all over a cell, Koschmieder's law changes mean, least and most of its
display values as it does each pixel. So batches are of statistics (N, 10, h, w) as
`haze_network.statistics`, a sixteenth of the photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# Shares of rooms, and of rooms and landscapes together.
_ROOM, _OUTSIDE = 0.5, 0.78
# Mean optical depths that are drawn.
_DEPTHS = (0.18, 1.1)
_DEEPEST = 2.6
_NEVER = 1e3
# Share whose air was added in light and not in display values.
_IN_LIGHT = 0.2


@dataclass(frozen=True)
class Hazed:
    """A batch with the haze that was drawn over it."""

    clean: Tensor
    """(N, 3, h, w) means of the cells without it."""
    cells: Tensor
    """(N, 10, h, w) statistics with it."""
    depth: Tensor
    """(N, 1, h, w) optical depth."""
    air: Tensor
    """(N, 3) display values."""


class Haze:
    """Draws haze; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._count = 0

    def __call__(self, cells: Tensor) -> Hazed:
        """Draw haze over a batch of statistics (N, 10, h, w)."""
        self._count = len(cells)
        # The same scene developed otherwise: depth is to be judged by what is there, not by
        # tones.
        power = (0.18 * self._normal(1, 1, 1)).exp()
        clean = (cells[:, :9].clamp(1e-4, 1) ** power * self._uniform(0.85, 1.05)).clamp(0, 1)
        kind = self._uniform(0, 1)
        inside = (kind < _ROOM).float()
        depth = self._depth(clean[:, :3], kind)
        wanted = self._uniform(math.log(_DEPTHS[0]), math.log(_DEPTHS[1])).exp()
        # Next to none, now and then: a clear photo is to be left alone.
        wanted = wanted * (1 - 0.95 * self._some(0.03))
        # Shape and thickness are drawn apart, so that neither can be inferred from the other.
        depth = (depth / depth.mean((2, 3), keepdim=True) * wanted).clamp(max=_DEEPEST)
        grey = self._uniform(0.7, 1.02) * inside + self._uniform(0.6, 1.02) * (1 - inside)
        tint = self._normal(3, 1, 1) * (0.008 * inside + 0.03 * (1 - inside))
        air = (grey * (1 + tint)).clamp(max=1).repeat(1, 3, 1, 1)
        through = (-depth).exp()
        in_display = clean * through + air * (1 - through)
        in_light = (clean**2.2 * through + air**2.2 * (1 - through)).clamp(1e-5, 1) ** (1 / 2.2)
        shown = torch.where(self._uniform(0, 1) < _IN_LIGHT, in_light, in_display)
        # Noise is gone from means, but makes the darkest darker and the brightest brighter.
        ends = torch.tensor([0.0] * 3 + [-1.0] * 3 + [1.0] * 3)[None, :, None, None]
        shown = shown + self._some(0.2) * self._uniform(0, 0.03) * ends
        hazy = torch.cat([shown.clamp(0, 1), cells[:, 9:] * through], 1)
        return Hazed(clean[:, :3], hazy, depth, air[:, :3, 0, 0])

    def _depth(self, clean: Tensor, kind: Tensor) -> Tensor:
        """Depth (N, 1, h, w) in any unit: a room, a landscape, or nearly even."""
        height, width = clean.shape[2:]
        y = torch.linspace(-1, 1, height)[None, None, :, None].expand(self._count, 1, -1, width)
        x = torch.linspace(-1, 1, width)[None, None, None].expand(self._count, 1, height, -1)
        soft = functional.avg_pool2d(functional.pad(clean, [1] * 4, mode="replicate"), 3, 1)
        soft = soft - soft.mean((2, 3), keepdim=True)
        soft = soft / (soft.std((2, 3), keepdim=True) + 0.03)
        blobs = functional.interpolate(self._normal(1, 5, 5), (height, width), mode="bicubic")
        tilt = self._uniform(-0.5, 0.2) * y + self._uniform(-0.2, 0.2) * x
        even = (self._uniform(0.05, 0.35) * blobs + tilt).exp()
        outside = torch.where(kind < _OUTSIDE, self._landscape(y), even)
        depth = torch.where(kind < _ROOM, self._room(x, y), outside)
        for _ in range(3):
            depth = depth * (1 - self._nearer(soft, x, y))
        depth = depth * (self._uniform(0, 0.12) * blobs).exp()
        # What is bright and high up is often the sky.
        bright = torch.sigmoid(6 * (soft.mean(1, keepdim=True) - self._uniform(0.5, 1.6)))
        sky = bright * torch.sigmoid(6 * (self._uniform(-0.6, 0.3) - y))
        there = self._some(0.35) * (kind >= _ROOM).float()
        further: Tensor = depth.mean((2, 3), keepdim=True) * self._uniform(0.3, 2.5) * sky
        return depth + there * further

    def _room(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance along the camera's axis to floor, ceiling and walls of a box around it."""
        field = self._uniform(0.45, 0.75)
        yaw, pitch = self._uniform(-0.6, 0.6), self._uniform(-0.5, 0.2)
        across, down, ahead = x * field, y * field, torch.ones_like(x)
        down, ahead = (
            down * pitch.cos() - ahead * pitch.sin(),
            down * pitch.sin() + ahead * pitch.cos(),
        )
        across, ahead = (
            across * yaw.cos() + ahead * yaw.sin(),
            ahead * yaw.cos() - across * yaw.sin(),
        )
        walls = (
            (down, self._uniform(1, 1.7)),
            (-down, self._uniform(0.8, 2)),
            (across, self._uniform(0.7, 4)),
            (-across, self._uniform(0.7, 4)),
            (ahead, self._uniform(1.8, 8)),
        )
        nearest = torch.full_like(x, 12)
        for towards, distance in walls:
            met = torch.where(towards > 1e-3, distance / towards.clamp(min=1e-3), _NEVER)
            nearest = torch.minimum(nearest, met)
        return nearest

    def _landscape(self, y: Tensor) -> Tensor:
        """Distance over a plain as far as the horizon, and of what stands behind it."""
        horizon, far = self._uniform(-0.9, 0.5), self._uniform(2, 8)
        plain = torch.minimum(self._uniform(0.15, 0.6) / (y - horizon).clamp(min=0.03), far)
        depth = torch.where(y < horizon, far, plain)
        return depth / (1 + depth * self._uniform(0, 0.4))

    def _nearer(self, soft: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Share by which a thing stands nearer than what is behind it, along the photo's edges."""
        colour = 0.6 * (soft * self._normal(3, 1, 1)).sum(1, keepdim=True)
        place = self._normal(1, 1, 1) * x + self._normal(1, 1, 1) * y
        thing = torch.sigmoid(8 * (colour + place + 0.5 * self._normal(1, 1, 1)))
        below = torch.sigmoid(self._uniform(-1, 3) * (y + self._uniform(-1, 1)))
        return self._some(0.6) * self._uniform(0, 0.75) * thing * below

    def _uniform(self, low: float, high: float) -> Tensor:
        drawn = torch.rand((self._count, 1, 1, 1), generator=self._generator)
        return low + (high - low) * drawn

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn((self._count, *shape), generator=self._generator)

    def _some(self, share: float) -> Tensor:
        return (self._uniform(0, 1) < share).float()
