"""Interface of a latent diffusion model to the sampler, whatever family it is of."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class LatentPrior(Protocol):
    """A text-conditioned latent diffusion model. Images are (N, 3, H, W), sRGB in [0, 1]."""

    name: str
    alphas: Tensor
    """Cumulative alphas (T,): a latent at step t is sqrt(alpha) z0 + sqrt(1 - alpha) noise."""
    multiple: int
    """Both sides of an image must be multiples of this many pixels."""
    view: int
    """Long side, in pixels, that the model works best at."""
    most_enlarged: float
    """Largest factor by which a smaller photo is enlarged towards that."""
    latent_std: Tensor
    """Standard deviation of each latent channel over good photos, (C, 1, 1)."""
    knows_scenes: bool
    """True where it knows what a scene looks like: text guides it, and F-PAM learns from it how
    bright and of which colour things are."""
    step_size: float
    """Step along the image error's latent gradient that removes the error (1 / |J|^2)."""

    def encode(self, image: Tensor) -> Tensor:
        """Image to scaled latents (N, C, h, w)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents to image; differentiable, not clamped."""
        ...

    def decode_quickly(self, latents: Tensor) -> Tensor:
        """As `decode`, by the family's tiny autoencoder where that is installed."""
        ...

    def embed(self, text: str) -> Tensor:
        """Conditioning for `denoise` of one prompt; '' is the unconditional one."""
        ...

    def denoise(
        self, noisy: Tensor, step: int, text: Tensor, empty: Tensor, scale: float
    ) -> Tensor:
        """Clean latents predicted from `noisy` at `step`, with classifier-free guidance.

        `scale` 1 evaluates the conditional model alone; above, it is pushed away from `empty`.
        """
        ...
