"""Network that finds damage: a small U-Net of plain convolutions, on half the photo's size.

A residual block on every scale on the way down, one convolution on the way up, where what was seen
before is added (Ronneberger, Fischer and Brox, "U-Net", 2015). Two by two pixels go in together and
come out together. Batch normalisation is folded into the convolutions when it is exported; the
engine has the same network in numpy (`ldrps_engine/analysis/damage_network.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

CHANNELS = (24, 48, 80, 112, 128)
"""Channels of the scales 1/2, 1/4 ... 1/32."""
MULTIPLE = 2 ** len(CHANNELS)
"""Both sides of an image must be multiples of this many pixels."""

Convolution = Callable[[int, int, int], nn.Module]
"""Function of channels in, channels out, and stride."""


def plain(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Build a convolution with a bias, as it ships."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1))


class DamageNetwork(nn.Module):
    """Network for log-odds (N, 1, H, W) that pixels of an image (N, 3, H, W) in [0, 1] are
    damaged."""

    def __init__(self, convolution: Convolution = plain) -> None:
        super().__init__()
        self.enter = convolution(12, CHANNELS[0], 1)
        self.down = nn.ModuleList(
            convolution(fine, coarse, 2) for fine, coarse in pairwise(CHANNELS)
        )
        self.look = nn.ModuleList(convolution(width, width, 1) for width in CHANNELS)
        self.widest = convolution(CHANNELS[-1], CHANNELS[-1], 1)
        self.narrow = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(CHANNELS)
        )
        self.up = nn.ModuleList(convolution(width, width, 1) for width in CHANNELS[:-1])
        self.leave = nn.Conv2d(CHANNELS[0], 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the log-odds of an image whose sides are multiples of MULTIPLE."""
        relu = nn.functional.relu
        hidden = nn.functional.pixel_unshuffle(images - 0.5, 2)
        hidden = relu(self.enter(hidden))
        seen: list[Tensor] = []
        for level, look in enumerate(self.look):
            hidden = relu(hidden + look(hidden))
            if level < len(self.down):
                seen.append(hidden)
                hidden = relu(self.down[level](hidden))
        hidden = relu(hidden + self.widest(hidden))
        for level in reversed(range(len(self.up))):
            larger = nn.functional.interpolate(self.narrow[level](hidden), scale_factor=2)
            hidden = relu(seen[level] + larger)
            hidden = relu(hidden + self.up[level](hidden))
        odds: Tensor = nn.functional.pixel_shuffle(self.leave(hidden), 2)
        return odds
