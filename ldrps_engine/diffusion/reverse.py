"""Common ground of all reverse steps: where on the schedule they stand, and what they work with.

The paper's notation: z_t is a noisy latent at timestep t, z_0 the clean one predicted from it, eps
its noise, z_prev the latent at the next timestep down; alpha_bar and alpha_bar_prev are the
cumulative alphas at both. Latents are (N, C, h, w), images x = D(z_0) are (N, 3, H, W) in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.solver import Solver
from ldrps_engine.priors.base import LatentPrior


@dataclass(frozen=True)
class Conditions:
    """Conditioning of the sampler besides the photo itself."""

    text: Tensor
    empty: Tensor
    noise: float
    """Standard deviation of the photo's noise in the clean domain, display values."""


@dataclass(frozen=True)
class NoiseLevel:
    """Noise level of one timestep, and where the step down from it ends."""

    t: int
    alpha_bar: float
    alpha_bar_prev: float
    """1 for the last step, which ends at the clean latent."""
    noise_ratio: float
    """Noise over signal at `t`."""
    text_scale: float
    """Classifier-free guidance; 1 is the conditional model alone."""


@dataclass(frozen=True)
class SamplingContext:
    """Networks, conditioning and solver of one photo's sampling."""

    prior: LatentPrior
    aligner: Aligner
    conditions: Conditions
    solver: Solver
    decode: Callable[[Tensor], Tensor]
    """D: latents to images, differentiable; exact, or quick far from the end."""

    def predict(self, z_t: Tensor, at: NoiseLevel) -> tuple[Tensor, Tensor]:
        """Predict z_0 with classifier-free guidance, and the eps that is left (DDIM, eq. 9)."""
        words = self.conditions
        z_0 = self.prior.denoise(z_t, at.t, words.text, words.empty, at.text_scale)
        return z_0, (z_t - math.sqrt(at.alpha_bar) * z_0) / math.sqrt(1 - at.alpha_bar)

    def advance(self, z_0: Tensor, eps: Tensor, at: NoiseLevel) -> Tensor:
        """Return z_prev, by the solver."""
        eps = self.solver.corrected(z_0, eps, at.alpha_bar)
        return self.solver.advance(z_0, eps, at.alpha_bar, at.alpha_bar_prev)


class ReverseStep(Protocol):
    """One way to go from z_t to z_prev; a frozen value that is part of the plan."""

    def __call__(
        self, z_t: Tensor, at: NoiseLevel, context: SamplingContext
    ) -> tuple[Tensor, Tensor]:
        """Return z_0 and z_prev, both guided."""
        ...

    def work_at(self, t: int) -> tuple[bool, bool]:
        """Tell whether the step at `t` is guided, and whether by terms of tone as well."""
        ...


@dataclass(frozen=True)
class UnguidedStep:
    """The prior alone: nothing holds the sample to the photo but where it starts."""

    def __call__(
        self, z_t: Tensor, at: NoiseLevel, context: SamplingContext
    ) -> tuple[Tensor, Tensor]:
        """Return z_0 and z_prev."""
        z_0, eps = context.predict(z_t, at)
        return z_0, context.advance(z_0, eps, at)

    def work_at(self, t: int) -> tuple[bool, bool]:
        """Return that no step is guided."""
        return False, False
