"""Train the bundled prior. The same loop on a CPU and on a GPU; stop and start it at will."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.captioning.tagger import tag_scene
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from ldrps_engine.priors.placement import arithmetic
from training.averaged import AveragedPrior
from training.config import Config, TrainingError
from training.curve import CROPS, CURVE, SIDE, append_point, denoising_psnr
from training.ladder import Array, unseen_photos
from training.model import Denoiser, noise_levels, tokenize, train_tokenizer
from training.photos import PhotoPack
from training.run import Chore, TrainingRun, seeded_device
from training.sampling import PROMPTS, sample, save_sheet
from training.state import CHECKPOINT, read_progress

_FEATURE_FLOOR = 0.3
_SHEET_SIDE = 192


@dataclass(frozen=True)
class Batch:
    """Crops as (N, 3, s, s) in [-1, 1] and their token ids (N, text_tokens)."""

    images: Tensor
    tokens: Tensor


class Batches:
    """Crops and their texts, drawn at random; all crops of one batch share a size."""

    def __init__(self, pack: PhotoPack, config: Config, tokenizer: object, seed: int) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._rng = random.Random(seed)
        self._sources = {size: pack.crops(size, self._rng) for size in config.train.crop_sizes}

    def draw(self) -> Batch:
        """Make the next batch."""
        size = self._rng.choice(self._config.train.crop_sizes)
        count = max(1, self._config.train.pixels_per_batch // size**2)
        drawn = [next(self._sources[size]) for _ in range(count)]
        images = torch.from_numpy(np.stack([crop for crop, _ in drawn]))
        texts = [self._text(crop, words) for crop, words in drawn]
        return Batch(
            images.permute(0, 3, 1, 2).float() / 127.5 - 1,
            tokenize(self._tokenizer, texts, self._config),
        )

    def _text(self, crop: NDArray[np.uint8], words: str) -> str:
        # Guidance subtracts an estimate without text (Ho and Salimans, 2022), which has to be
        # learnt too.
        if self._rng.random() < self._config.train.drop_text:
            return ""
        tags = tag_scene(np.divide(crop[::2, ::2], 255, dtype=np.float32))
        choice = self._rng.random()
        if choice < 0.2:
            return tags
        return words if choice < 0.4 else ", ".join(filter(None, (words, tags)))


class Run(TrainingRun[Batch]):
    """One training run in a work folder."""

    network: Denoiser

    def __init__(self, work: Path, config: Config) -> None:
        if not (work / "vae").is_dir():
            raise TrainingError(f"{work} holds no autoencoder; run `fit-autoencoder` first")
        self.work, self.config = work, config
        # Before anything is built: another network's checkpoint is no broken one.
        read_progress(work, config)
        device = seeded_device(config.train.seed)
        self.pack = PhotoPack(work, config)
        self.vae = PatchAutoencoder.from_pretrained(work / "vae").to(device)
        self.tokenizer = self._tokenizer()
        self.variance = channel_variance(self.vae, self.pack, config)
        self.alphas = noise_levels(config.schedule).float().to(device)
        network = Denoiser(config).to(device)
        super().__init__(work / CHECKPOINT, network, config.train, betas=(0.9, 0.99))
        self.about = {"config": json.dumps(config.as_dict())}
        self.predict = self.network if device.type == "cpu" else torch.compile(self.network)
        self._unseen: list[Array] = []

    def source(self, seed: int) -> Callable[[], Batch]:
        """Return what draws batches."""
        return Batches(self.pack, self.config, self.tokenizer, seed).draw

    def count(self, batch: Batch) -> int:
        """Return the number of crops in a batch."""
        return len(batch.images)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of v at random times of the schedule."""
        latents = self.vae.encode(batch.images.to(self.device)).latents
        return self._loss(latents, self._times(len(latents)), batch.tokens.to(self.device))

    def chores(self) -> list[Chore]:
        """Return that a sheet of samples is drawn now and then, besides saving."""
        return [*super().chores(), (self.draw_sheet, self.config.train.sample_minutes)]

    def measure(self) -> None:
        """Add how well the averaged weights denoise to the curve."""
        # Looked for once: finding twins reads every photo of the pack.
        self._unseen = self._unseen or unseen_photos(self.pack, CROPS, SIDE)
        if self._unseen:
            value = denoising_psnr(self.averaged(), self._unseen)
            append_point(self.work / CURVE, self.progress, {"psnr": f"{value:.3f}"})

    def draw_sheet(self) -> None:
        """Write `samples/STEP.png`: four pictures without text, then four with."""
        prompts = ("",) * 4 + PROMPTS[:4]
        pictures = sample(self.averaged(), prompts, side=_SHEET_SIDE, steps=20, scale=3.0)
        path = self.work / "samples" / f"{int(self.progress['step']):07d}.png"
        save_sheet(pictures, 4, path)

    def averaged(self) -> AveragedPrior:
        """The averaged weights as the prior that `export` would make of them."""
        return AveragedPrior(
            self.config,
            self.network,
            self.average,
            vae=self.vae,
            tokenizer=self.tokenizer,
            alphas=self.alphas,
        )

    def _times(self, count: int) -> Tensor:
        """Timesteps: part uniform, part where photos are only noisy (sigma 4 to 128 of 255)."""
        steps = self.config.schedule.steps
        uniform = torch.rand(count, device=self.device)
        ratio = torch.exp(torch.empty(count, device=self.device).uniform_(math.log(0.03), 0.0))
        low = torch.atan(ratio / self.config.schedule.noise_shift) * 2 / math.pi
        # Photos that are restored are only noisy; scenes made from nothing are rare.
        share = torch.rand(count, device=self.device) < self.config.train.low_noise_share
        return (torch.where(share, low, uniform) * steps).long().clamp(0, steps - 1)

    def _loss(self, latents: Tensor, times: Tensor, tokens: Tensor) -> Tensor:
        """Squared error of v, each channel in units of what v varies by there."""
        signal = self.alphas[times].sqrt()[:, None, None, None]
        sigma = (1 - self.alphas[times]).sqrt()[:, None, None, None]
        noise = torch.randn_like(latents)
        target = signal * noise - sigma * latents
        # Channels that hardly vary would outweigh all others.
        variance = self.variance.to(self.device).clamp(min=_FEATURE_FLOOR)[:, None, None]
        weight = 1 / (signal**2 + sigma**2 * variance)
        with arithmetic(self.device):
            noisy = (signal * latents + sigma * noise).contiguous(memory_format=torch.channels_last)
            predicted = self.predict(noisy, times, tokens)
        loss: Tensor = (weight * (predicted.float() - target) ** 2).mean()
        return loss

    def _tokenizer(self) -> object:
        from transformers import PreTrainedTokenizerFast

        folder = self.work / "tokenizer"
        if not folder.is_dir():
            rng = random.Random(self.config.train.seed)
            texts = [photo.text for photo in self.pack.photos]
            for index in self.pack.training[::4]:
                crop = self.pack.crop(index, 96, rng)
                texts.append(tag_scene(np.divide(crop, 255, dtype=np.float32)))
            train_tokenizer(texts, self.config).save_pretrained(folder)
        return PreTrainedTokenizerFast.from_pretrained(folder)


def channel_variance(vae: PatchAutoencoder, pack: PhotoPack, config: Config) -> Tensor:
    """Second moment of each latent channel over crops of good photos, (channels,)."""
    rng = random.Random(config.train.seed)
    source = pack.crops(128, rng)
    crops = torch.from_numpy(np.stack([next(source)[0] for _ in range(256)]))
    latents = vae.cpu().encode(crops.permute(0, 3, 1, 2).float() / 127.5 - 1).latents
    vae.to("cuda" if torch.cuda.is_available() else "cpu")
    return torch.as_tensor((latents**2).mean((0, 2, 3)))
