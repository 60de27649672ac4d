"""Recurrent posterior sampling: one reverse step, one pass, the recurrences (LD-RPS, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ldrps_engine.alignment import Aligner
from ldrps_engine.plan import Plan
from ldrps_engine.prior.base import LatentPrior

_THRESHOLD_SHARE = 0.995
_THRESHOLD_MOST = 100.0
_RECURRENCE_STRENGTH = 0.5

OnEstimate = Callable[[str, int, int, Tensor], None]
"""Called after each step with stage, index, count and the clean image (1, 3, H, W)."""


@dataclass(frozen=True)
class Conditions:
    """What the sampler is conditioned on besides the photo itself."""

    text: Tensor
    empty: Tensor
    noise: float
    """Standard deviation of the photo's noise in the clean domain, display values."""


class Sampler:
    """Samples one photo's pilot. Deterministic for a generator on one device."""

    def __init__(
        self,
        prior: LatentPrior,
        aligner: Aligner,
        conditions: Conditions,
        plan: Plan,
        generator: torch.Generator,
    ) -> None:
        self._prior, self._aligner, self._plan = prior, aligner, plan
        self._conditions = conditions
        self._generator = generator
        self._ratios = ((1 - prior.alphas) / prior.alphas.clamp(min=1e-8)).sqrt()
        middle = float(self._ratios[int(len(self._ratios) * _RECURRENCE_STRENGTH)])
        again = self._steps(min(plan.start, middle), max(1, plan.steps // 2))
        self._passes = [("sample", self._steps(plan.start, plan.steps))]
        self._passes += [("refine", again)] * plan.recurrences

    @property
    def count(self) -> int:
        """Reverse steps over all passes."""
        return sum(len(steps) for _, steps in self._passes)

    def sample(self, first: Tensor, on_estimate: OnEstimate) -> Tensor:
        """The pilot (1, 3, H, W) from a first guess of the clean image of the same shape."""
        clean = self._prior.encode(first)
        done = 0
        for stage, steps in self._passes:
            blank = stage == "sample" and math.isinf(self._plan.start)
            noisy = self._noised(torch.zeros_like(clean) if blank else clean, steps[0])
            for k, step in enumerate(steps):
                following = steps[k + 1] if k + 1 < len(steps) else None
                clean, noisy = self.reverse_step(noisy, step, following)
                done += 1
                on_estimate(stage, done, self.count, self._prior.decode(clean))
        return self._prior.decode(clean)

    def reverse_step(
        self, noisy: Tensor, step: int, following: int | None
    ) -> tuple[Tensor, Tensor]:
        """One reverse step: clean estimate, F-PAM's step, guidance, DDIM (eta 0)."""
        plan, prior = self._plan, self._prior
        clean = prior.denoise(
            noisy, step, self._conditions.text, self._conditions.empty, plan.text_scale
        )
        alpha = prior.alphas[step].to(noisy)
        noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        if plan.threshold:
            clean = threshold(clean, prior.spread)
        after = alpha.new_ones(()) if following is None else prior.alphas[following].to(noisy)
        estimate = clean
        if plan.published_estimate:
            ahead = after.sqrt() * clean + (1 - after).sqrt() * noise
            estimate = (ahead - (1 - alpha).sqrt() * noise) / alpha.sqrt()
        with torch.no_grad():
            image = prior.decode(estimate)
        self._aligner.learn(image)
        push = self._push(estimate, step)
        guided = self._pulled(clean, step)
        return guided - push, after.sqrt() * guided + (1 - after).sqrt() * noise - push

    def _push(self, clean: Tensor, step: int) -> Tensor:
        """LD-RPS's guidance: what is taken from the next noisy latent."""
        weights = self._plan.guidance
        if step >= weights.below or not weights.paper_scale:
            return torch.zeros_like(clean)
        latent = clean.detach().requires_grad_()
        loss = self._aligner.guidance_loss(self._prior.decode(latent), weights, step)
        return torch.autograd.grad(loss, latent)[0]

    def _pulled(self, clean: Tensor, step: int) -> Tensor:
        """Move towards the photo as far as its noise and the prior's uncertainty allow.

        Zhu et al., "Denoising diffusion models for plug-and-play image restoration" (DiffPIR,
        CVPRW 2023): the proximal step, here in the clean domain through F-PAM's inverse.
        """
        weights = self._plan.guidance
        if step >= weights.below or not weights.data:
            return clean
        noise = 2 * self._conditions.noise
        doubt = float(self._ratios[step])
        certainty = doubt**2 / (doubt**2 + noise**2 + 1e-8)
        latent = clean.detach().requires_grad_()
        image = self._prior.decode(latent)
        error = image - self._aligner.clean_photo(image.detach())
        (gradient,) = torch.autograd.grad(error.square().sum() / 2, latent)
        return clean - weights.data * certainty * self._prior.newton * gradient

    def _noised(self, clean: Tensor, step: int) -> Tensor:
        """Noise up to `step`; the photo's own noise counts as part of it."""
        alpha = self._prior.alphas[step].to(clean)
        wanted = (1 - alpha) - alpha * (2 * self._conditions.noise) ** 2
        noise = torch.randn(clean.shape, generator=self._generator).to(clean)
        return alpha.sqrt() * clean + wanted.clamp(min=0).sqrt() * noise

    def _steps(self, start: float, count: int) -> list[int]:
        """Timesteps from `start` down to the plan's end, as noise-to-signal ratios."""
        last = len(self._ratios) - 1
        first = last if math.isinf(start) else self._nearest(start)
        if self._plan.linear_steps:
            even = [round(first * (1 - k / count)) for k in range(count)]
            return sorted(set(even), reverse=True)
        high = min(float(self._ratios[first]), 30.0)
        low = min(max(self._plan.end, float(self._ratios[0])), high)
        ladder = [high * (low / high) ** (k / max(1, count - 1)) for k in range(count)]
        steps = [self._nearest(ratio) for ratio in ladder]
        return sorted(set(steps), reverse=True)

    def _nearest(self, ratio: float) -> int:
        return int((self._ratios - ratio).abs().argmin())


def threshold(clean: Tensor, spread: Tensor) -> Tensor:
    """Dynamic thresholding without rescaling: clamp to the percentile 0.995, at most 100.

    `spread` (C, 1, 1) is what each channel varies by; published for latents of unit spread.
    """
    unit = clean / spread
    limit = torch.quantile(unit.abs().flatten(1), _THRESHOLD_SHARE, dim=1)
    limit = limit.clamp(1.0, _THRESHOLD_MOST)[:, None, None, None]
    return unit.clamp(-limit, limit) * spread
