"""The main path, top to bottom: the frame left aside, fit, diagnose, describe, sample, transfer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.degradation import NEUTRAL, Degradation, first_guess
from ldrps_engine.analysis.diagnosis import Diagnosis, Known, diagnose
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.monochrome import grey_of, is_monochrome
from ldrps_engine.analysis.noise_level import EVEN, Level
from ldrps_engine.analysis.noise_level import Noise as MeasuredNoise
from ldrps_engine.analysis.noise_spectrum import noise_sigma, noise_spectrum, sigma_before_clipping
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.captioning.describer import consult, describe
from ldrps_engine.captioning.merging import merge
from ldrps_engine.colour.working import to_working
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.checkpoint import Checkpoints
from ldrps_engine.diffusion.colouring import Colouring, colour
from ldrps_engine.diffusion.plan import Plan, make_plan, noise_plan
from ldrps_engine.diffusion.sampling import Conditions, Sampler
from ldrps_engine.diffusion.view import View
from ldrps_engine.photo import Photo
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.progress import Diagnosed, OnStep, Step, ignore
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.compositing import (
    Compositor,
    LayerWriter,
    ToneMapping,
    compose,
    parts_to_compose,
)
from ldrps_engine.transfer.deblocking import without_blocks
from ldrps_engine.transfer.noise_filter import NoiseFilter, filter_noise, parts_to_filter
from ldrps_engine.transfer.tuning import Noise, Tuning, is_tunable

__all__ = ["ModelCache", "restore"]

Array = NDArray[np.float32]

_VISIBLE_NOISE = 2.0 / 255
_TRUST = 0.4
_SAME_IN_ALL = math.sqrt(3)
"""Noise that is the same in all three channels is so much stronger in luminance than noise of the
same sigma that the prior knows."""

_BLOCKS_IN_LIGHT = 1.0
"""Steps between JPEG's blocks, in 8-bit steps, that are smoothed where tones are brought back."""

_WITHOUT_CHROMA = 0.95
"""Of the noise measured in a grey photo: with no chroma to hold it to, texture has a part in it."""


@dataclass(frozen=True)
class _Case:
    """One photo with what was found out about it."""

    original: Array
    """The photo as it came, (H, W, 3)."""
    rgb: Array
    """The same without hot pixels, and without blocks where they would show."""
    settings: Settings
    diagnosis: Diagnosis
    measured: MeasuredNoise
    """What is known of the photo's noise at its own size."""
    guess: Degradation
    noise: float
    """Standard deviation of the photo's noise at the view's size as the prior sees it, stabilised
    values."""
    amplified: float
    """The same once the guess is undone."""
    visible: float
    """That of the whole photo: its noise at its own size, once the guess is undone."""
    plan: Plan
    view: View
    scaled: Array
    """The photo at the view's size, (h, w, 3)."""
    prior: LatentPrior
    text: str
    colours: bool
    """Whether it is to get colours that it has not."""
    by_expert: bool
    """Whether the scene expert gives them, and not the prior."""
    remarks: tuple[str, ...] = ()
    """For the user."""
    tuning: Tuning | None = None
    """How the photo's noise is got to know, where that pays."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the photo."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def level(self) -> Level:
        """What makes the noise even where it is filtered."""
        return EVEN if self.plan.pilot_only else self.measured.level

    @property
    def samples(self) -> bool:
        """Whether the model has anything to do."""
        return not self.settings.blind or self.diagnosis.needs_prior or self.colours

    @property
    def filters(self) -> bool:
        """Whether there is noise to be filtered."""
        return self.visible > _VISIBLE_NOISE and not self.plan.pilot_only

    @property
    def parts(self) -> tuple[int, int, int]:
        """What comes after sampling: how many parts are filtered, how many steps and parts it
        takes to know the noise better, and how many parts are carried over to the pilot."""
        filtered = parts_to_filter(self.size, quick=self.plan.quick) if self.filters else []
        tuned = self.tuning.count if self.tuning else 0
        return len(filtered), tuned, len(parts_to_compose(self.size))


@dataclass(frozen=True)
class _Sampled:
    """What the diffusion prior makes of a photo."""

    pilot: Array
    """(h, w, 3) at the view's scale."""
    oracle: Array
    """What the prior takes for the photo without its noise, stabilised, at the view's scale."""
    steps: int
    """How many it took; 0 where nothing was to be done."""


