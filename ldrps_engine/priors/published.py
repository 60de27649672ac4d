"""Common ground of all published families of latent diffusion models.

A family's own file says which networks it has, how it reads text, and how its denoiser is
called; everything else is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ldrps_engine.errors import ModelError
from ldrps_engine.priors.components import class_name, load_network, read_index
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from ldrps_engine.priors.placement import Parts, Placement
from ldrps_engine.priors.schedule import read_schedule


class PublishedPrior(ABC):
    """A `LatentPrior` over a folder in diffusers' format."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Folders that a model of this family has."""
    view: int = 512
    knows_scenes: bool = True
    channels: int
    """Channels of the latent that the sampler carries."""

    def __init__(
        self, folder: Path, name: str, placement: Placement, quick: Path | None = None
    ) -> None:
        """Load safetensors from `folder`; ModelError names what is missing or does not fit.

        `quick` is the folder of the family's tiny autoencoder, if that is installed.
        """
        self.name = name
        self.device = torch.device(placement.device)
        self._dtype = placement.dtype
        self._index = read_index(folder, name, self.parts)
        networks = {"vae": self._load_autoencoder(folder / "vae", class_name(self._index, "vae"))}
        networks |= self._load_networks(folder)
        if quick is not None:
            networks["quick"] = self._load_quick(quick)
        self._parts = Parts(networks, placement, name)
        if placement.is_tight(self._parts.total_bytes()):
            # Tiles cost seams and time, so only where the device is short of memory.
            self._save_memory(networks)
        kind = class_name(self._index, "scheduler")
        self._schedule = read_schedule(folder / "scheduler", kind, name)
        self.alphas = self._schedule.alphas
        self._config: Any = networks["vae"].config
        self.most_enlarged = float(getattr(networks["vae"], "most_enlarged", 2.0))
        self._factor = self._autoencoder_factor()
        self.multiple = self._multiple(networks)
        std = self._config.get("latent_std") or [1.0]
        self.latent_std = torch.tensor(std, device=self.device)[:, None, None]
        self.step_size = self._step_size()

    @abstractmethod
    def embed(self, text: str) -> Tensor:
        """Conditioning of one prompt, (1, tokens, width); what is in it is the family's own."""

    @abstractmethod
    def _load_networks(self, folder: Path) -> dict[str, Any]:
        """Everything but the autoencoder; also sets tokenizers and `channels`."""

    @abstractmethod
    def _predict(self, noisy: Tensor, time: float, text: Tensor) -> Tensor:
        """The denoiser's answer to a batch (N, C, h, w) with as many texts."""

    def _predict_each(self, noisy: Tensor, time: float, texts: Tensor) -> Tensor:
        """Answers for several texts of each sample, (K * N, tokens, width)."""
        return self._predict(noisy.repeat(len(texts) // len(noisy), 1, 1, 1), time, texts)

    @property
    def has_quick(self) -> bool:
        """Tell whether a tiny autoencoder stands in while the sample is far from its end."""
        return "quick" in self._parts

    @property
    def is_distilled(self) -> bool:
        """Tell whether text guidance was built in by distillation, so that none is computed."""
        return bool(self._index.get("is_distilled", False))

    def encode(self, image: Tensor) -> Tensor:
        """Image in [0, 1] to scaled latents."""
        network = self._parts.use("vae")
        with torch.no_grad():
            out = network.encode((image * 2 - 1).to(self.device, network.dtype))
        latents = out.latent_dist.mode() if hasattr(out, "latent_dist") else out.latents
        return self._scaled(latents.float(), self._config)

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents to an image, about [0, 1]; differentiable."""
        return self._decoded("vae", latents)

    def decode_quickly(self, latents: Tensor) -> Tensor:
        """As `decode`, by the family's tiny autoencoder where that is installed."""
        return self._decoded("quick" if self.has_quick else "vae", latents)

    @torch.no_grad()
    def denoise(
        self, noisy: Tensor, step: int, text: Tensor, empty: Tensor, scale: float
    ) -> Tensor:
        """Clean latents at one step of the schedule."""
        count, time = noisy.shape[0], self._schedule.time(step)
        inputs = self._schedule.to_model(noisy, step)
        # Guidance by a scale of one is the answer with text alone: one evaluation saved.
        if scale == 1.0 or self.is_distilled:
            answer = self._predict(inputs, time, text.expand(count, -1, -1)).float()
        else:
            words = torch.cat([empty.expand(count, -1, -1), text.expand(count, -1, -1)])
            both = self._predict_each(inputs, time, words).float()
            without, given = both.chunk(2)
            # Ho and Salimans (2021), eq. 6, where the scale is 1 + w.
            answer = without + scale * (given - without)
        return self._schedule.clean(noisy, answer.to(noisy), step)

    def rest(self) -> None:
        """Put all weights into the host's memory; the next use brings back what it needs."""
        self._parts.put_away()

    def total_bytes(self) -> int:
        """Bytes that all weights take, wherever they are."""
        return self._parts.total_bytes()

    def _decoded(self, key: str, latents: Tensor) -> Tensor:
        network = self._parts.use(key)
        plain = self._plain(latents, network.config).to(network.dtype)
        return torch.as_tensor(network.decode(plain).sample).float() / 2 + 0.5

    def _scaled(self, latents: Tensor, config: Any) -> Tensor:
        """From the autoencoder's latents to those the denoiser was trained on."""
        shift = float(config.get("shift_factor") or 0.0)
        return (latents - shift) * float(config.scaling_factor)

    def _plain(self, latents: Tensor, config: Any) -> Tensor:
        """The way back."""
        shift = float(config.get("shift_factor") or 0.0)
        return latents / float(config.scaling_factor) + shift

    def _load_autoencoder(self, folder: Path, kind: str) -> Any:
        classes = {"PatchAutoencoder": PatchAutoencoder}
        if kind not in classes:
            classes = self._autoencoders()
        if kind not in classes:
            raise ModelError(
                f"model '{self.name}' has an autoencoder of class {kind or 'unknown'}; "
                f"known are {', '.join(classes)}"
            )
        exact = classes[kind] is PatchAutoencoder
        dtype = torch.float32 if exact else self._dtype
        return load_network(classes[kind], folder, dtype, self.name)

    def _autoencoders(self) -> dict[str, Any]:
        from diffusers import AutoencoderKL, AutoencoderTiny

        return {
            "AutoencoderKL": AutoencoderKL,
            "AutoencoderTiny": AutoencoderTiny,
            "PatchAutoencoder": PatchAutoencoder,
        }

    def _load_quick(self, folder: Path) -> Any:
        from diffusers import AutoencoderTiny

        return load_network(AutoencoderTiny, folder, self._dtype, self.name)

    def _save_memory(self, networks: dict[str, Any]) -> None:
        for key in ("vae", "quick"):
            for method in ("enable_tiling", "enable_slicing"):
                enable = getattr(networks.get(key), method, None)
                if enable is not None:
                    enable()
            _tile_by(networks.get(key), self.view // 2)

    def _autoencoder_factor(self) -> int:
        """Pixels of the image per element of the autoencoder's latent."""
        config = self._config
        if isinstance(config.get("patch_size"), int):
            return int(config.patch_size)
        return int(2 ** (len(config.get("block_out_channels", ())) - 1))

    def _multiple(self, networks: dict[str, Any]) -> int:
        return self._factor

    def _step_size(self) -> float:
        """1 / |J|^2 of the decoder, from one random direction (exact for orthonormal ones)."""
        side = max(1, 64 // self._factor)
        generator = torch.Generator().manual_seed(0)
        shape = (1, self.channels, side, side)
        where = torch.randn(shape, generator=generator).to(self.device)
        step = 1e-2 * torch.randn(shape, generator=generator).to(self.device)
        with torch.no_grad():
            moved = self.decode(where + step) - self.decode(where)
        return float(step.square().sum() / moved.square().sum())


def _tile_by(network: Any, side: int) -> None:
    """Tiles of so many pixels at most: diffusers' own are as large as the whole view."""
    whole = getattr(network, "tile_sample_min_size", 0)
    if whole > side:
        network.tile_latent_min_size = network.tile_latent_min_size * side // whole
        network.tile_sample_min_size = side
