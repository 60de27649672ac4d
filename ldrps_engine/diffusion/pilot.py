"""Third stage of a restoration, second half: the pilot, a picture of how the photo should look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.monochrome import grey_of
from ldrps_engine.analysis.resampling import reduce, resize
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.checkpoint import Checkpoints
from ldrps_engine.diffusion.colouring import Colouring, colour
from ldrps_engine.diffusion.denoising import Denoised
from ldrps_engine.diffusion.planning import RestorationPlan
from ldrps_engine.diffusion.preview import preview
from ldrps_engine.diffusion.reverse import Conditions
from ldrps_engine.diffusion.sampling import OnEstimate, Sampler
from ldrps_engine.diffusion.view import View
from ldrps_engine.progress import OnStep, Step

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Output of sampling: what the diffusion prior makes of a photo."""

    denoised: Denoised
    pilot: Array
    """(h, w, 3) at the view's scale."""

    @property
    def plan(self) -> RestorationPlan:
        """The plan that it was made by."""
        return self.denoised.plan


def sample(denoised: Denoised, on_step: OnStep, checkpoint: bytes | None = None) -> Sample:
    """Sample the pilot. Goes on after the step that a `checkpoint` of the same plan was taken at.

    A photo with no light, haze or colour to bring back is its own pilot.
    """
    plan = denoised.plan
    pilot = _sampled(denoised, on_step, checkpoint) if plan.samples_pilot else denoised.scaled
    if plan.restores and plan.analysis.coloured_by_expert:
        seed, hint = plan.settings.seed, plan.steering.hint
        pilot = colour(np.clip(pilot, 0, 1), seed, Colouring.of(seed), hint=hint)
    if plan.restores and plan.analysis.colours and plan.analysis.amounts.colour != 1:
        grey = grey_of(pilot)
        pilot = grey + np.float32(plan.analysis.amounts.colour) * (pilot - grey)
    return Sample(denoised, pilot)


def _sampled(denoised: Denoised, on_step: OnStep, checkpoint: bytes | None) -> Array:
    """Sample the pilot (h, w, 3), from the photo as it is: the prior knows of its noise."""
    plan = denoised.plan
    unfiltered = denoised.rgb is plan.rgb
    scaled = denoised.scaled if unfiltered else reduce(plan.rgb, plan.view.scaled)
    sampler = _sampler(plan, scaled)
    saved = Checkpoints(plan.settings, plan.sampling, plan.view)
    if state := saved.read(checkpoint):
        sampler.resume(state)
    undone = np.clip(plan.degradation.invert(scaled), 0, 1)
    report = _reporting(plan, sampler, saved, on_step)
    image = sampler.sample(plan.view.to_model(undone), report)
    return plan.view.from_model(image.clamp(0, 1))


def _sampler(plan: RestorationPlan, scaled: Array) -> Sampler:
    prior, how, seed = plan.prior, plan.sampling, plan.settings.seed
    entered = plan.view.to_model(scaled).to(prior.latent_std.device)
    aligner = Aligner(entered, _in_view(plan.degradation, plan.view), how.alignment, seed)
    # The published method knows of no noise in the photo itself.
    noise = 0.0 if plan.pilot_only else plan.noise.in_view
    conditions = Conditions(prior.embed(plan.prompt), prior.embed(""), noise)
    return Sampler(prior, aligner, conditions, how, torch.Generator().manual_seed(seed))


def _reporting(
    plan: RestorationPlan, sampler: Sampler, saved: Checkpoints, on_step: OnStep
) -> OnEstimate:
    """Report each reverse step, with a preview and a checkpoint to be made when asked for."""
    before, count, after = plan.work_units

    def on_estimate(stage: str, index: int, _: int, image: Callable[[], Tensor]) -> None:
        def picture() -> NDArray[np.uint8]:
            return preview(plan.view.from_model(image().clamp(0, 1)))

        def state() -> bytes:
            return saved.make(sampler.state())

        on_step(Step(stage, before + index, before + count + after, picture, state))

    return on_estimate


def _in_view(guess: Degradation, view: View) -> Degradation:
    """Extend the field over the view's padding without stretching it."""
    gain, offset = (
        view.pad(resize(f, view.scaled, smooth=True)) for f in (guess.gain, guess.offset)
    )
    return replace(guess, gain=gain, offset=offset)
