"""Latents sampled side by side, and the one picture that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ldrps_engine.priors.base import LatentPrior


class Combination(Enum):
    """Ways in which several latents become one picture."""

    FIRST = "first"
    """The first one's, as published; the others only steady the losses that they share."""
    MEAN = "mean"
    """The mean of what they show."""
    MIRRORED_MEAN = "mirrored mean"
    """The mean of four, of which one is of the photo and three are of its mirror images."""


@dataclass(frozen=True)
class Ensemble:
    """Independent latents, aligned and guided by the mean of their losses. Neutral: one."""

    latents: int = 1
    combination: Combination = Combination.FIRST

    def encode(self, prior: LatentPrior, image: Tensor) -> Tensor:
        """Encode an image (1, 3, H, W) to latents (N, C, h, w)."""
        if self.combination is Combination.MIRRORED_MEAN:
            return prior.encode(_mirrored(image))
        return prior.encode(image).repeat(self.latents, 1, 1, 1)

    def decode(self, prior: LatentPrior, z_0: Tensor) -> Tensor:
        """Decode latents (N, C, h, w) to one image (1, 3, H, W)."""
        if self.combination is Combination.FIRST:
            return prior.decode(z_0[:1])
        images = torch.cat([prior.decode(one[None]) for one in z_0])
        if self.combination is Combination.MIRRORED_MEAN:
            images = _mirrored(images)
        return images.mean(0, keepdim=True)


ALONE = Ensemble()
"""One latent, and what it shows."""


def _mirrored(images: Tensor) -> Tensor:
    """Mirror to (4, C, H, W): as it is, across, down, and both; the same again takes it back.

    One image (1, C, H, W) is mirrored in each way, four images each in its own.
    """
    ways: tuple[list[int], ...] = ([], [3], [2], [2, 3])
    four = images.expand(4, -1, -1, -1).split(1)
    return torch.cat([one.flip(way) for one, way in zip(four, ways, strict=True)])
