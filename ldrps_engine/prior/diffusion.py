"""A LatentPrior over a folder in diffusers' format: U-Net, autoencoder, text encoder, schedule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextModel

from ldrps_engine.errors import ModelError
from ldrps_engine.prior.patch_autoencoder import PatchAutoencoder

_AUTOENCODERS = {
    "AutoencoderKL": AutoencoderKL,
    "AutoencoderTiny": AutoencoderTiny,
    "PatchAutoencoder": PatchAutoencoder,
}
_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")


class DiffusionPrior:
    """Stable Diffusion's shape: one U-Net, one autoencoder, one CLIP text encoder."""

    def __init__(self, folder: Path, name: str, device: str) -> None:
        """Load safetensors from `folder`; ModelError names what is missing or does not fit."""
        self.name = name
        self.device = torch.device(device)
        self._dtype = torch.float32 if self.device.type == "cpu" else torch.bfloat16
        index = _read_index(folder, name)
        try:
            self._load(folder, index)
        except ModelError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise ModelError(f"model '{name}' in {folder} cannot be loaded: {reason}") from error
        self.alphas = self._schedule.alphas_cumprod.float()
        self.multiple = self._factor * 2 ** (len(self._unet.config.block_out_channels) - 1)
        self.view = 512
        self.most_enlarged = getattr(self._vae, "most_enlarged", 2.0)
        spread = self._vae.config.get("latent_std") or [1.0]
        self.spread = torch.tensor(spread, device=self.device)[:, None, None]
        self.newton = self._newton()

    def encode(self, image: Tensor) -> Tensor:
        """Image in [0, 1] to scaled latents."""
        out = self._vae.encode((image * 2 - 1).to(self.device, self._vae_dtype))
        latents = out.latent_dist.mode() if hasattr(out, "latent_dist") else out.latents
        shift = self._vae.config.get("shift_factor") or 0.0
        return torch.as_tensor((latents - shift) * self._vae.config.scaling_factor).float()

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents to an image, about [0, 1]."""
        shift = self._vae.config.get("shift_factor") or 0.0
        plain = latents / self._vae.config.scaling_factor + shift
        return torch.as_tensor(self._vae.decode(plain.to(self._vae_dtype)).sample).float() / 2 + 0.5

    def decode_quickly(self, latents: Tensor) -> Tensor:
        """As `decode`: there is no smaller autoencoder."""
        return self.decode(latents)

    @torch.no_grad()
    def embed(self, text: str) -> Tensor:
        """Last hidden state of the text encoder, (1, tokens, width)."""
        tokens = self._tokenizer(
            [text],
            padding="max_length",
            truncation=True,
            max_length=self._tokenizer.model_max_length,
            return_tensors="pt",
        )
        ids = tokens["input_ids"].to(self.device)
        return torch.as_tensor(self._text(input_ids=ids).last_hidden_state)

    @torch.no_grad()
    def denoise(
        self, noisy: Tensor, step: int, text: Tensor, empty: Tensor, scale: float
    ) -> Tensor:
        """Clean latents at one step of the schedule."""
        count = noisy.shape[0]
        alpha = self.alphas[step].to(noisy)
        if scale == 1.0:
            both, hidden = noisy, text.expand(count, -1, -1)
        else:
            both = torch.cat([noisy, noisy])
            hidden = torch.cat([empty.expand(count, -1, -1), text.expand(count, -1, -1)])
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            out = self._unet(both, step, encoder_hidden_states=hidden).sample.float()
        if scale != 1.0:
            unconditional, conditional = out.chunk(2)
            out = unconditional + scale * (conditional - unconditional)
        if self._schedule.config.prediction_type == "v_prediction":
            return torch.as_tensor(alpha.sqrt() * noisy - (1 - alpha).sqrt() * out)
        return torch.as_tensor((noisy - (1 - alpha).sqrt() * out) / alpha.sqrt().clamp(min=1e-4))

    def _load(self, folder: Path, index: dict[str, Any]) -> None:
        kind = _AUTOENCODERS.get(index["vae"][1])
        if kind is None:
            known = ", ".join(_AUTOENCODERS)
            raise ModelError(
                f"model '{self.name}' has an autoencoder of class {index['vae'][1]}; "
                f"known are {known}"
            )
        self._vae_dtype = torch.float32 if kind is PatchAutoencoder else self._dtype
        load: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
        self._vae = kind.from_pretrained(folder / "vae", torch_dtype=self._vae_dtype, **load)
        self._unet = UNet2DConditionModel.from_pretrained(
            folder / "unet", torch_dtype=self._dtype, **load
        )
        self._text = CLIPTextModel.from_pretrained(
            folder / "text_encoder", dtype=torch.float32, **load
        )
        self._tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        self._schedule = DDIMScheduler.from_pretrained(folder / "scheduler")
        for part in (self._vae, self._unet, self._text):
            part.to(self.device).eval().requires_grad_(False)
        self._unet.to(memory_format=torch.channels_last)
        config = self._vae.config
        self._factor = int(
            config.get("patch_size") or 2 ** (len(config.get("block_out_channels", ())) - 1)
        )

    def _newton(self) -> float:
        """1 / |J|^2 of the decoder, from one random direction (exact for orthonormal ones)."""
        side = self.multiple // self._factor
        channels = int(self._unet.config.in_channels)
        generator = torch.Generator().manual_seed(0)
        where = torch.randn(1, channels, side, side, generator=generator).to(self.device)
        step = 1e-2 * torch.randn(where.shape, generator=generator).to(self.device)
        with torch.no_grad():
            moved = self.decode(where + step) - self.decode(where)
        return float(step.square().sum() / moved.square().sum())


def _read_index(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "model_index.json"
    if not path.is_file():
        raise ModelError(f"model '{name}' is not installed: {path} is missing")
    try:
        index = json.loads(path.read_text())
    except ValueError as error:
        raise ModelError(f"model '{name}': {path} cannot be read: {error}") from error
    missing = [part for part in _PARTS if part not in index or not (folder / part).is_dir()]
    if missing:
        raise ModelError(f"model '{name}' in {folder} lacks {', '.join(missing)}")
    return dict(index)
