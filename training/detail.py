"""Train the bundled denoiser on noise as it comes, conditioned on what was measured of it.

It goes on from an exported model, whose autoencoder and text it keeps. Stop and start it at will.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.analysis.noise_condition import BANDS
from ldrps_engine.priors.latent_unet import LatentUNet, NoiseCondition
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from ldrps_engine.priors.placement import arithmetic
from training.config import Config, TrainingError
from training.curve import CROPS, CURVE, SIDE, append_point
from training.detail_batches import Batch, Batches, gather
from training.detail_noise import NONE, measured, white
from training.halves import RECORD
from training.ladder import Array, unseen_photos
from training.metrics import psnr
from training.photos import PhotoPack
from training.run import TrainingRun, seeded_device
from training.state import start_warm

WEIGHTS = "detail.safetensors"
"""File that `export-detail` writes, and a warm start reads."""
STATE = "detail-state.safetensors"
CONDITIONED = "conditioned"
"""Entry of a model's `weights.json`: training of its network on the measured noise."""
_CURVE_SIGMA = 25 / 255


class DetailRun(TrainingRun[Batch]):
    """One training run in a work folder that holds a pack.

    It begins with the network of the exported `model`, or with the weights in `warm`, which
    `export-detail` wrote, and counts on from their steps.
    """

    network: LatentUNet

    def __init__(self, work: Path, config: Config, model: Path, warm: Path | None = None) -> None:
        self.work, self.config, self.how = work, config, config.detail
        device = seeded_device(self.how.seed)
        self.pack = PhotoPack(work, config, self.how.source_weight)
        self.vae = PatchAutoencoder.from_pretrained(model / "vae").to(device)
        self.text = _empty_text(model).to(device)
        network, progress = conditioned_network(model).to(device), _progress_of(model)
        if warm is not None:
            progress |= start_warm(network, work / STATE, warm / WEIGHTS, "export-detail")
        # What it knows of words is not what is trained here.
        network.attention.text.requires_grad_(False)
        super().__init__(work / STATE, network, self.how, progress, betas=(0.9, 0.99))
        self._unseen: list[Array] = []

    def source(self, seed: int) -> Callable[[], Batch]:
        """Return what draws batches."""
        return Batches(self.pack, self.config, seed).draw

    def count(self, batch: Batch) -> int:
        """Return the number of crops in a batch."""
        return len(batch.clean)

    def loss(self, batch: Batch) -> Tensor:
        """Root of each crop's mean squared error over the noise's.

        Halfway between the error itself, which strong noise and texture have most of, and its
        logarithm, which flat crops would decide.
        """
        clean = batch.clean.to(self.device)
        found = self.estimate(self.network, batch)
        # In latents: the transform is orthonormal, so that distances are those of images.
        error = (found - self.vae.encode(clean).latents).square().mean((1, 2, 3))
        return torch.as_tensor((error.sqrt() / batch.sigma.to(self.device)).mean())

    def estimate(self, network: LatentUNet, batch: Batch) -> Tensor:
        """Clean latents of a batch in one evaluation."""
        latents = self.vae.encode(batch.noisy.to(self.device)).latents
        return clean_latents(
            network, latents, batch.sigma.to(self.device), self.text, batch.condition
        )

    @torch.no_grad()
    def averaged(self) -> LatentUNet:
        """A copy of the network with the averaged weights."""
        network: LatentUNet = LatentUNet.from_config(self.network.config).to(self.device)
        network.load_state_dict(self.averaged_state())
        return network

    @torch.no_grad()
    def held_out_psnr(self) -> float:
        """Mean PSNR in dB at sigma 25 in 8 bits on held-out crops, always with the same noise."""
        # Looked for once: finding twins reads every photo of the pack.
        self._unseen = self._unseen or unseen_photos(self.pack, CROPS, SIDE)
        network, rng = self.averaged(), np.random.default_rng(25)
        values = []
        for photo in self._unseen:
            made = white(photo, _CURVE_SIGMA, rng)
            batch = gather([measured(made, rng, NONE)])
            image = self.vae.decode(self.estimate(network, batch)).sample / 2 + 0.5
            values.append(psnr(photo, image[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy()))
        return float(np.mean(values)) if values else math.nan

    def measure(self) -> None:
        """Print the PSNR on held-out crops, and add it to the curve."""
        value = self.held_out_psnr()
        print(f"held out, sigma 25: {value:.3f} dB", flush=True)
        append_point(self.work / CURVE, self.progress, {"psnr": f"{value:.3f}"})


def clean_latents(
    network: LatentUNet,
    latents: Tensor,
    sigma: Tensor,
    text: Tensor,
    condition: NoiseCondition | None,
) -> Tensor:
    """Clean latents (N, C, h, w) of noisy ones whose noise has deviations `sigma` (N,)."""
    signal = (1 + sigma.square()).rsqrt()[:, None, None, None]
    scaled = (signal * latents).contiguous(memory_format=torch.channels_last)
    if condition is not None:
        levels, bands = (v.to(latents.device) for v in (condition.levels, condition.bands))
        condition = NoiseCondition(levels, bands)
    with arithmetic(latents.device):
        v = network(
            scaled, network.time_of(sigma), text.expand(len(latents), -1, -1), condition
        ).sample
    return torch.as_tensor(signal * (scaled - sigma[:, None, None, None] * v.float()))


def _progress_of(model: Path) -> dict[str, float]:
    """Training that the network of an exported model has had on measured noise."""
    progress = {"step": 0.0, "samples": 0.0, "seconds": 0.0}
    if (model / RECORD).is_file():
        had = json.loads((model / RECORD).read_text()).get(CONDITIONED, {})
        progress |= {name: float(had[name]) for name in progress if name in had}
    return progress


def conditioned_network(folder: Path) -> LatentUNet:
    """The network of an exported model, which may have no condition yet; to be trained."""
    try:
        exported = LatentUNet.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise TrainingError(f"{folder} holds no exported model: {error}") from None
    settings = dict(exported.config) | {"noise_bands": BANDS}
    network: LatentUNet = LatentUNet.from_config(settings)
    network.load_state_dict(exported.state_dict(), strict=bool(exported.config.noise_bands))
    return network


@torch.no_grad()
def _empty_text(folder: Path) -> Tensor:
    """(1, tokens, width), the embedding of no text."""
    from transformers import CLIPTextModel, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    tokens = tokenizer([""], padding="max_length", return_tensors="pt")["input_ids"]
    return torch.as_tensor(encoder(input_ids=tokens).last_hidden_state)
