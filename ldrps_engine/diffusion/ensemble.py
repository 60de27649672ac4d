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


@dataclass(frozen=True)
class Ensemble:
    """Independent latents, aligned and guided by the mean of their losses. Neutral: one."""

    latents: int = 1
    combination: Combination = Combination.FIRST

    def encode(self, prior: LatentPrior, image: Tensor) -> Tensor:
        """Encode an image (1, 3, H, W) to latents (N, C, h, w)."""
        return prior.encode(image).repeat(self.latents, 1, 1, 1)

    def decode(self, prior: LatentPrior, z_0: Tensor) -> Tensor:
        """Decode latents (N, C, h, w) to one image (1, 3, H, W)."""
        if self.combination is Combination.FIRST:
            return prior.decode(z_0[:1])
        images = torch.cat([prior.decode(one[None]) for one in z_0])
        return images.mean(0, keepdim=True)


ALONE = Ensemble()
"""One latent, and what it shows."""
