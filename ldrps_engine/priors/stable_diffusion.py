"""Stable Diffusion 1.x and 2.x: a U-Net, an autoencoder and one CLIP text encoder.

The bundled model has the same shape and is loaded by the same code.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ldrps_engine.priors.components import class_name, load_network, load_tokenizer, named_part
from ldrps_engine.priors.latent_unet import LatentUNet
from ldrps_engine.priors.placement import arithmetic
from ldrps_engine.priors.published import PublishedPrior
from ldrps_engine.priors.text_encoder import OwnTextEncoder, OwnTokenizer


class StableDiffusion(PublishedPrior):
    """See the module. Conditioning is the text encoder's last hidden state."""

    parts: ClassVar[tuple[str, ...]] = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")

    @torch.no_grad()
    def embed(self, text: str) -> Tensor:
        """Last hidden state of the text encoder, (1, tokens, width)."""
        encoder = self._parts.use("text_encoder")
        ids = token_ids(self._tokenizer, text).to(self.device)
        return torch.as_tensor(encoder(input_ids=ids).last_hidden_state).float()

    def _load_networks(self, folder: Path) -> dict[str, Any]:
        ours = class_name(self._index, "unet") == "LatentUNet"
        unet, text = self._load_own(folder) if ours else self._load_published(folder)
        self.channels = int(unet.config.in_channels)
        return {"unet": unet.to(memory_format=torch.channels_last), "text_encoder": text}

    def _load_own(self, folder: Path) -> tuple[Any, Any]:
        self.knows_scenes = False  # docs/research/ablations.md
        # It is small, and it tells noise from a scene many times as bright.
        unet = load_network(LatentUNet, folder / "unet", torch.float32, self.name)
        text = load_network(OwnTextEncoder, folder / "text_encoder", self._dtype, self.name)
        with named_part(self.name, "tokenizer"):
            length = text.config.max_position_embeddings
            self._tokenizer: Any = OwnTokenizer(folder / "tokenizer", length)
        return unet, text

    def _load_published(self, folder: Path) -> tuple[Any, Any]:
        # Imported only now: they take seconds.
        from diffusers import UNet2DConditionModel
        from transformers import CLIPTextModel

        unet = load_network(UNet2DConditionModel, folder / "unet", self._dtype, self.name)
        text = load_network(CLIPTextModel, folder / "text_encoder", self._dtype, self.name)
        self._tokenizer = load_tokenizer(folder / "tokenizer", self.name)
        return unet, text

    def _predict(self, noisy: Tensor, time: float, text: Tensor) -> Tensor:
        unet = self._parts.use("unet")
        with self._arithmetic():
            answer = unet(noisy.to(unet.dtype), time, encoder_hidden_states=text.to(unet.dtype))
        return torch.as_tensor(answer.sample)

    def _predict_each(self, noisy: Tensor, time: float, texts: Tensor) -> Tensor:
        if isinstance(self._parts.use("unet"), LatentUNet):
            return self._predict(noisy, time, texts)  # It does by itself what it can do once.
        return super()._predict_each(noisy, time, texts)

    def _arithmetic(self) -> contextlib.AbstractContextManager[Any]:
        """On the CPU the weights are single precision; elsewhere nothing is to be cast."""
        return contextlib.nullcontext() if self.device.type != "cpu" else arithmetic(self.device)

    def _multiple(self, networks: dict[str, Any]) -> int:
        levels = len(networks["unet"].config.block_out_channels)
        return int(self._factor * 2 ** (levels - 1))


def token_ids(tokenizer: Any, text: str) -> Tensor:
    """A CLIP tokenizer's ids of one text, padded and cut to its length, (1, tokens)."""
    found = tokenizer(
        [text],
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_tensors="pt",
    )
    return torch.as_tensor(found["input_ids"])
