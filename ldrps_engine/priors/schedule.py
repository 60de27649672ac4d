"""A model's noise schedule from its own configuration, in the one form that the sampler knows.

The sampler counts in cumulative alphas: a latent is sqrt(alpha) clean + sqrt(1 - alpha) noise.
Flow models are trained on (1 - s) clean + s noise instead, which is the same latent divided by
its length; so their schedule has alphas too, and a step from one to the next is the same step.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ldrps_engine.errors import ModelError
from ldrps_engine.priors.components import named_part

_STEPS = 1000
_CONFIG = "scheduler_config.json"
_FLOW = "FlowMatchEulerDiscreteScheduler"
KINDS = ("epsilon", "v_prediction", "sample", "flow")


@dataclass(frozen=True)
class Schedule:
    """Alphas (T,), falling, and how the network's answer is to be read."""

    alphas: Tensor
    kind: str
    """One of KINDS: what the network predicts."""
    sigmas: Tensor
    """Flow models' noise level s at each step, (T,); for others unused."""

    def to_model(self, noisy: Tensor, step: int) -> Tensor:
        """A latent as the network wants it."""
        return noisy * self._length(step) if self.kind == "flow" else noisy

    def time(self, step: int) -> float:
        """Noise level as the network is given it: the timestep, or a flow's s."""
        return float(self.sigmas[step]) if self.kind == "flow" else float(step)

    def clean(self, noisy: Tensor, answer: Tensor, step: int) -> Tensor:
        """The clean latent that the network's answer at `step` stands for."""
        if self.kind == "flow":
            return noisy * self._length(step) - float(self.sigmas[step]) * answer
        if self.kind == "sample":
            return answer
        alpha = float(self.alphas[step])
        signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
        if self.kind == "v_prediction":
            return signal * noisy - noise * answer
        return (noisy - noise * answer) / max(signal, 1e-4)

    def _length(self, step: int) -> float:
        sigma = float(self.sigmas[step])
        return math.hypot(1 - sigma, sigma)


def noise_ratios(alphas: Tensor) -> Tensor:
    """Noise over signal at each step of cumulative alphas (T,)."""
    return ((1 - alphas) / alphas.clamp(min=1e-8)).sqrt()


def nearest_step(ratios: Tensor, ratio: float) -> int:
    """The step of `ratios` (T,) that comes nearest to one of noise over signal."""
    return int((ratios - ratio).abs().argmin())


def read_schedule(folder: Path, kind: str, name: str, tokens: int = 4096) -> Schedule:
    """From a scheduler's folder. `kind` is the index's class, `tokens` a flow model's image size.

    Any of diffusers' samplers may be named: betas and prediction type are the same in all.
    """
    if kind == _FLOW:
        return _flow(folder, name, tokens)
    with named_part(name, folder.name):
        alphas, prediction = _denoising(folder)
    if prediction not in KINDS:
        raise ModelError(f"model '{name}' predicts '{prediction}'; known are {', '.join(KINDS)}")
    return Schedule(alphas, prediction, torch.zeros_like(alphas))


def _denoising(folder: Path) -> tuple[Tensor, str]:
    """(cumulative alphas, kind of prediction) of a sampler's configuration."""
    config = json.loads((folder / _CONFIG).read_text())
    if config.get("trained_betas") and not config.get("rescale_betas_zero_snr"):
        # What there is to compute of them does not need seconds of imports.
        betas = torch.tensor(config["trained_betas"], dtype=torch.float32)
        return torch.cumprod(1 - betas, 0), str(config.get("prediction_type", "epsilon"))
    from diffusers import DDIMScheduler

    found = DDIMScheduler.from_pretrained(folder, local_files_only=True)
    return found.alphas_cumprod.float(), str(found.config.prediction_type)


def _flow(folder: Path, name: str, tokens: int) -> Schedule:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    with named_part(name, folder.name):
        config = FlowMatchEulerDiscreteScheduler.from_pretrained(
            folder, local_files_only=True
        ).config
    even = torch.arange(1, _STEPS + 1, dtype=torch.float64) / _STEPS
    if config.use_dynamic_shifting:
        shift = math.exp(compute_empirical_mu(tokens, 50))
    else:
        shift = float(config.shift)
    sigmas = shift * even / (1 + (shift - 1) * even)
    alphas = (1 - sigmas) ** 2 / ((1 - sigmas) ** 2 + sigmas**2)
    return Schedule(alphas.float(), "flow", sigmas.float())
