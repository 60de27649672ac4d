"""The bundled denoiser at a photo's own size: conditioned on the measured noise.

The network is the bundled prior's, which it serves without a condition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ldrps_engine.model_store.catalogue import BUNDLED
from ldrps_engine.model_store.store import resolve
from ldrps_engine.priors.components import load_network
from ldrps_engine.priors.latent_unet import LatentUNet, NoiseCondition
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from ldrps_engine.priors.placement import arithmetic
from ldrps_engine.priors.text_encoder import OwnTextEncoder, OwnTokenizer


@dataclass(frozen=True)
class DetailExpert:
    """Network, autoencoder and the embedding of no text, on one device."""

    network: LatentUNet
    autoencoder: PatchAutoencoder
    text: Tensor
    """(1, tokens, width)."""

    @property
    def patch(self) -> int:
        """Pixels along a side of what one latent shows."""
        return int(self.autoencoder.config.patch_size)

    @property
    def multiple(self) -> int:
        """Both sides of an image must be multiples of this many pixels."""
        return int(self.patch * 2 ** (len(self.network.config.block_out_channels) - 1))

    @torch.no_grad()
    def denoise(self, images: Tensor, sigma: float, condition: NoiseCondition) -> Tensor:
        """Return the posterior mean of clean images, of the shape of the noisy ones.

        `images` are (N, 3, H, W) display values, 0 to 1; `sigma` is the standard deviation of
        their noise in the same values, root mean square over the photo. Latents noised by the
        photo's own noise alone are denoised best by one evaluation at that noise level.
        """
        device = self.text.device
        # Latents span [-1, 1], display values [0, 1].
        ratio = torch.full((len(images),), 2 * sigma, device=device)
        signal, noise = 1 / (1 + ratio**2).sqrt(), ratio / (1 + ratio**2).sqrt()
        alpha, beta = signal[:, None, None, None], noise[:, None, None, None]
        entered = alpha * self.autoencoder.encode(images.to(device) * 2 - 1).latents
        condition = NoiseCondition(condition.levels.to(device), condition.bands.to(device))
        with arithmetic(device):
            velocity = self.network(
                entered,
                self.network.time_of(ratio),
                self.text.expand(len(images), -1, -1),
                condition,
            ).sample
        clean = alpha * entered - beta * velocity.float()
        return torch.as_tensor(self.autoencoder.decode(clean).sample) / 2 + 0.5


@cache
def load_detail_expert(device: str = "cpu") -> DetailExpert:
    """Read the bundled weights onto a device, once in a process."""
    folder = resolve(BUNDLED)
    network = load_network(LatentUNet, folder / "unet", torch.float32, BUNDLED)
    autoencoder = load_network(PatchAutoencoder, folder / "vae", torch.float32, BUNDLED)
    encoder = load_network(OwnTextEncoder, folder / "text_encoder", torch.float32, BUNDLED)
    tokenizer = OwnTokenizer(folder / "tokenizer", encoder.config.max_position_embeddings)
    with torch.no_grad():
        text = encoder(**tokenizer([""])).last_hidden_state
    layout = torch.channels_last
    return DetailExpert(
        network.to(device, memory_format=layout), autoencoder.to(device), text.to(device)
    )
