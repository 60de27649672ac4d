"""Stable Diffusion 2.1 at its full size, with untrained weights.

For counting and timing: what a step costs does not depend on what the weights are. The published
configurations are written out here, since nothing is downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.stable_diffusion import StableDiffusion

TOKENS, WIDTH = 77, 1024


class RandomStableDiffusion(StableDiffusion):
    """Stable Diffusion 2.1 base on a device; `small` makes a toy of it, to try the commands."""

    def __init__(self, folder: Path, device: str, *, quick: bool, small: bool = False) -> None:
        self._small = small
        _write_index(folder)
        super().__init__(
            folder, "random-sd21", Placement(device=device), folder / "quick" if quick else None
        )

    def embed(self, text: str) -> Tensor:
        """Any text: a fixed one of the right shape."""
        generator = torch.Generator().manual_seed(len(text))
        width = 16 if self._small else WIDTH
        return torch.randn(1, TOKENS, width, generator=generator).to(self.device)

    def _load_autoencoder(self, folder: Path, kind: str) -> Any:
        from diffusers import AutoencoderKL

        return self._made(lambda: AutoencoderKL(**autoencoder_config(self._small)))

    def _load_quick(self, folder: Path) -> Any:
        from diffusers import AutoencoderTiny

        return self._made(lambda: AutoencoderTiny(**tiny_config(self._small)))

    def _load_networks(self, folder: Path) -> dict[str, Any]:
        from diffusers import UNet2DConditionModel

        unet = self._made(lambda: UNet2DConditionModel(**unet_config(self._small)))
        self.channels = 4
        return {"unet": unet.to(memory_format=torch.channels_last)}

    def _made(self, make: Any) -> Any:
        torch.manual_seed(0)
        # On the device from the start: the host never holds the weights.
        with torch.device(self.device):
            # torch's own `to`: that of diffusers warns of layers that these networks lack.
            network = torch.nn.Module.to(make(), self._dtype)
        return network.eval().requires_grad_(False)


def unet_config(small: bool = False) -> dict[str, Any]:
    """Configuration of Stable Diffusion 2.1 base: 866 million weights."""
    return {
        "sample_size": 64,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "block_out_channels": (8, 8, 16, 16) if small else (320, 640, 1280, 1280),
        "norm_num_groups": 4 if small else 32,
        "attention_head_dim": (1, 1, 2, 2) if small else (5, 10, 20, 20),
        "cross_attention_dim": 16 if small else WIDTH,
        "use_linear_projection": True,
    }


def autoencoder_config(small: bool = False) -> dict[str, Any]:
    """Configuration of Stable Diffusion's autoencoder: 84 million weights."""
    return {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (4, 4, 8, 8) if small else (128, 256, 512, 512),
        "norm_num_groups": 4 if small else 32,
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 512,
    }


def tiny_config(small: bool = False) -> dict[str, Any]:
    """Configuration of TAESD: 2.4 million weights."""
    widths = (4, 4, 4, 4) if small else (64, 64, 64, 64)
    return {"encoder_block_out_channels": widths, "decoder_block_out_channels": widths}


def _write_index(folder: Path) -> None:
    """Write the files that are read from a folder all the same: the index and the schedule."""
    classes = {
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    for part in classes:
        (folder / part).mkdir(parents=True, exist_ok=True)
    index = {"_class_name": "StableDiffusionPipeline", **classes}
    (folder / "model_index.json").write_text(json.dumps(index))
    from diffusers import DDIMScheduler

    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
