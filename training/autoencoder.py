"""Fit the lapped patch transform: the rotation by gradient, the basis as principal components."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder, lapped_boundary
from training.config import Config
from training.photos import PhotoPack

_CROP = 64


def fit_autoencoder(work: Path, config: Config, *, lapped: bool = True) -> PatchAutoencoder:
    """Fit on random crops of the pack and save to `work/vae` in diffusers' folder format."""
    model = fit(PhotoPack(work, config), config, lapped=lapped)
    model.save_pretrained(work / "vae")
    return model


def fit(pack: PhotoPack, config: Config, *, lapped: bool) -> PatchAutoencoder:
    """Fit on random crops of the pack.

    The rotation maximises the energy that the kept components hold (orthonormal, so what
    they do not hold is the squared reconstruction error).
    """
    shape = config.autoencoder
    # Lapping moves energy into the kept components: of no use where all are kept.
    lapped = lapped and shape.latent_channels < 3 * shape.patch_size**2
    crops = _crops(pack, shape.samples, config.train.seed)
    half = shape.patch_size // 2
    skew = torch.zeros(half, half, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([skew], lr=0.03)
    model: PatchAutoencoder = PatchAutoencoder(
        patch_size=shape.patch_size, latent_channels=shape.latent_channels
    )
    for step in range(80 if lapped else 0):
        boundary = lapped_boundary(torch.matrix_exp(skew - skew.T))
        energies = torch.linalg.eigvalsh(_covariance(model, crops, boundary))
        lost = energies[: -shape.latent_channels].sum()
        optimiser.zero_grad()
        lost.backward()
        optimiser.step()
        if step % 20 == 0:
            print(f"step {step}: energy lost {lost.item() / energies.sum().item():.5f}")
    with torch.no_grad():
        turned = torch.matrix_exp(skew - skew.T)
        boundary = lapped_boundary(turned) if lapped else torch.eye(2 * half, dtype=torch.float64)
        _, vectors = torch.linalg.eigh(_covariance(model, crops, boundary))
        model.boundary.copy_(boundary)
        model.basis.copy_(vectors.T.flip(0)[: shape.latent_channels])
    return model


def _crops(pack: PhotoPack, count: int, seed: int) -> Tensor:
    rng = random.Random(seed)
    source = pack.crops(_CROP, rng)
    images = np.stack([next(source)[0] for _ in range(count)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float64) / 127.5 - 1


def _covariance(model: PatchAutoencoder, crops: Tensor, boundary: Tensor) -> Tensor:
    """Second moments (about the origin) of rotated patches, without the outer ring."""
    size = int(model.config.patch_size)
    rotated = model._lap(crops, boundary)[..., size:-size, size:-size]
    patches = torch.nn.functional.pixel_unshuffle(rotated, size)
    flat = patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1])
    moments: Tensor = flat.T @ flat / flat.shape[0]
    return moments