def restore(
    photo: Photo,
    settings: Settings,
    models: ModelCache,
    on_step: OnStep = ignore,
    checkpoint: bytes | None = None,
) -> Restoration:
    """Restore one photo. Same seed and device, same pixels; `on_step` stops it by raising.

    With a step's `checkpoint` of the same photo and settings, sampling goes on after that step
    and ends, on the CPU, with the same bits. One that does not belong here is ignored.
    """
    start = time.monotonic()
    inset = Inset.of(photo)
    inside = _restore(inset.picture, settings, models, inset.telling(on_step), checkpoint)
    return inset.restored(inside, time.monotonic() - start)


def _restore(
    photo: Photo, settings: Settings, models: ModelCache, on_step: OnStep, checkpoint: bytes | None
) -> Restoration:
    """Restore all that can be seen of a photo."""
    case = _open(to_working(photo), settings, models, on_step)
    sampled = _sample(case, on_step, checkpoint) if case.samples else _untouched(case)
    writer = _transfer(case, photo, sampled, on_step)
    return Restoration(
        layers=tuple(Layer(name, writer.photo(name)) for name in settings.layers),
        diagnosis=case.diagnosis,
        description=case.text,
        invented=writer.invented,
        remarks=case.remarks,
        seconds=0.0,
    )


def _open(original: Array, settings: Settings, models: ModelCache, on_step: OnStep) -> _Case:
    """Diagnose, describe, plan."""
    known, rgb = Known.of(original)
    measured = known.noise
    # Before the prior is loaded: where both do not fit in memory, each is read only once.
    opinion, remarks = consult(rgb, settings, models, on_step)
    prior = models.prior(settings.model, on_step)
    height, width = rgb.shape[:2]
    view = View.fit(height, width, prior.view, prior.multiple, prior.most_enlarged)
    small = resize(rgb, view.scaled) if view.scale < 1 else rgb
    seen = recognise(small)
    diagnosis = diagnose(rgb, settings.recipe, settings.noise_sigma, known, seen)
    if opinion:
        diagnosis, said = merge(diagnosis, opinion, settings.recipe)
        remarks += said
    on_step(Diagnosed(diagnosis))
    colours, said = _wants_colours(settings, diagnosis, small)
    remarks += said
    if colours and not diagnosis.grey:
        # A toned print is coloured as what it shows, not as the paper it is on.
        rgb, small = grey_of(rgb), grey_of(small)
    guess = first_guess(small, diagnosis, settings.recipe, seen)
    by_expert = colours and not prior.knows_scenes
    if colours and not by_expert:
        guess = replace(guess, grey=True)
    gain = guess.amplification(small, measured.level.relative(small))
    amplified_blocks = gain * diagnosis.blocks > _BLOCKS_IN_LIGHT and not guess.is_neutral
    if (amplified_blocks or diagnosis.has_blocks) and settings.recipe != "paper":
        # Before light is brought up, which would bring them up as well.
        rgb = without_blocks(rgb, known.blocks)
        small = resize(rgb, view.scaled) if view.scale < 1 else rgb
    scaled = resize(small, view.scaled)
    stabilised_sigma = diagnosis.noise_sigma / 255 / measured.spread
    left = _noise_left(scaled, measured.level, stabilised_sigma, view.scale)
    noise = _as_seen(diagnosis, left)
    gain = guess.amplification(scaled, measured.level.relative(scaled))
    amplified = noise if guess.is_neutral else gain * noise
    mended = np.clip(guess.invert(small), 0, 1)
    description = describe(mended, settings, opinion, remarks)
    case = _Case(
        original=original,
        rgb=rgb,
        settings=settings,
        diagnosis=diagnosis,
        measured=measured,
        guess=guess,
        noise=noise,
        amplified=amplified,
        visible=gain * stabilised_sigma,
        plan=make_plan(
            settings,
            diagnosis,
            amplified,
            toned=not guess.is_neutral,
            coloured=colours and not by_expert,
            knows_scenes=prior.knows_scenes,
        ),
        view=view,
        scaled=scaled,
        prior=prior,
        text=description.text,
        colours=colours,
        by_expert=by_expert,
    )
    moved = 0.0 if guess.is_neutral else float(np.abs(mended - np.clip(small, 0, 1)).mean())
    case = replace(
        case, remarks=description.remarks + unmet(settings, diagnosis, _done(case, moved))
    )
    on_step(replace(description, remarks=case.remarks))
    return replace(case, tuning=_tuning(case))


