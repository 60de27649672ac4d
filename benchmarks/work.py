"""Work that `flops.py` counts and `gpu.py` times: the published steps and ours, on one photo.

Each way is a plan of the engine's own sampler, or the published step with its wasted work put
back in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.ldrps import LdrpsStep
from ldrps_engine.diffusion.recipes import LOW_LIGHT_SCRIPT, make_sampling_plan
from ldrps_engine.diffusion.reverse import Conditions
from ldrps_engine.diffusion.sampling import Sampler
from ldrps_engine.diffusion.sampling_plan import Decoding, SamplingPlan
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.settings import Settings

PUBLISHED_STEPS = 450 + 2 * 225
_DARK = Diagnosis(noise_sigma=2.0, haze=0.0, darkness=0.9, cast=0.0, grey=False)
_NOISE = 0.03


@dataclass(frozen=True)
class Way:
    """One way to restore a dark photo."""

    name: str
    plan: SamplingPlan
    wasteful: bool = False
    """As the published code: every step guided, and an encode whose result is not used."""
    quick: bool = True
    """True where the tiny autoencoder is installed."""


def ways() -> list[Way]:
    """Steps from the published work to ours, one change at a time."""
    paper, ours = plan_of(Settings(recipe="paper")), plan_of(Settings())
    guided = LdrpsStep(guidance=dataclasses.replace(LOW_LIGHT_SCRIPT.guidance, below=1000))
    fifty = plan_of(Settings(steps=50, recurrences=0))
    aligned = dataclasses.replace(fifty.alignment, side=256)
    limited = dataclasses.replace(ours, text_interval=(0.3, 5.0))
    return [
        Way("published", dataclasses.replace(paper, reverse_step=guided), wasteful=True),
        Way("paper recipe: waste removed", paper),
        Way("paper, tiny decoder", dataclasses.replace(paper, decoding=Decoding.TINY_FIRST)),
        Way("50 steps, F-PAM at 256", dataclasses.replace(fifty, alignment=aligned)),
        Way("auto, full decoder", ours, quick=False),
        Way("auto", ours),
        Way("auto, text in an interval", limited),
        *(Way(f"fast, {kind}", fast(kind)) for kind in ("ddim", "dpm++", "unipc")),
    ]


def fast(solver: str) -> SamplingPlan:
    """The recipe of that name, its few steps taken by one of the solvers."""
    return plan_of(Settings(recipe="fast", solver=solver))


def plan_of(settings: Settings) -> SamplingPlan:
    """Plan for a dark photo with some noise."""
    return make_sampling_plan(settings, _DARK, _NOISE)


class Bench:
    """A prior and a photo of random samples at 512x512 (or smaller) on a device."""

    def __init__(self, prior: LatentPrior, device: str, side: int = 512) -> None:
        self.prior, self._device, self._side = prior, device, side
        self.photo = torch.full((1, 3, side, side), 0.2, device=device)

    def sampler(self, way: Way, count: int = 1) -> Sampler:
        """Ready to sample `count` photos of one size side by side."""
        field = np.full((1, 1, 3), 0.1, np.float32)
        guess = Degradation(field, np.zeros_like(field), "light")
        one = way.plan.ensemble
        many = dataclasses.replace(one, latents=one.latents * count)
        plan = dataclasses.replace(way.plan, ensemble=many)
        aligner = Aligner(self.photo, guess, plan.alignment)
        words = Conditions(self.prior.embed("a street at night"), self.prior.embed(""), _NOISE)
        return Sampler(self.prior, aligner, words, plan, torch.Generator().manual_seed(0))

    def steps(self, sampler: Sampler) -> list[tuple[int, int | None, bool]]:
        """Each step, the one after it, and whether the tiny autoencoder will do."""
        found: list[tuple[int, int | None, bool]] = []
        for _, ladder in sampler.passes:
            following = [*ladder[1:], None]
            left = range(len(ladder), 0, -1)
            quick = [sampler.may_be_quick(k, len(ladder)) for k in left]
            found += zip(ladder, following, quick, strict=True)
        return found

    def run(self, way: Way, count: int = 1, on_step: Callable[[], None] = lambda: None) -> Tensor:
        """Sample one pilot, or `count` side by side."""
        sampler = self.sampler(way, count)

        def on_estimate(*_: object) -> None:
            if way.wasteful:
                self.waste(way)
            on_step()

        return sampler.sample(self.photo, on_estimate)

    def waste(self, way: Way) -> None:
        """Do the work whose result the published code never looks at, in each step."""
        self.prior.encode(self.photo.expand(way.plan.ensemble.latents, -1, -1, -1))
