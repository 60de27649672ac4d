"""Recipes: from settings and diagnosis to the plan of one photo."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.diffusion.ensemble import Combination, Ensemble
from ldrps_engine.diffusion.ldrps import LdrpsStep
from ldrps_engine.diffusion.proximal import ProximalStep
from ldrps_engine.diffusion.sampling_plan import Decoding, Outcome, SamplingPlan
from ldrps_engine.diffusion.timesteps import Spacing
from ldrps_engine.diffusion.weights import FIXED, LEARNING, Alignment, Guidance
from ldrps_engine.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Script:
    """Constants of one of the three scripts that LD-RPS published."""

    guidance: Guidance
    content: float
    """w_mse of F-PAM's training."""
    perceptual: float
    """w_per."""
    adversarial: float
    """w_adv."""
    discriminator_rate: float
    """Adam's rate for the discriminator."""
    recurrences: int


LOW_LIGHT_SCRIPT = Script(
    guidance=Guidance(
        scale=80000.0,
        perceptual=2e-3,
        adversarial=5e-5,
        exposure=1e-2,
        grey_world=1e-2,
        tone_below=100,
        below=700,
    ),
    content=0.02,
    perceptual=0.3,
    adversarial=0.8,
    discriminator_rate=4e-5,
    recurrences=2,
)
HAZE_SCRIPT = Script(
    guidance=Guidance(
        scale=25000.0,
        perceptual=5e-3,
        exposure=1e-2,
        grey_world=1e-3,
        tone_below=150,
        below=700,
    ),
    content=0.2,
    perceptual=0.5,
    adversarial=0.2,
    discriminator_rate=2e-5,
    recurrences=0,
)
NOISE_SCRIPT = Script(
    guidance=Guidance(scale=40000.0, below=700),
    content=3.0,
    perceptual=0.002,
    adversarial=0.001,
    discriminator_rate=1e-3,
    recurrences=1,
)

_FAST_STEPS = 4
# Steps with a prior that does not know scenes: one more brings nothing.
_FEWEST_STEPS = 2
_COLOURINGS = 4
_COLOURING_STEPS = 5


def make_sampling_plan(
    settings: Settings,
    diagnosis: Diagnosis,
    amplified: float,
    *,
    coloured: bool = False,
    knows_scenes: bool = True,
) -> SamplingPlan:
    """Return the plan for a photo. `amplified` is its noise in the clean domain, 0 to 1 per
    sample; `coloured` says that the photo has no colours and is to get some. `knows_scenes` is the
    prior's.
    """
    plan = _paper(diagnosis) if settings.recipe == "paper" else _ours(amplified, knows_scenes)
    if settings.recipe == "fast":
        plan = _fast(plan, knows_scenes)
    if coloured:
        plan = _coloured(plan)
    # After everything else: a number that the caller gives is never silently changed.
    return _as_chosen(plan, settings)


def _as_chosen(plan: SamplingPlan, settings: Settings) -> SamplingPlan:
    """Give the caller's own numbers precedence over the recipe's."""
    if settings.steps is not None:
        plan = dataclasses.replace(plan, steps=settings.steps)
    if settings.recurrences is not None:
        plan = dataclasses.replace(plan, recurrences=settings.recurrences)
    if settings.solver is not None:
        plan = dataclasses.replace(plan, solver=settings.solver)
    return plan


def _paper(diagnosis: Diagnosis) -> SamplingPlan:
    """Return LD-RPS as the paper describes it, with the script that the diagnosis calls for."""
    script = NOISE_SCRIPT
    if diagnosis.is_hazy:
        script = HAZE_SCRIPT
    # Light wins where both are found: each published script corrects one degradation.
    if diagnosis.is_dark:
        script = LOW_LIGHT_SCRIPT
    return SamplingPlan(
        steps=450,
        recurrences=script.recurrences,
        text_scale=8.0,
        start=float("inf"),
        end=0.0,
        reverse_step=LdrpsStep(guidance=script.guidance),
        alignment=Alignment(
            physical=False,
            content=script.content,
            perceptual=script.perceptual,
            adversarial=script.adversarial,
            discriminator_rate=script.discriminator_rate,
            side=0,
        ),
        spacing=Spacing.TIMESTEPS,
        ensemble=Ensemble(2, Combination.FIRST),
        decoding=Decoding.FULL,
        outcome=Outcome.PILOT,
    )


def _ours(amplified: float, knows_scenes: bool) -> SamplingPlan:
    """Return a plan that samples light, haze and colour from above the noise.

    With a prior that does not know scenes, text, recurrence and what F-PAM learns bring nothing
    (docs/research/ablations.md).
    """
    noise = _in_latents(amplified)
    return SamplingPlan(
        steps=12,
        recurrences=1 if knows_scenes else 0,
        text_scale=2.0 if knows_scenes else 1.0,
        # Above the photo's own noise, or there would be nothing to sample between start and end.
        start=max(1.0, 1.2 * noise),
        end=noise,
        reverse_step=ProximalStep(),
        alignment=LEARNING if knows_scenes else FIXED,
    )


def _fast(plan: SamplingPlan, knows_scenes: bool) -> SamplingPlan:
    """Return the same plan in a few steps, with quick filtering."""
    steps = min(plan.steps, _FAST_STEPS if knows_scenes else _FEWEST_STEPS)
    return dataclasses.replace(plan, steps=steps, recurrences=0, quick=True)


def _coloured(plan: SamplingPlan) -> SamplingPlan:
    """Return the same plan with the mean of several samples as the pilot.

    Where samples disagree about a colour it is unknown: their mean has less of it. In many steps
    a sample makes up its mind, and leaves stains.
    """
    return dataclasses.replace(
        plan,
        ensemble=Ensemble(_COLOURINGS, Combination.MEAN),
        steps=min(plan.steps, _COLOURING_STEPS),
        recurrences=0,
        text_scale=1.0,
    )


def _in_latents(noise: float) -> float:
    """Convert noise of display values, which span [0, 1], to that of latents, [-1, 1]."""
    return max(2.0 * noise, 0.02)
