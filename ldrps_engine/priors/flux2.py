"""FLUX.2 klein: a flow transformer over packed latents, its text read by a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ldrps_engine.priors.components import load_network, load_tokenizer
from ldrps_engine.priors.published import PublishedPrior

_MOST_TOKENS = 512
_LAYERS = (9, 18, 27)
_PACK = 2


class Flux2(PublishedPrior):
    """See the module.

    The latent is the autoencoder's (32 channels at an eighth) in packs of 2x2, each channel
    brought to unit variance: 128 channels at a sixteenth. Conditioning is hidden states of three
    layers of the language model side by side.
    """

    parts: ClassVar[tuple[str, ...]] = (
        "vae",
        "transformer",
        "text_encoder",
        "tokenizer",
        "scheduler",
    )
    view = 1024

    @torch.no_grad()
    def embed(self, text: str) -> Tensor:
        """Hidden states of the language model, (1, 512, 3 x width)."""
        encoder = self._parts.use("text_encoder")
        asked = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        found = self._tokenizer(
            asked,
            return_tensors="pt",
            padding="max_length",
            truncation=True,
            max_length=_MOST_TOKENS,
        ).to(self.device)
        out = encoder(
            input_ids=found["input_ids"],
            attention_mask=found["attention_mask"],
            output_hidden_states=True,
            use_cache=False,
        )
        states = [out.hidden_states[k] for k in self._layers(encoder)]
        return torch.cat(states, dim=-1).float()

    def _load_networks(self, folder: Path) -> dict[str, Any]:
        from diffusers import Flux2Transformer2DModel
        from transformers import Qwen3ForCausalLM

        transformer = load_network(
            Flux2Transformer2DModel, folder / "transformer", self._dtype, self.name
        )
        text = load_network(Qwen3ForCausalLM, folder / "text_encoder", self._dtype, self.name)
        self._tokenizer = load_tokenizer(folder / "tokenizer", self.name)
        self.channels = int(transformer.config.in_channels)
        return {"transformer": transformer, "text_encoder": text}

    def _predict(self, noisy: Tensor, time: float, text: Tensor) -> Tensor:
        transformer = self._parts.use("transformer")
        count, _, height, width = noisy.shape
        tokens = noisy.flatten(2).transpose(1, 2).to(transformer.dtype)
        times = torch.full((count,), time, device=noisy.device, dtype=transformer.dtype)
        # Distilled models take the scale as an input; 1 leaves guidance to the sampler.
        guided = torch.ones_like(times) if transformer.config.guidance_embeds else None
        answer = transformer(
            hidden_states=tokens,
            timestep=times,
            guidance=guided,
            encoder_hidden_states=text.to(transformer.dtype),
            txt_ids=_positions(1, 1, text.shape[1]).to(noisy.device).expand(count, -1, -1),
            img_ids=_positions(height, width, 1).to(noisy.device).expand(count, -1, -1),
            return_dict=False,
        )[0]
        return torch.as_tensor(answer.transpose(1, 2).unflatten(2, (height, width)))

    def _scaled(self, latents: Tensor, config: Any) -> Tensor:
        mean, deviation = self._statistics(latents)
        return (nn.functional.pixel_unshuffle(latents, _PACK) - mean) / deviation

    def _plain(self, latents: Tensor, config: Any) -> Tensor:
        mean, deviation = self._statistics(latents)
        return nn.functional.pixel_shuffle(latents * deviation + mean, _PACK)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        autoencoder = self._parts.use("vae")
        mean, variance = autoencoder.bn.running_mean, autoencoder.bn.running_var
        deviation = (variance.float() + autoencoder.config.batch_norm_eps).sqrt()
        return mean.to(like)[:, None, None], deviation.to(like)[:, None, None]

    def _layers(self, encoder: Any) -> tuple[int, ...]:
        """Hidden states a quarter, a half and three quarters up, 9, 18 and 27 of 36."""
        count = int(encoder.config.num_hidden_layers)
        return tuple(count * layer // 36 for layer in _LAYERS)

    def _autoencoders(self) -> dict[str, Any]:
        from diffusers import AutoencoderKLFlux2

        return {"AutoencoderKLFlux2": AutoencoderKLFlux2}

    def _load_quick(self, folder: Path) -> Any:
        """The published small decoder is of the same class as the full autoencoder."""
        return self._load_autoencoder(folder, "AutoencoderKLFlux2")

    def _autoencoder_factor(self) -> int:
        return _PACK * int(2 ** (len(self._config.block_out_channels) - 1))


def _positions(height: int, width: int, length: int) -> Tensor:
    """Coordinates (time, row, column, place in the text) of each token, (1, tokens, 4)."""
    axes = (torch.arange(1), torch.arange(height), torch.arange(width), torch.arange(length))
    return torch.cartesian_prod(*axes)[None]
