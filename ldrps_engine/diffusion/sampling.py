"""Recurrent posterior sampling: one reverse step, one pass, the recurrences (LD-RPS, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.plan import Plan
from ldrps_engine.diffusion.solver import Solver
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.schedule import nearest_step, noise_ratios

_THRESHOLD_SHARE = 0.995
_THRESHOLD_MOST = 100.0
_RECURRENCE_STRENGTH = 0.5
# Of every pass, this share is guided through the full autoencoder where a tiny one does the rest.
_EXACT_SHARE = 0.1

OnEstimate = Callable[[str, int, int, Callable[[], Tensor]], None]
"""Called after each step with stage, index, count and what makes the clean image (1, 3, H, W)."""


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
        self._solver = Solver(plan.solver)
        self._ratios = noise_ratios(prior.alphas)
        middle = float(self._ratios[int(len(self._ratios) * _RECURRENCE_STRENGTH)])
        again = self._steps(min(plan.start, middle), max(1, plan.steps // 2))
        self._passes = [("sample", self._steps(plan.start, plan.steps))]
        self._passes += [("refine", again)] * plan.recurrences
        self._state: dict[str, Tensor] = {}

    @property
    def passes(self) -> list[tuple[str, list[int]]]:
        """Stage and timesteps of each pass."""
        return self._passes

    @property
    def count(self) -> int:
        """Reverse steps over all passes."""
        return sum(len(steps) for _, steps in self._passes)

    def sample(self, first: Tensor, on_estimate: OnEstimate) -> Tensor:
        """The pilot (1, 3, H, W) from a first guess of the clean image of the same shape.

        Of several latents side by side, the first or the mean becomes the pilot, as planned.
        """
        if self._plan.mirrored:
            clean = noisy = self._prior.encode(_mirrored(first))
        else:
            clean = noisy = self._prior.encode(first).repeat(self._plan.latents, 1, 1, 1)
        resumed, done = 0, 0
        if self._state:
            clean, noisy = self._state["clean"].to(clean), self._state["noisy"].to(clean)
            resumed = int(self._state["done"])
        for stage, steps in self._passes:
            for k, step in enumerate(steps):
                done += 1
                if done <= resumed:
                    continue
                if k == 0:
                    self._solver = Solver(self._plan.solver)
                    blank = stage == "sample" and math.isinf(self._plan.start)
                    noisy = self._noised(torch.zeros_like(clean) if blank else clean, step)
                following = steps[k + 1] if k + 1 < len(steps) else None
                quick = self.may_be_quick(len(steps) - k, len(steps))
                clean, noisy = self.reverse_step(noisy, step, following, quick=quick)
                self._state = {"clean": clean, "noisy": noisy, "done": torch.tensor(done)}
                on_estimate(stage, done, self.count, partial(self._image, clean))
        return self._image(clean)

    @torch.no_grad()
    def _image(self, clean: Tensor) -> Tensor:
        if not self._plan.averaged:
            return self._prior.decode(clean[:1])
        images = torch.cat([self._prior.decode(one[None]) for one in clean])
        return self._upright(images).mean(0, keepdim=True)

    def _upright(self, images: Tensor) -> Tensor:
        return _mirrored(images) if self._plan.mirrored else images

    def may_be_quick(self, left: int, count: int) -> bool:
        """Whether a tiny autoencoder will do: not for the last steps of a pass."""
        return not self._plan.full_decode and left > max(1, round(_EXACT_SHARE * count))

    def state(self) -> dict[str, Tensor]:
        """Everything the next step depends on, by name; valid until that step."""
        return {
            **self._state,
            "generator": self._generator.get_state(),
            **self._solver.state(),
            **self._aligner.state(),
        }

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Let `sample` go on after the step that `state` was taken at."""
        self._state = {name: state[name] for name in ("clean", "noisy", "done")}
        self._generator.set_state(state["generator"])
        self._solver.resume(state)
        self._aligner.resume(state)

    def reverse_step(
        self, noisy: Tensor, step: int, following: int | None, *, quick: bool = False
    ) -> tuple[Tensor, Tensor]:
        """One reverse step: clean estimate, F-PAM's step, guidance, and on to the next level.

        Returns the clean latent and the next noisy one. `quick` decodes by the tiny autoencoder.
        """
        plan, prior = self._plan, self._prior
        clean = prior.denoise(
            noisy, step, self._conditions.text, self._conditions.empty, self._text_scale(step)
        )
        alpha = float(prior.alphas[step])
        noise = (noisy - math.sqrt(alpha) * clean) / math.sqrt(1 - alpha)
        if plan.threshold:
            clean = threshold(clean, prior.latent_std)
        after = 1.0 if following is None else float(prior.alphas[following])
        estimate = clean
        if plan.published_estimate:
            ahead = math.sqrt(after) * clean + math.sqrt(1 - after) * noise
            estimate = (ahead - math.sqrt(1 - alpha) * noise) / math.sqrt(alpha)
        # Decoded once, for F-PAM and for guidance: decoding and its gradient are most of the work.
        latent = estimate.detach().requires_grad_(self._is_guided(step))
        with torch.set_grad_enabled(latent.requires_grad):
            image = (prior.decode_quickly if quick else prior.decode)(latent)
        self._aligner.learn(self._upright(image.detach()))
        gradient = self._posterior_gradient(latent, image, step)
        guided = self._proximal_step(clean, latent, image, step)
        noise = self._solver.corrected(guided, noise, alpha)
        return guided - gradient, self._solver.advance(guided, noise, alpha, after) - gradient

    def kind_of(self, step: int) -> tuple[object, ...]:
        """Steps of one kind do the same work."""
        tone = step < self._plan.guidance.tone_below
        return self._text_scale(step) == 1.0, self._is_guided(step), tone

    def _is_guided(self, step: int) -> bool:
        weights = self._plan.guidance
        return step < weights.below and bool(weights.paper_scale or weights.data)

    def _text_scale(self, step: int) -> float:
        """Kynkäänniemi et al., "Applying guidance in a limited interval" (NeurIPS 2024)."""
        low, high = self._plan.text_interval
        return self._plan.text_scale if low <= float(self._ratios[step]) <= high else 1.0

    def _posterior_gradient(self, latent: Tensor, image: Tensor, step: int) -> Tensor:
        """LD-RPS's guidance: what is taken from the next noisy latent."""
        weights = self._plan.guidance
        if not (self._is_guided(step) and weights.paper_scale):
            return torch.zeros_like(latent)
        loss = self._aligner.guidance_loss(image, weights, step)
        return torch.autograd.grad(loss, latent)[0]

    def _proximal_step(self, clean: Tensor, latent: Tensor, image: Tensor, step: int) -> Tensor:
        """Move towards the photo as far as its noise and the prior's uncertainty allow.

        Zhu et al., "Denoising diffusion models for plug-and-play image restoration" (DiffPIR,
        CVPRW 2023): the proximal step, here in the clean domain through F-PAM's inverse.
        """
        weights = self._plan.guidance
        if not (self._is_guided(step) and weights.data):
            return clean
        noise = 2 * self._conditions.noise
        doubt = float(self._ratios[step])
        certainty = doubt**2 / (doubt**2 + noise**2 + 1e-8)
        error = image - self._aligner.clean_photo(image.detach())
        (gradient,) = torch.autograd.grad(error.square().sum() / 2, latent)
        return clean - weights.data * certainty * self._prior.step_size * gradient

    def _noised(self, clean: Tensor, step: int) -> Tensor:
        """Noise up to `step`; the photo's own noise counts as part of it."""
        alpha = self._prior.alphas[step].to(clean)
        wanted = (1 - alpha) - alpha * (2 * self._conditions.noise) ** 2
        noise = torch.randn(clean.shape, generator=self._generator).to(clean)
        return alpha.sqrt() * clean + wanted.clamp(min=0).sqrt() * noise

    def _steps(self, start: float, count: int) -> list[int]:
        """Timesteps from `start` down to the plan's end, as noise-to-signal ratios."""
        last = len(self._ratios) - 1
        first = last if math.isinf(start) else nearest_step(self._ratios, start)
        if self._plan.linear_steps:
            even = [round(first * (1 - k / count)) for k in range(count)]
            return sorted(set(even), reverse=True)
        high = min(float(self._ratios[first]), 30.0)
        low = min(max(self._plan.end, float(self._ratios[0])), high)
        ladder = [high * (low / high) ** (k / max(1, count - 1)) for k in range(count)]
        steps = [nearest_step(self._ratios, ratio) for ratio in ladder]
        return sorted(set(steps), reverse=True)


def _mirrored(images: Tensor) -> Tensor:
    """(4, C, H, W): as it is, mirrored across, down, and both; the same again takes it back.

    One image (1, C, H, W) is mirrored in each way, four images each in its own.
    """
    ways: tuple[list[int], ...] = ([], [3], [2], [2, 3])
    four = images.expand(4, -1, -1, -1).split(1)
    return torch.cat([one.flip(way) for one, way in zip(four, ways, strict=True)])


def threshold(clean: Tensor, latent_std: Tensor) -> Tensor:
    """Dynamic thresholding without rescaling: clamp to the percentile 0.995, at most 100.

    `latent_std` (C, 1, 1) is what each channel varies by; published for latents of unit deviation.
    """
    unit = clean / latent_std
    limit = torch.quantile(unit.abs().flatten(1), _THRESHOLD_SHARE, dim=1)
    limit = limit.clamp(1.0, _THRESHOLD_MOST)[:, None, None, None]
    return unit.clamp(-limit, limit) * latent_std
