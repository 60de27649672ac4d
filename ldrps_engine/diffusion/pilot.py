"""Third stage of a restoration: the pilot, a picture of how the photo should look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.degradation import NEUTRAL, Degradation
from ldrps_engine.analysis.noise_level import EVEN, Level
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.checkpoint import Checkpoints
from ldrps_engine.diffusion.colouring import Colouring, colour
from ldrps_engine.diffusion.plan import Plan
from ldrps_engine.diffusion.planning import RestorationPlan
from ldrps_engine.diffusion.recipes import noise_plan
from ldrps_engine.diffusion.reverse import Conditions
from ldrps_engine.diffusion.sampling import OnEstimate, Sampler
from ldrps_engine.diffusion.view import View
from ldrps_engine.progress import OnStep, Step

Array = NDArray[np.float32]

_PREVIEW = 256
"""Long side of a preview at most, pixels."""


@dataclass(frozen=True)
class Sample:
    """Output of the third stage: what the diffusion prior makes of a photo."""

    plan: RestorationPlan
    pilot: Array
    """(h, w, 3) at the view's scale."""
    oracle: Array
    """The photo without its noise, as the prior takes it: stabilised, at the view's scale."""
    steps: int
    """Reverse steps taken; 0 where nothing was to be done."""


def sample(plan: RestorationPlan, on_step: OnStep, checkpoint: bytes | None = None) -> Sample:
    """Sample the pilot. Goes on after the step that a `checkpoint` of the same plan was taken at.

    A photo with nothing for the prior to do is its own pilot.
    """
    if not plan.samples:
        return Sample(plan, plan.scaled, plan.scaled, 0)
    level = _level_shown(plan)
    sampler = _sampler_of_pilot(plan, level)
    saved = Checkpoints(plan.settings, plan.sampling, plan.view)
    if state := saved.read(checkpoint):
        sampler.resume(state)
    undone = np.clip(plan.degradation.invert(level.stabilise(plan.scaled)), 0, 1)
    report = _reporting(plan, sampler, saved, on_step)
    image = sampler.sample(plan.view.to_model(undone), report)
    oracle = _oracle(plan, image)
    pilot = _display(plan, image.clamp(0, 1))
    if plan.analysis.coloured_by_expert:
        seed = plan.settings.seed
        hint = plan.steering.hint
        pilot = colour(np.clip(pilot, 0, 1), seed, Colouring.of(seed), hint=hint)
    return Sample(plan, pilot, plan.view.from_model(oracle), sampler.count)


def _level_shown(plan: RestorationPlan) -> Level:
    """Without tones to bring back the prior is shown noise as it knows it, the same everywhere."""
    return plan.level if plan.degradation.is_neutral else EVEN


def _display(plan: RestorationPlan, image: Tensor) -> Array:
    """Turn an image of the view (1, 3, h, w) into display values without the view's padding."""
    return _level_shown(plan).invert(plan.view.from_model(image), plan.noise.in_view)


def _sampler_of_pilot(plan: RestorationPlan, level: Level) -> Sampler:
    entered = plan.view.to_model(level.stabilise(plan.scaled)).to(plan.prior.latent_std.device)
    guess = _in_view(plan.degradation, plan.view)
    aligner = Aligner(entered, guess, plan.sampling.alignment, plan.settings.seed)
    # The published method knows of no noise in the photo itself.
    noise = 0.0 if plan.pilot_only else plan.noise.amplified
    return _sampler(plan, aligner, plan.sampling, noise)


def _sampler(plan: RestorationPlan, aligner: Aligner, how: Plan, noise: float) -> Sampler:
    prior = plan.prior
    conditions = Conditions(prior.embed(plan.prompt), prior.embed(""), noise)
    generator = torch.Generator().manual_seed(plan.settings.seed)
    return Sampler(prior, aligner, conditions, how, generator)


def _reporting(
    plan: RestorationPlan, sampler: Sampler, saved: Checkpoints, on_step: OnStep
) -> OnEstimate:
    """Report each reverse step, with a preview and a checkpoint to be made when asked for."""
    later = sum(plan.parts)

    def on_estimate(stage: str, index: int, count: int, image: Callable[[], Tensor]) -> None:
        def picture() -> NDArray[np.uint8]:
            return _preview(_display(plan, image()))

        on_step(Step(stage, index, count + later, picture, lambda: saved.make(sampler.state())))

    return on_estimate


def _oracle(plan: RestorationPlan, image: Tensor) -> Tensor:
    """Return the photo without its noise: the pilot, if that has the photo's own light."""
    if not plan.filters or plan.degradation.is_neutral:
        return image
    entered = plan.view.to_model(plan.level.stabilise(plan.scaled))
    return _without_noise(plan, entered.to(plan.prior.latent_std.device))


def _without_noise(plan: RestorationPlan, entered: Tensor) -> Tensor:
    """Denoise the photo in its own light and colours by the prior."""
    how = noise_plan(plan.noise.in_view)
    aligner = Aligner(entered, NEUTRAL, how.alignment, plan.settings.seed)
    return _sampler(plan, aligner, how, plan.noise.in_view).sample(entered, lambda *_: None)


def _in_view(guess: Degradation, view: View) -> Degradation:
    """Lay the same field over the view and its padding, which it must not be stretched over."""
    gain, veil = (view.pad(resize(f, view.scaled, smooth=True)) for f in (guess.gain, guess.veil))
    return replace(guess, gain=gain, veil=veil)


def _preview(rgb: Array) -> NDArray[np.uint8]:
    """Shrink display values (h, w, 3) to uint8 of at most 256 pixels a side."""
    scale = min(1.0, _PREVIEW / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))
    return np.rint(np.clip(resize(rgb, size), 0, 1) * 255).astype(np.uint8)