def _done(case: _Case, moved: float) -> Done:
    """Sum up what is done to a photo whose tones move by so much."""
    filters = case.filters and case.samples
    published = case.plan.pilot_only
    changes = not case.guess.is_neutral or filters or case.colours or published
    return Done(
        moved=moved,
        filters=filters,
        colours=case.colours,
        published=published,
        works=case.samples and (changes or "pilot" in case.settings.layers),
    )


def _wants_colours(
    settings: Settings, diagnosis: Diagnosis, small: Array
) -> tuple[bool, tuple[str, ...]]:
    """Tell whether the photo is to get colours, and remarks for the user."""
    if settings.recipe != "colour":
        return settings.blind and settings.allow_colour and diagnosis.grey, ()
    if diagnosis.grey or is_monochrome(small):
        return True, ()
    return False, ("the photo has colours of its own and keeps them",)


def _tuning(case: _Case) -> Tuning | None:
    """How its noise is got to know, where there is enough of that and the prior can learn."""
    steps = case.plan.tuning if case.filters and case.diagnosis.is_noisy else 0
    learner = case.prior.learner() if steps and is_tunable(case.size) else None
    return Tuning(case.prior, learner, case.size, steps, case.settings.seed) if learner else None


def _untouched(case: _Case) -> _Sampled:
    return _Sampled(case.scaled, case.scaled, 0)


def _sample(case: _Case, on_step: OnStep, checkpoint: bytes | None) -> _Sampled:
    """Sample the pilot."""
    # Without tones to bring back the prior is shown noise as it knows it, the same everywhere.
    level = case.level if case.guess.is_neutral else EVEN
    entered = case.view.to_model(level.stabilise(case.scaled)).to(case.prior.latent_std.device)
    guess = _in_view(case.guess, case.view)
    aligner = Aligner(entered, guess, case.plan.alignment, case.settings.seed)
    # The published method knows of no noise in the photo itself.
    noise = 0.0 if case.plan.pilot_only else case.amplified
    sampler = _sampler(case, aligner, case.plan, noise)
    saved = Checkpoints(case.settings, case.plan, case.view)
    if state := saved.read(checkpoint):
        sampler.resume(state)
    later = sum(case.parts)

    def on_estimate(stage: str, index: int, count: int, image: Callable[[], Tensor]) -> None:
        def picture() -> NDArray[np.uint8]:
            return _picture(level.invert(case.view.from_model(image()), case.noise))

        on_step(Step(stage, index, count + later, picture, lambda: saved.make(sampler.state())))

    undone = case.guess.invert(level.stabilise(case.scaled))
    image = sampler.sample(case.view.to_model(np.clip(undone, 0, 1)), on_estimate)
    oracle = image
    if case.filters and not case.guess.is_neutral:
        stabilised = case.view.to_model(case.level.stabilise(case.scaled))
        oracle = _without_noise(case, stabilised.to(entered.device))
    pilot = level.invert(case.view.from_model(image.clamp(0, 1)), case.noise)
    if case.by_expert:
        pilot = colour(np.clip(pilot, 0, 1), case.settings.seed, Colouring())
    return _Sampled(pilot, case.view.from_model(oracle), sampler.count)


def _sampler(case: _Case, aligner: Aligner, plan: Plan, noise: float) -> Sampler:
    prior = case.prior
    conditions = Conditions(prior.embed(case.text), prior.embed(""), noise)
    generator = torch.Generator().manual_seed(case.settings.seed)
    return Sampler(prior, aligner, conditions, plan, generator)


def _without_noise(case: _Case, entered: Tensor) -> Tensor:
    """The photo in its own light and colours, freed from its noise by the prior."""
    plan = noise_plan(case.noise)
    aligner = Aligner(entered, NEUTRAL, plan.alignment, case.settings.seed)
    return _sampler(case, aligner, plan, case.noise).sample(entered, lambda *_: None)


