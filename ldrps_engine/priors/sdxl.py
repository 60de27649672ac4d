"""Stable Diffusion XL: two CLIP text encoders, and the picture's size as a condition."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ldrps_engine.priors.components import load_network, load_tokenizer
from ldrps_engine.priors.stable_diffusion import StableDiffusion, token_ids


class StableDiffusionXL(StableDiffusion):
    """See the module.

    Conditioning is both encoders' hidden states side by side, and below them one more row: the
    pooled text, filled up with zeros.
    """

    parts: ClassVar[tuple[str, ...]] = (*StableDiffusion.parts, "text_encoder_2", "tokenizer_2")
    view = 1024

    @torch.no_grad()
    def embed(self, text: str) -> Tensor:
        """Last but one hidden states, (1, tokens + 1, both widths)."""
        hidden, pooled = [], torch.empty(0)
        for key in ("text_encoder", "text_encoder_2"):
            encoder = self._parts.use(key)
            ids = token_ids(self._tokenizers[key], text).to(self.device)
            out = encoder(input_ids=ids, output_hidden_states=True)
            hidden.append(out.hidden_states[-2].float())
            pooled = out[0].float()
        words = torch.cat(hidden, dim=-1)
        self._pooled_width = pooled.shape[-1]
        row = nn.functional.pad(pooled[:, None], (0, words.shape[-1] - pooled.shape[-1]))
        found = torch.cat([words, row], dim=1)
        blank = not text and self._index.get("force_zeros_for_empty_prompt", True)
        return torch.zeros_like(found) if blank else found

    def _load_networks(self, folder: Path) -> dict[str, Any]:
        from transformers import CLIPTextModelWithProjection

        networks = super()._load_networks(folder)
        networks["text_encoder_2"] = load_network(
            CLIPTextModelWithProjection, folder / "text_encoder_2", self._dtype, self.name
        )
        second = load_tokenizer(folder / "tokenizer_2", self.name)
        self._tokenizers = {"text_encoder": self._tokenizer, "text_encoder_2": second}
        self._pooled_width = int(networks["text_encoder_2"].config.projection_dim)
        return networks

    def _predict(self, noisy: Tensor, time: float, text: Tensor) -> Tensor:
        unet = self._parts.use("unet")
        height, width = (side * self._factor for side in noisy.shape[-2:])
        # Size of the original, where it was cut, and size wanted: nothing was scaled or cut.
        sizes = torch.tensor([[height, width, 0, 0, height, width]], device=noisy.device)
        added = {
            "text_embeds": text[:, -1, : self._pooled_width].to(unet.dtype),
            "time_ids": sizes.expand(len(noisy), -1).to(unet.dtype),
        }
        with self._arithmetic():
            answer = unet(
                noisy.to(unet.dtype),
                time,
                encoder_hidden_states=text[:, :-1].to(unet.dtype),
                added_cond_kwargs=added,
            )
        return torch.as_tensor(answer.sample)
