"""DiffPIR's reverse step: the clean latent moves towards the photo before the solver goes on.

Zhu et al., "Denoising diffusion models for plug-and-play image restoration" (CVPR 2023 workshops),
section 3, Algorithm 1: argmin_z |y - H(z)|^2 + rho_t |z - z_0|^2, rho_t = sigma_n^2 / sigma_t^2
(its lambda is 1), sigma_n the photo's noise and sigma_t the latent's over its signal. Here the data
term is taken in the clean domain, through F-PAM's inverse. Notation as in `reverse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ldrps_engine.diffusion.reverse import NoiseLevel, SamplingContext


@dataclass(frozen=True)
class ProximalStep:
    """One step of DiffPIR, with one gradient step for the proximal operator."""

    data: float = 1.0
    """Share of the image error that one step removes where the photo is certain, 0 to 1."""

    def __call__(
        self, z_t: Tensor, at: NoiseLevel, context: SamplingContext
    ) -> tuple[Tensor, Tensor]:
        """Return z_0, moved towards the photo, and z_prev."""
        z_0, eps = context.predict(z_t, at)
        latent = z_0.detach().requires_grad_()
        with torch.enable_grad():
            x = context.decode(latent)
        context.aligner.learn(x.detach())
        z_0 = z_0 - self._proximal_step(latent, x, at, context)
        return z_0, context.advance(z_0, eps, at)

    def work_at(self, t: int) -> tuple[bool, bool]:
        """Return that every step is guided, and none by terms of tone."""
        return True, False

    def _proximal_step(
        self, latent: Tensor, x: Tensor, at: NoiseLevel, context: SamplingContext
    ) -> Tensor:
        """Return how far the photo's noise and the prior's uncertainty let z_0 move."""
        # Latents span [-1, 1], display values [0, 1].
        noise = 2 * context.conditions.noise
        # 1 / (1 + rho_t): early, the prior knows little and the photo is believed; late, no further
        # than its own noise allows.
        certainty = at.noise_ratio**2 / (at.noise_ratio**2 + noise**2 + 1e-8)
        error = x - context.aligner.clean_photo(x.detach())
        (gradient,) = torch.autograd.grad(error.square().sum() / 2, latent)
        return self.data * certainty * context.prior.step_size * gradient