def _transfer(case: _Case, photo: Photo, sampled: _Sampled, on_step: OnStep) -> LayerWriter:
    """Free the photo from noise and carry it over to the pilot, part by part."""
    works = sampled.steps > 0
    first, tuned, rest = case.parts if works else (0, 0, case.parts[2])
    count = sampled.steps + first + tuned + rest

    def on_part(done: int) -> None:
        on_step(Step("transfer", sampled.steps + done, count))

    filtered = _filtered(case, sampled, on_part) if first else case.rgb
    tone_mapping = (
        ToneMapping.fit(filtered, _with_colours(case), sampled.pilot)
        if works
        else ToneMapping(case.size)
    )
    compositor = Compositor(
        rgb=case.original,
        filtered=filtered,
        pilot=sampled.pilot,
        tone_mapping=tone_mapping,
        strength=case.settings.strength,
        keeps_chroma=case.diagnosis.grey and not (case.colours or case.plan.pilot_only),
        pilot_only=case.plan.pilot_only and works,
    )
    writer = LayerWriter(photo, case.settings.layers, coloured=case.colours)
    compose(compositor, writer, lambda done: on_part(first + tuned + done))
    return writer


def _with_colours(case: _Case) -> Degradation:
    """What the pilot undoes; colours that the scene expert gave are no part of the guess."""
    return replace(case.guess, grey=True) if case.by_expert else case.guess


def _filtered(case: _Case, sampled: _Sampled, on_part: Callable[[int], None]) -> Array:
    """The photo without its noise, scaled to the diagnosed sigma if a person gave that."""
    spectrum = case.measured.spectrum
    measured = max(case.measured.sigma * 255, 1e-3)
    wanted = case.diagnosis.noise_sigma
    if case.diagnosis.grey and case.settings.noise_sigma is None:
        wanted *= _WITHOUT_CHROMA
    spectrum = np.asarray(spectrum * (wanted / measured), dtype=np.float32)
    rgb = case.level.stabilise(case.rgb)
    before_clipping = sigma_before_clipping(rgb, spectrum)
    stabilised = case.diagnosis.noise_sigma / 255 / case.measured.spread
    noise = NoiseFilter(
        size=case.size,
        spectrum=spectrum,
        before_clipping=before_clipping,
        oracle=sampled.oracle,
        seen=case.noise / max(stabilised, 1e-6),
        trust=_TRUST if case.prior.lossless else 0.0,
        quick=case.plan.quick,
    )
    filtered = filter_noise(rgb, noise, on_part)
    sigma = wanted / 255 / case.measured.spread
    if case.tuning:
        known = Noise(spectrum, before_clipping, _as_seen(case.diagnosis, sigma))
        first = case.parts[0]
        case.tuning.improve(rgb, filtered, known, lambda done: on_part(first + done))
    return case.level.invert(filtered, sigma)


def _as_seen(diagnosis: Diagnosis, sigma: float) -> float:
    """A standard deviation of noise, as the prior sees it."""
    return sigma * _SAME_IN_ALL if diagnosis.grey else sigma


def _noise_left(scaled: Array, level: Level, sigma: float, scale: float) -> float:
    """What a smaller size of a photo has left of its noise `sigma`: if white, `scale` of it."""
    if scale >= 1:
        return sigma
    found = noise_sigma(noise_spectrum(scaled, None if level.is_even else level.stabilise))
    return float(np.clip(found, scale * sigma, sigma))


def _in_view(guess: Degradation, view: View) -> Degradation:
    """The same field over the view and its padding, which it must not be stretched over."""
    gain, veil = (view.pad(resize(f, view.scaled, smooth=True)) for f in (guess.gain, guess.veil))
    return replace(guess, gain=gain, veil=veil)


def _picture(rgb: Array) -> NDArray[np.uint8]:
    """A preview (h, w, 3) uint8 of at most 256 pixels a side."""
    scale = min(1.0, 256 / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))
    return np.rint(np.clip(resize(rgb, size), 0, 1) * 255).astype(np.uint8)
