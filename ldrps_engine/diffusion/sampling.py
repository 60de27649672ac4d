"""Recurrent posterior sampling: passes of reverse steps, and the recurrences (LD-RPS, section 3).

The step itself is the plan's: `ldrps` is the published one, `proximal` our own recipes'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.reverse import Conditions, NoiseLevel, SamplingContext
from ldrps_engine.diffusion.sampling_plan import Decoding, SamplingPlan
from ldrps_engine.diffusion.solver import Solver
from ldrps_engine.diffusion.timesteps import timesteps
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.schedule import noise_ratios

_RECURRENCE_STRENGTH = 0.5
# Of every pass, this share is guided through the full autoencoder where a tiny one does the rest.
_EXACT_SHARE = 0.1

OnEstimate = Callable[[str, int, int, Callable[[], Tensor]], None]
"""Called after each step with stage, index, count and what makes the clean image (1, 3, H, W)."""


class Sampler:
    """Samples one photo's pilot. Deterministic for a generator on one device."""

    def __init__(
        self,
        prior: LatentPrior,
        aligner: Aligner,
        conditions: Conditions,
        sampling_plan: SamplingPlan,
        generator: torch.Generator,
    ) -> None:
        self._prior, self._aligner, self._sampling_plan = prior, aligner, sampling_plan
        self._conditions = conditions
        self._generator = generator
        self._solver = Solver(sampling_plan.solver)
        self._ratios = noise_ratios(prior.alphas)
        self._passes = passes_of(prior, sampling_plan)
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
        """Return the pilot (1, 3, H, W), from a first guess of the clean image of the same shape.

        Of several latents side by side, the plan's ensemble makes one picture.
        """
        z_0 = z_t = self._sampling_plan.ensemble.encode(self._prior, first)
        resumed, done = 0, 0
        if self._state:
            z_0, z_t = self._state["clean"].to(z_0), self._state["noisy"].to(z_0)
            resumed = int(self._state["done"])
        for stage, steps in self._passes:
            for k, t in enumerate(steps):
                done += 1
                # Skipped and not sliced away, so that counts and stages are those of an unbroken
                # run.
                if done <= resumed:
                    continue
                if k == 0:
                    z_t = self._begin(stage, z_0, t)
                following = steps[k + 1] if k + 1 < len(steps) else None
                quick = self.may_be_quick(len(steps) - k, len(steps))
                z_0, z_t = self.reverse_step(z_t, t, following, quick=quick)
                # Before the callback, which may raise to pause: the step is done, and is not
                # repeated.
                self._state = {"clean": z_0, "noisy": z_t, "done": torch.tensor(done)}
                on_estimate(stage, done, self.count, partial(self._image, z_0))
        return self._image(z_0)

    def reverse_step(
        self, z_t: Tensor, t: int, following: int | None, *, quick: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Take the plan's reverse step from `t` to the `following` timestep; None: to the end.

        Returns the clean latent and the next noisy one. `quick` decodes by the tiny autoencoder.
        """
        prior = self._prior
        at = NoiseLevel(
            t=t,
            alpha_bar=float(prior.alphas[t]),
            alpha_bar_prev=1.0 if following is None else float(prior.alphas[following]),
            noise_ratio=float(self._ratios[t]),
            text_scale=self._text_scale(t),
        )
        decode = prior.decode_quickly if quick else prior.decode
        context = SamplingContext(prior, self._aligner, self._conditions, self._solver, decode)
        return self._sampling_plan.reverse_step(z_t, at, context)

    def may_be_quick(self, left: int, count: int) -> bool:
        """Tell whether a tiny autoencoder will do: not for the last steps of a pass."""
        tiny = self._sampling_plan.decoding is Decoding.TINY_FIRST
        return tiny and left > max(1, round(_EXACT_SHARE * count))

    def kind_of(self, t: int) -> tuple[object, ...]:
        """Return a key that is the same for steps which do the same work."""
        # A scale of 1 saves the evaluation without text, so such steps are quicker.
        return self._text_scale(t) == 1.0, *self._sampling_plan.reverse_step.work_at(t)

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

    @torch.no_grad()
    def _image(self, z_0: Tensor) -> Tensor:
        return self._sampling_plan.ensemble.decode(self._prior, z_0)

    def _text_scale(self, t: int) -> float:
        """Scale of the text's guidance at a timestep.

        Kynkäänniemi et al., "Applying guidance in a limited interval" (NeurIPS 2024).
        """
        low, high = self._sampling_plan.text_interval
        return self._sampling_plan.text_scale if low <= float(self._ratios[t]) <= high else 1.0

    def _begin(self, stage: str, z_0: Tensor, t: int) -> Tensor:
        """Start a pass: a new solver, and the last clean latent noised up to `t`."""
        self._solver = Solver(self._sampling_plan.solver)
        # As published, from noise alone: the photo comes in by guidance, not as a first guess.
        blank = stage == "sample" and math.isinf(self._sampling_plan.start)
        return self._noised(torch.zeros_like(z_0) if blank else z_0, t)

    def _noised(self, z_0: Tensor, t: int) -> Tensor:
        """Noise up to `t`; the photo's own noise counts as part of it."""
        alpha_bar = self._prior.alphas[t].to(z_0)
        # Variances add up. Noise is of display values, [0, 1]; latents span [-1, 1], hence the 2.
        wanted = (1 - alpha_bar) - alpha_bar * (2 * self._conditions.noise) ** 2
        noise = torch.randn(z_0.shape, generator=self._generator).to(z_0)
        return alpha_bar.sqrt() * z_0 + wanted.clamp(min=0).sqrt() * noise


def passes_of(prior: LatentPrior, sampling_plan: SamplingPlan) -> list[tuple[str, list[int]]]:
    """Return stage and timesteps of each pass: the first one, and its recurrences."""
    ratios = noise_ratios(prior.alphas)
    middle = float(ratios[int(len(ratios) * _RECURRENCE_STRENGTH)])
    first = timesteps(
        ratios, sampling_plan.start, sampling_plan.end, sampling_plan.steps, sampling_plan.spacing
    )
    again = timesteps(
        ratios,
        min(sampling_plan.start, middle),
        sampling_plan.end,
        max(1, sampling_plan.steps // 2),
        sampling_plan.spacing,
    )
    return [("sample", first)] + [("refine", again)] * sampling_plan.recurrences
