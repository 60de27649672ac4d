"""Second stage of a restoration: what will be done about the findings, and with which numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.analyse import Analysis
from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.monochrome import grey_of
from ldrps_engine.analysis.noise_level import EVEN, Level
from ldrps_engine.analysis.noise_spectrum import noise_sigma, noise_spectrum
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.captioning.describer import describe, prompt
from ldrps_engine.diffusion.plan import Filtering, Outcome, Plan
from ldrps_engine.diffusion.recipes import make_plan
from ldrps_engine.diffusion.steering import Steering
from ldrps_engine.diffusion.view import View
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.progress import Described, OnStep
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.compositing import parts_to_compose
from ldrps_engine.transfer.deblocking import without_blocks
from ldrps_engine.transfer.noise_filter import parts_to_filter
from ldrps_engine.transfer.tuning import Tuning, is_tunable

Array = NDArray[np.float32]

_VISIBLE_NOISE = 2.0 / 255
_SAME_IN_ALL = math.sqrt(3)
"""Noise that is the same in all three channels is so much stronger in luminance than noise of the
same sigma that the prior knows."""


@dataclass(frozen=True, kw_only=True)
class NoiseSeen:
    """Standard deviations of the photo's noise. Neutral: all 0."""

    stabilised: float
    """At the photo's own size, in stabilised values."""
    in_view: float
    """At the view's size, as the prior sees it, in stabilised values."""
    amplified: float
    """The same once the degradation is undone."""
    visible: float
    """At the photo's own size, once the degradation is undone."""


@dataclass(frozen=True, kw_only=True)
class RestorationPlan:
    """Output of the second stage: the photo as it will be worked on, and how."""

    analysis: Analysis
    prior: LatentPrior
    view: View
    rgb: Array
    """(H, W, 3), the analysed photo without blocks where they would show."""
    scaled: Array
    """(h, w, 3), the same at the view's size."""
    noise: NoiseSeen
    description: Described
    """Contents of the photo, for people."""
    steering: Steering
    """Colours that the user's description gives to things, for the scene expert."""
    prompt: str
    """Contents of the photo, for the prior."""
    sampling: Plan
    tuning: Tuning | None
    """Training of a copy of the prior on the photo's noise; None where that does not pay."""

    @property
    def settings(self) -> Settings:
        """The caller's choices."""
        return self.analysis.settings

    @property
    def degradation(self) -> Degradation:
        """First guess of what light, haze and fading have done."""
        return self.analysis.degradation

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the photo."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def samples(self) -> bool:
        """Tell whether the prior has anything to do: a blind recipe leaves a good photo alone."""
        analysis = self.analysis
        return not self.settings.blind or analysis.diagnosis.needs_prior or analysis.colours

    @property
    def pilot_only(self) -> bool:
        """Tell whether the pilot is the result, as published."""
        return self.sampling.outcome is Outcome.PILOT

    @property
    def quick(self) -> bool:
        """Tell whether noise is filtered quickly, for a little less quality."""
        return self.sampling.filtering is Filtering.QUICK

    @property
    def level(self) -> Level:
        """Curve that makes the noise even where it is filtered."""
        return EVEN if self.pilot_only else self.analysis.measured_noise.level

    @property
    def filters(self) -> bool:
        """Tell whether there is noise to be filtered."""
        return self.noise.visible > _VISIBLE_NOISE and not self.pilot_only

    @property
    def parts(self) -> tuple[int, int, int]:
        """Units of work after sampling: filtering, tuning to the noise, and compositing."""
        filtered = parts_to_filter(self.size, quick=self.quick) if self.filters else []
        tuned = self.tuning.count if self.tuning else 0
        return len(filtered), tuned, len(parts_to_compose(self.size))

    def as_seen(self, sigma: float) -> float:
        """Return a standard deviation of the photo's noise as the prior sees it."""
        return _as_seen(self.analysis, sigma)


