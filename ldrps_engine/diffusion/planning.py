"""Second stage of a restoration: what will be done about the findings, and with which numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.analyse import Analysis
from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.faces import Face, find_faces, kept_words
from ldrps_engine.analysis.monochrome import grey_of
from ldrps_engine.analysis.noise_level import Level
from ldrps_engine.analysis.noise_spectrum import noise_sigma, noise_spectrum
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.captioning.describer import describe, prompt
from ldrps_engine.diffusion.recipes import make_sampling_plan
from ldrps_engine.diffusion.sampling import passes_of
from ldrps_engine.diffusion.sampling_plan import Outcome, SamplingPlan
from ldrps_engine.diffusion.steering import Steering
from ldrps_engine.diffusion.view import View
from ldrps_engine.photo import Part
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.progress import Described, OnStep
from ldrps_engine.settings import STAGES, Settings
from ldrps_engine.transfer.compositing import parts_to_compose
from ldrps_engine.transfer.deblocking import without_blocks
from ldrps_engine.transfer.tiles import bounds_to_denoise, parts_to_denoise

Array = NDArray[np.float32]

_VISIBLE_NOISE = 2.0 / 255
# Noise that is the same in all three channels is so much stronger in luminance than noise of the
# same sigma that the prior knows.
_SAME_IN_ALL = math.sqrt(3)

# Scale of a view, up to which each of its pixels is the mean of most of a block or more.
_BLOCKLESS = 1 / 6


@dataclass(frozen=True, kw_only=True)
class NoiseSeen:
    """Standard deviations of the photo's noise once the degradation is undone. Neutral: all 0."""

    visible: float
    """At the photo's own size."""
    in_view: float
    """At the view's size, as the prior sees it."""


_NOT_LOOKED_FOR = NoiseSeen(visible=0.0, in_view=0.0)


@dataclass(frozen=True, kw_only=True)
class RestorationPlan:
    """Output of planning: the photo as it will be worked on, and how."""

    analysis: Analysis
    prior: LatentPrior
    view: View
    rgb: Array
    """(H, W, 3), the analysed photo without blocks where they would show."""
    noise: NoiseSeen
    description: Described
    """Contents of the photo, for people."""
    steering: Steering
    """Colours that the user's description gives to things, for the scene expert."""
    prompt: str
    """Contents of the photo, for the prior."""
    sampling: SamplingPlan
    faces: tuple[Face, ...] = ()
    """Faces in the photo; none are looked for where no more than noise is filtered."""
    crop: Part | None = None
    """The only part of the photo that is wanted of the result; None: all of it."""

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
    def restores(self) -> bool:
        """Tell whether there is anything to do: a blind recipe leaves a good photo alone."""
        if not self.settings.blind or self.analysis.colours:
            return True
        return self.analysis.is_faulty and (not self.degradation.is_neutral or self.filters_noise)

    @property
    def changes_nothing(self) -> bool:
        """Tell whether the photo comes back as it is, and nothing else is wanted of it."""
        return not self.restores and not self.stages and self.layers == ("restored",)

    @property
    def samples_pilot(self) -> bool:
        """Tell whether the prior has anything to do: light, haze, fading or colour."""
        return self.restores and (self.pilot_only or not self.degradation.is_neutral)

    @property
    def pilot_only(self) -> bool:
        """Tell whether the pilot is the result, as published."""
        return self.sampling.outcome is Outcome.PILOT

    @property
    def quick(self) -> bool:
        """Tell whether noise is filtered quickly, for a little less quality."""
        return self.sampling.quick

    @property
    def filters_noise(self) -> bool:
        """Tell whether there is noise to be filtered."""
        return _shows(self.noise) and not self.pilot_only

    @property
    def work_units(self) -> tuple[int, int, int]:
        """Units of work: parts without noise, reverse steps, and composited parts."""
        filters_noise = self.restores and self.filters_noise
        filtered = parts_to_denoise(self.size, self.crop) if filters_noise else []
        passes = passes_of(self.prior, self.sampling) if self.samples_pilot else []
        steps = sum(len(timesteps) for _, timesteps in passes)
        return len(filtered), steps, len(parts_to_compose(self.size, self.crop))

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages that change the photo, out of STAGES and in their order."""
        analysis, restores = self.analysis, self.restores and not self.pilot_only
        changing = {
            "repaired": analysis.measured.is_repaired,
            "denoised": analysis.smooths_blocks or (restores and self.filters_noise),
            "tone-mapped": restores and not self.degradation.is_neutral and not self._only_colours,
            "coloured": restores and analysis.colours,
        }
        return tuple(name for name in STAGES if changing[name] and self.settings.strength > 0)

    @property
    def _only_colours(self) -> bool:
        """Tell whether all that the degradation holds is that colours were lost."""
        return replace(self.degradation, grey=False).is_neutral

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers of the result: the first that was asked for, and no stage that changes nothing."""
        first, *others = self.settings.layers
        idle = set(STAGES) - set(self.stages)
        return (first, *(name for name in others if name not in idle))

    def cropped(self, crop: Part) -> RestorationPlan:
        """Return the same plan for a part of the photo, in the light of all of it."""
        return replace(self, crop=crop, rgb=_rgb_for(self.analysis, self.view, crop))


