"""The weights in training, seen as the prior they will be: for curves and sheets."""

from __future__ import annotations

import torch
from torch import Tensor

from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from ldrps_engine.priors.placement import arithmetic
from training.config import Config
from training.model import Denoiser, tokenize


class AveragedPrior:
    """A LatentPrior over the averaged weights of a run; nothing is copied."""

    name = "in training"
    view = 512
    step_size = 1.0
    knows_scenes = False
    lossless = True

    def __init__(
        self,
        config: Config,
        model: Denoiser,
        averages: dict[str, Tensor],
        *,
        vae: PatchAutoencoder,
        tokenizer: object,
        alphas: Tensor,
    ) -> None:
        self._config, self._model, self._averages = config, model, averages
        self._vae, self._tokenizer = vae, tokenizer
        self.alphas = alphas
        self.most_enlarged = vae.most_enlarged
        self.multiple = config.autoencoder.patch_size * 2 ** (len(config.model.block_channels) - 1)
        self.latent_std = torch.ones(config.autoencoder.latent_channels, 1, 1, device=alphas.device)

    def encode(self, image: Tensor) -> Tensor:
        """Image in [0, 1] to latents."""
        return self._vae.encode(image.to(self.alphas.device) * 2 - 1).latents

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to an image, about [0, 1]."""
        return self._vae.decode(latents).sample / 2 + 0.5

    def decode_quickly(self, latents: Tensor) -> Tensor:
        """Decode as `decode` does: one matrix product."""
        return self.decode(latents)

    def embed(self, text: str) -> Tensor:
        """Token ids: the text encoder is part of the network here."""
        return tokenize(self._tokenizer, [text], self._config).to(self.alphas.device)

    def learner(self) -> None:
        """None: it is not asked for photos."""

    @torch.no_grad()
    def denoise(
        self, noisy: Tensor, step: int, text: Tensor, empty: Tensor, scale: float
    ) -> Tensor:
        """Clean latents at one step of the schedule."""
        v = self._predict(noisy, step, text)
        if scale != 1.0:
            base = self._predict(noisy, step, empty)
            v = base + scale * (v - base)
        alpha = self.alphas[step]
        return alpha.sqrt() * noisy - (1 - alpha).sqrt() * v

    def _predict(self, noisy: Tensor, step: int, tokens: Tensor) -> Tensor:
        times = torch.full((len(noisy),), step, device=noisy.device)
        inputs = (noisy, times, tokens.expand(len(noisy), -1))
        with arithmetic(noisy.device):
            out: Tensor = torch.func.functional_call(self._model, self._averages, inputs)
        return out.float()