def plan_restoration(analysis: Analysis, prior: LatentPrior, on_step: OnStep) -> RestorationPlan:
    """Decide what is done about the findings. Reports the description."""
    request, guess = analysis.request, analysis.degradation
    rgb, small = analysis.rgb, analysis.small
    if analysis.smooths_blocks:
        rgb = without_blocks(rgb, analysis.measured.known.blocks)
        small = request.no_larger_than_view(rgb)
    view = View.of(prior, rgb)
    scaled = resize(small, view.scaled)
    noise = _noise_seen(analysis, scaled, view)
    mended = np.clip(guess.invert(small), 0, 1)
    sampling = make_plan(
        analysis.settings,
        analysis.diagnosis,
        noise.amplified,
        toned=not guess.is_neutral,
        coloured=analysis.colours and not analysis.coloured_by_expert,
        knows_scenes=prior.knows_scenes,
    )
    steering = _steering(analysis, guess, scaled)
    plan = RestorationPlan(
        analysis=analysis,
        prior=prior,
        view=view,
        rgb=rgb,
        scaled=scaled,
        noise=noise,
        description=describe(
            analysis.recognition,
            analysis.settings,
            request.opinion,
            (*analysis.remarks, *steering.remarks),
        ),
        steering=steering,
        prompt=prompt(mended, analysis.settings, request.opinion),
        sampling=sampling,
        tuning=None,
    )
    moved = 0.0 if guess.is_neutral else float(np.abs(mended - np.clip(small, 0, 1)).mean())
    description = _with_unmet(plan, moved)
    on_step(description)
    return replace(plan, description=description, tuning=_tuning(plan))


def _steering(analysis: Analysis, guess: Degradation, scaled: Array) -> Steering:
    """Look for the things whose colours the user tells, where the expert gives colours."""
    if not analysis.coloured_by_expert or not analysis.settings.description:
        return Steering(None, ())
    luma = grey_of(np.clip(guess.invert(scaled), 0, 1))[..., 0]
    return Steering.of(analysis.settings.description, luma)


def _with_unmet(plan: RestorationPlan, moved: float) -> Described:
    """Add to the remarks what was asked for and is not done; tones move by `moved` in the mean."""
    analysis, filters = plan.analysis, plan.filters and plan.samples
    changes = not plan.degradation.is_neutral or filters or analysis.colours or plan.pilot_only
    done = Done(
        moved=moved,
        filters=filters,
        colours=analysis.colours,
        published=plan.pilot_only,
        works=plan.samples and (changes or "pilot" in plan.settings.layers),
    )
    said = unmet(plan.settings, analysis.diagnosis, done)
    return replace(plan.description, remarks=(*plan.description.remarks, *said))


def _tuning(plan: RestorationPlan) -> Tuning | None:
    """Prepare tuning where there is enough noise for it and the prior can learn."""
    steps = plan.sampling.tuning if plan.filters and plan.analysis.diagnosis.is_noisy else 0
    learner = plan.prior.learner() if steps and is_tunable(plan.size) else None
    if learner is None:
        return None
    return Tuning(plan.prior, learner, plan.size, steps, plan.settings.seed)


def _noise_seen(analysis: Analysis, scaled: Array, view: View) -> NoiseSeen:
    measured, guess = analysis.measured_noise, analysis.degradation
    stabilised = analysis.diagnosis.noise_sigma / 255 / measured.spread
    left = _noise_left(scaled, measured.level, stabilised, view.scale)
    in_view = _as_seen(analysis, left)
    gain = guess.amplification(scaled, measured.level.relative(scaled))
    return NoiseSeen(
        stabilised=stabilised,
        in_view=in_view,
        amplified=in_view if guess.is_neutral else gain * in_view,
        visible=gain * stabilised,
    )


def _as_seen(analysis: Analysis, sigma: float) -> float:
    return sigma * _SAME_IN_ALL if analysis.diagnosis.grey else sigma


def _noise_left(scaled: Array, level: Level, sigma: float, scale: float) -> float:
    """Measure what a smaller size of a photo has left of its noise; `scale` of it if white."""
    if scale >= 1:
        return sigma
    found = noise_sigma(noise_spectrum(scaled, None if level.is_even else level.stabilise))
    return float(np.clip(found, scale * sigma, sigma))
