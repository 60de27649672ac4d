"""Batches for training the noise-conditioned denoiser."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.priors.latent_unet import NoiseCondition
from training.camera import Array
from training.config import Config
from training.detail_noise import Mistakes, NoisyCrop, draw
from training.photos import PhotoPack


@dataclass(frozen=True)
class Batch:
    """Crops (N, 3, s, s) in [-1, 1] without and with noise, and the condition on it."""

    clean: Tensor
    noisy: Tensor
    sigma: Tensor
    """(N,) in the units of [-1, 1]."""
    condition: NoiseCondition | None
    """None: white noise of any level, as a diffusion model learns."""


def gather(crops: list[NoisyCrop]) -> Batch:
    """One batch of crops of one size."""

    def images(name: str) -> Tensor:
        stacked = torch.from_numpy(np.stack([getattr(crop, name) for crop in crops]))
        return stacked.permute(0, 3, 1, 2).float() * 2 - 1

    condition = NoiseCondition(
        torch.from_numpy(np.stack([crop.levels for crop in crops])),
        torch.from_numpy(np.stack([crop.bands for crop in crops])),
    )
    sigma = torch.tensor([2 * crop.sigma for crop in crops], dtype=torch.float32)
    return Batch(images("clean"), images("noisy"), sigma, condition)


class Batches:
    """Draws batches from a pack; the same for the same seed."""

    def __init__(self, pack: PhotoPack, config: Config, seed: int) -> None:
        self._pack, self._config, self._how = pack, config, config.detail
        self._python, self._numpy = random.Random(seed), np.random.default_rng(seed)

    def draw(self) -> Batch:
        """The next batch: noise with its condition, or white noise of any level without one."""
        side = self._python.choice(self._how.crop_sizes)
        count = max(1, self._how.pixels_per_batch // side**2)
        if self._python.random() < self._how.scene_share:
            return self._scenes(side, count)
        crops: list[NoisyCrop] = []
        while len(crops) < count:
            crop = draw(self._take, side, self._numpy, Mistakes())
            if crop is not None:
                crops.append(crop)
        return gather(crops)

    def _take(self, side: int) -> Array:
        crop, _ = next(self._pack.crops(side, self._python))
        return np.divide(crop, 255, dtype=np.float32)

    def _scenes(self, side: int, count: int) -> Batch:
        clean = torch.from_numpy(np.stack([self._take(side) for _ in range(count)]))
        clean = clean.permute(0, 3, 1, 2) * 2 - 1
        # To four times the shift of the schedule, where scenes begin to be guessed.
        time = torch.from_numpy(self._numpy.uniform(0.02, 0.9, count)).float()
        sigma = self._config.schedule.noise_shift * torch.tan(time * (math.pi / 2))
        noise = torch.from_numpy(self._numpy.standard_normal(clean.shape, dtype=np.float32))
        return Batch(clean, clean + sigma[:, None, None, None] * noise, sigma, None)
