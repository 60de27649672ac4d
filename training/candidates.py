"""Autoencoders that the bundled one is compared with, behind one pair of functions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ldrps_engine.priors.placement import arithmetic
from training.autoencoder import fit
from training.config import Config, TrainingError
from training.photos import PhotoPack

_CROP = 64
_BATCH = 8
_RATE = 1e-3


@dataclass(frozen=True)
class Candidate:
    """An autoencoder of images (N, 3, H, W) in [-1, 1], eight pixels to a latent's side."""

    name: str
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]


def patch_transform(pack: PhotoPack, config: Config, *, lapped: bool) -> Candidate:
    """The linear one, with or without its borders lapped."""
    model = fit(pack, config, lapped=lapped).float()
    name = "lapped transform" if lapped else "PCA of 8x8 patches"
    return Candidate(name, lambda x: model.encode(x).latents, lambda z: model.decode(z).sample)


def convolutional(pack: PhotoPack, config: Config, minutes: float) -> Candidate:
    """diffusers' AutoencoderTiny at its own size, trained on the pack for a few minutes."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(config.train.seed)
    model = AutoencoderTiny(latent_channels=config.autoencoder.latent_channels)
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE)
    source = pack.crops(_CROP, random.Random(config.train.seed))
    start, steps = time.monotonic(), 0
    while (spent := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            # Falls to nothing by the end: minutes are all that it has, and the last ones count
            # most.
            group["lr"] = _RATE * min(1.0, steps / 50) * (1 - spent)
        crops = np.stack([next(source)[0] for _ in range(_BATCH)])
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        with arithmetic(images.device):
            restored = model.decode(model.encode(images).latents).sample
        loss = (restored.float() - images).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        steps += 1
    model.eval().requires_grad_(False)
    print(f"convolutional autoencoder: {steps} steps of {_BATCH} crops in {minutes:g} min")
    name = f"convolutional, {minutes:g} min"
    return Candidate(name, lambda x: model.encode(x).latents, lambda z: model.decode(z).sample)


def taef2(encoder: Path, decoder: Path) -> Candidate:
    """Published tiny autoencoder of FLUX.2's latents (madebyollin/taesd, MIT), as a reference."""
    for path in (encoder, decoder):
        if not path.is_file():
            raise TrainingError(f"{path} is not there; --taef2 takes its encoder and decoder file")
    into, back = _taef2_encoder(), _taef2_decoder()
    into.load_state_dict({k: v.float() for k, v in load_file(encoder).items()})
    back.load_state_dict({k: v.float() for k, v in load_file(decoder).items()})
    for part in (into, back):
        part.eval().requires_grad_(False)
    return Candidate(
        "TAEF2 (published)",
        lambda x: torch.as_tensor(into(x / 2 + 0.5)),
        lambda z: torch.as_tensor(back(z)) * 2 - 1,
    )


class _Block(nn.Module):
    """taesd's residual block; at the lowest level it first looks at the whole picture."""

    def __init__(self, *, pooled: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv()]
        self.conv = nn.Sequential(*layers)
        self.pool = (
            nn.Sequential(
                nn.Conv2d(64, 256, 1, bias=False),
                nn.GroupNorm(4, 256),
                nn.ReLU(),
                nn.Conv2d(256, 64, 1, bias=False),
            )
            if pooled
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class _Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def _conv(inputs: int = 64, outputs: int = 64, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)


def _taef2_encoder() -> nn.Sequential:
    layers: list[nn.Module] = [_conv(3), _Block(pooled=False)]
    for level in range(3):
        layers += [_conv(stride=2, bias=False)]
        layers += [_Block(pooled=level == 2) for _ in range(3)]
    return nn.Sequential(*layers, _conv(64, 32))


def _taef2_decoder() -> nn.Sequential:
    layers: list[nn.Module] = [_Clamp(), _conv(32), nn.ReLU()]
    for level in range(3):
        layers += [_Block(pooled=level == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), _conv(bias=False)]
    return nn.Sequential(*layers, _Block(pooled=False), _conv(64, 3))
