"""DiffPIR's reverse step: the clean latent moves towards the photo before the solver goes on.

Zhu et al., "Denoising diffusion models for plug-and-play image restoration" (CVPRW 2023): the
prior's estimate and the photo are weighed by what each is uncertain about, here in the clean
domain through F-PAM's inverse. Notation as in `reverse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ldrps_engine.diffusion.reverse import Moment, Tools


@dataclass(frozen=True)
class ProximalStep:
    """One step of DiffPIR, with one gradient step for the proximal operator."""

    data: float = 1.0
    """Share of the image error that one step removes where the photo is certain, 0 to 1."""

    def __call__(self, z_t: Tensor, at: Moment, tools: Tools) -> tuple[Tensor, Tensor]:
        """Return z_0, moved towards the photo, and z_prev."""
        z_0, eps = tools.predict(z_t, at)
        latent = z_0.detach().requires_grad_()
        with torch.enable_grad():
            x = tools.decode(latent)
        tools.aligner.learn(x.detach())
        z_0 = z_0 - self._proximal_step(latent, x, at, tools)
        return z_0, tools.advance(z_0, eps, at)

    def work_at(self, t: int) -> tuple[bool, bool]:
        """Return that every step is guided, and none by terms of tone."""
        return True, False

    def _proximal_step(self, latent: Tensor, x: Tensor, at: Moment, tools: Tools) -> Tensor:
        """Return how far the photo's noise and the prior's uncertainty let z_0 move."""
        # Latents span [-1, 1], display values [0, 1].
        noise = 2 * tools.conditions.noise
        # DiffPIR's rho: early, the prior knows little and the photo is believed; late, no further
        # than its own noise allows.
        certainty = at.noise_ratio**2 / (at.noise_ratio**2 + noise**2 + 1e-8)
        error = x - tools.aligner.clean_photo(x.detach())
        (gradient,) = torch.autograd.grad(error.square().sum() / 2, latent)
        return self.data * certainty * tools.prior.step_size * gradient