def plan_restoration(
    analysis: Analysis, prior: LatentPrior, on_step: OnStep, crop: Part | None = None
) -> RestorationPlan:
    """Decide what is done about the findings, of a `crop` or all. Reports the description."""
    request, guess = analysis.request, analysis.degradation
    view = View.of(prior, analysis.rgb)
    rgb = _rgb_for(analysis, view, crop)
    small = request.no_larger_than_view(rgb) if analysis.smooths_blocks else analysis.small
    scaled = resize(small, view.scaled)
    noise = _noise_seen(analysis, scaled, view) if analysis.is_faulty else _NOT_LOOKED_FOR
    mended = np.clip(guess.invert(small), 0, 1)
    sampling = make_sampling_plan(
        analysis.settings,
        analysis.diagnosis,
        noise.in_view,
        coloured=analysis.colours and not analysis.coloured_by_expert,
        knows_scenes=prior.knows_scenes,
    )
    steering = _steering(analysis, guess, scaled)
    plan = RestorationPlan(
        analysis=analysis,
        prior=prior,
        view=view,
        rgb=rgb,
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
        crop=crop,
    )
    # Nothing of a face could be redrawn where noise alone is filtered.
    if plan.pilot_only or set(plan.stages) - {"denoised"}:
        plan = replace(plan, faces=find_faces(mended))
    moved = 0.0 if guess.is_neutral else float(np.abs(mended - np.clip(small, 0, 1)).mean())
    description = _with_unmet(plan, moved)
    on_step(description)
    return replace(plan, description=description)


def _rgb_for(analysis: Analysis, view: View, crop: Part | None) -> Array:
    """Return the analysed photo without blocks, as far as they would show in what is wanted."""
    if not analysis.smooths_blocks:
        return analysis.rgb
    size = analysis.rgb.shape[0], analysis.rgb.shape[1]
    seen = None if crop is None or view.scale > _BLOCKLESS else bounds_to_denoise(size, crop)
    return without_blocks(analysis.rgb, analysis.measured.known.blocks, seen)


def _steering(analysis: Analysis, guess: Degradation, scaled: Array) -> Steering:
    """Find the objects whose colours the user has described, if the expert gives colours."""
    if not analysis.coloured_by_expert or not analysis.settings.description:
        return Steering(None, ())
    luma = grey_of(np.clip(guess.invert(scaled), 0, 1))[..., 0]
    return Steering.of(analysis.settings.description, luma)


def _with_unmet(plan: RestorationPlan, moved: float) -> Described:
    """Add a remark for each unmet request; `moved` is the mean tone change."""
    analysis, filters_noise = plan.analysis, plan.filters_noise and plan.restores
    done = Done(
        moved=moved,
        filters_noise=filters_noise,
        colours=analysis.colours,
        published=plan.pilot_only,
        samples_pilot=plan.samples_pilot or (plan.restores and analysis.coloured_by_expert),
        stages=plan.stages,
    )
    said = unmet(plan.settings, analysis.diagnosis, done)
    found = analysis.measured.is_repaired and plan.settings.damage != "mask"
    faces = kept_words(plan.faces, published=plan.pilot_only, damage_found=found)
    return replace(plan.description, remarks=(*plan.description.remarks, *said, *faces))


def _noise_seen(analysis: Analysis, scaled: Array, view: View) -> NoiseSeen:
    measured, guess = analysis.measured_noise, analysis.degradation
    stabilised = analysis.noise_sigma / 255 / measured.relative_rms
    left = _noise_left(scaled, measured.level, stabilised, view.scale)
    gain = guess.amplification(scaled, measured.level.relative(scaled))
    as_seen = _SAME_IN_ALL if analysis.diagnosis.grey else 1.0
    return NoiseSeen(visible=gain * stabilised, in_view=gain * as_seen * left)


def _shows(noise: NoiseSeen) -> bool:
    return noise.visible > _VISIBLE_NOISE


def _noise_left(scaled: Array, level: Level, sigma: float, scale: float) -> float:
    """Measure what a smaller size of a photo has left of its noise; `scale` of it if white."""
    if scale >= 1:
        return sigma
    found = noise_sigma(noise_spectrum(scaled, None if level.is_even else level.stabilise))
    return float(np.clip(found, scale * sigma, sigma))
