"""LD-RPS's reverse step, in the paper's notation (see `reverse`).

Li et al., "LD-RPS: Zero-shot unified image restoration via latent diffusion recurrent posterior
sampling" (ICCV 2025, arXiv:2507.00790), section 3. The loop around it is in `sampling`. Its parts:

1. eps with classifier-free guidance (Ho and Salimans, 2021, eq. 6, with a scale of 1 + w), z_0 from
   it (DDIM, Song et al., ICLR 2021, eq. 9), and dynamic thresholding (Imagen, section 2.3);
2. the deterministic step to z_prev (DDIM, eq. 12, with sigma = 0);
3. x = D(z_0), and the online step of F-PAM and its discriminator (the paper's section on F-PAM;
   `fpam`);
4. the posterior's gradient with respect to the clean latent, never through the diffusion network.

z_0 is predicted from z_t, as the paper has it. Its public code guides another estimate, computed
from z_prev with the eps of t: it is off by a step, and not even the recipe `paper` has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ldrps_engine.diffusion.reverse import NoiseLevel, SamplingContext
from ldrps_engine.diffusion.weights import Guidance


@dataclass(frozen=True)
class Threshold:
    """Dynamic thresholding (Saharia et al., Imagen, NeurIPS 2022).

    Clamped but, unlike Imagen, not divided by the limit, as in LD-RPS's code.
    """

    percentile: float = 0.995
    most: float = 100.0
    """Largest limit; the smallest is 1."""

    def __call__(self, z_0: Tensor, latent_std: Tensor) -> Tensor:
        """Clamp each latent to its own percentile, in units of each channel's deviation (C, 1, 1).

        Published for latents of unit deviation.
        """
        unit = z_0 / latent_std
        limit = torch.quantile(unit.abs().flatten(1), self.percentile, dim=1)
        limit = limit.clamp(1.0, self.most)[:, None, None, None]
        return unit.clamp(-limit, limit) * latent_std


@dataclass(frozen=True, kw_only=True)
class LdrpsStep:
    """One step of LD-RPS. Independent latents side by side share f, d and the photo y."""

    guidance: Guidance
    threshold: Threshold | None = Threshold()

    def __call__(
        self, z_t: Tensor, at: NoiseLevel, context: SamplingContext
    ) -> tuple[Tensor, Tensor]:
        """Return z_0 and z_prev, both less s dL_g/dz_0."""
        # 1. eps, and z_0 = (z_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar), thresholded.
        z_0, eps = context.predict(z_t, at)
        if self.threshold:
            z_0 = self.threshold(z_0, context.prior.latent_std)
        # 2. As published, z_prev = sqrt(alpha_bar_prev) z_0 + sqrt(1 - alpha_bar_prev) eps.
        z_prev = context.advance(z_0, eps, at)
        # 3. x = D(z_0), and one Adam step each on f and d. Decoded once for 3 and 4: decoding and
        # its gradient are most of the work.
        latent = z_0.detach().requires_grad_(self._guides(at.t))
        with torch.set_grad_enabled(latent.requires_grad):
            x = context.decode(latent)
        context.aligner.learn(x.detach())
        # 4. Once the prior has laid out the scene: z_prev <- z_prev - s dL_g/dz_0.
        if not self._guides(at.t):
            return z_0, z_prev
        # The loss is s L_g, so that its gradient holds the s already.
        s_loss = context.aligner.guidance_loss(x, self.guidance, at.t)
        (s_gradient,) = torch.autograd.grad(s_loss, latent)
        return z_0 - s_gradient, z_prev - s_gradient

    def work_at(self, t: int) -> tuple[bool, bool]:
        """Tell whether the step at `t` is guided, and whether by terms of tone as well."""
        return self._guides(t), t < self.guidance.tone_below

    def _guides(self, t: int) -> bool:
        return t < self.guidance.below and self.guidance.scale > 0
