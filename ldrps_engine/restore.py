"""The main path, top to bottom: fit, diagnose, describe, sample, transfer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.alignment import Aligner
from ldrps_engine.checkpoint import Checkpoints
from ldrps_engine.clipped import unclip
from ldrps_engine.description.describer import consult, describe
from ldrps_engine.description.merging import merge
from ldrps_engine.diagnosis import Diagnosis, diagnose
from ldrps_engine.noise import noise_sigma, noise_spectrum, sigma_before_clipping
from ldrps_engine.photo import Photo
from ldrps_engine.physics import Degradation, first_guess
from ldrps_engine.plan import Plan, make_plan
from ldrps_engine.prior.base import LatentPrior
from ldrps_engine.progress import Diagnosed, OnStep, Step, ignore
from ldrps_engine.resampling import resize
from ldrps_engine.residency import Models
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.sampling import Conditions, Sampler
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.colour_field import ColourField, Smoothness
from ldrps_engine.transfer.noise_filter import filter_noise, tiles
from ldrps_engine.view import View
from ldrps_engine.working import from_working, neutral, to_working

__all__ = ["Models", "restore"]

Array = NDArray[np.float32]

_VISIBLE_NOISE = 2.0 / 255


@dataclass(frozen=True)
class _Case:
    """One photo with what was found out about it."""

    rgb: Array
    settings: Settings
    diagnosis: Diagnosis
    guess: Degradation
    amplified: float
    plan: Plan
    view: View
    prior: LatentPrior
    text: str


def restore(
    photo: Photo,
    settings: Settings,
    models: Models,
    on_step: OnStep = ignore,
    checkpoint: bytes | None = None,
) -> Restoration:
    """Restore one photo. Same seed and device, same pixels; `on_step` stops it by raising.

    With a step's `checkpoint` of the same photo and settings, sampling goes on after that step
    and ends, on the CPU, with the same bits. One that does not belong here is ignored.
    """
    start = time.monotonic()
    rgb = to_working(photo)
    case = _open(rgb, settings, models, on_step)
    if settings.recipe == "auto" and not case.diagnosis.needs_work:
        pilot = restored = rgb
        on_step(Step("transfer", 1, 1))
    else:
        pilot, restored = _work(case, on_step, checkpoint)
    coloured = settings.recipe == "colour"
    if case.diagnosis.grey and not coloured and settings.recipe != "paper":
        restored = neutral(restored, rgb)
    layers = {"restored": restored, "pilot": pilot}
    return Restoration(
        layers=tuple(
            Layer(n, from_working(layers[n], photo, coloured=coloured)) for n in settings.layers
        ),
        diagnosis=case.diagnosis,
        description=case.text,
        seconds=time.monotonic() - start,
    )


def _open(rgb: Array, settings: Settings, models: Models, on_step: OnStep) -> _Case:
    """Diagnose, describe, plan."""
    # Before the prior is loaded: where both do not fit in memory, each is read only once.
    opinion, remarks = consult(rgb, settings, models, on_step)
    prior = models.prior(settings.model, on_step)
    height, width = rgb.shape[:2]
    view = View.fit(height, width, prior.view, prior.multiple, prior.most_enlarged)
    small = resize(rgb, view.scaled) if view.scale < 1 else rgb
    diagnosis = diagnose(rgb, settings.recipe, settings.noise_sigma)
    if opinion:
        diagnosis, remarks = merge(diagnosis, opinion, settings.recipe)
    on_step(Diagnosed(diagnosis))
    guess = first_guess(small, diagnosis, settings.recipe)
    amplified = guess.amplification(small) * diagnosis.noise_sigma / 255
    description = describe(np.clip(guess.invert(small), 0, 1), settings, opinion, remarks)
    on_step(description)
    return _Case(
        rgb=rgb,
        settings=settings,
        diagnosis=diagnosis,
        guess=guess,
        amplified=amplified,
        plan=make_plan(settings, diagnosis, amplified, not guess.is_neutral),
        view=view,
        prior=prior,
        text=description.text,
    )


def _work(case: _Case, on_step: OnStep, checkpoint: bytes | None) -> tuple[Array, Array]:
    """Sample the pilot and carry the photo over to it: (pilot, restored), at the photo's size."""
    filters = case.amplified > _VISIBLE_NOISE and not case.plan.pilot_only
    transfers = len(tiles(*case.rgb.shape[:2])) if filters else 1
    entered = case.view.enter(case.rgb).to(case.prior.spread.device)
    guess = _in_view(case.guess, case.view)
    aligner = Aligner(entered, guess, case.plan.alignment, case.settings.seed)
    sampler = _sampler(case, aligner)
    saved = Checkpoints(case.settings, case.plan, case.view)
    if state := saved.read(checkpoint):
        sampler.resume(state)

    def on_estimate(stage: str, index: int, count: int, image: Callable[[], Tensor]) -> None:
        def picture() -> NDArray[np.uint8]:
            return _picture(image(), case.view)

        on_step(Step(stage, index, count + transfers, picture, lambda: saved.make(sampler.state())))

    first = case.view.enter(np.clip(case.guess.invert(case.rgb), 0, 1))
    image = sampler.sample(first, on_estimate)
    pilot = case.view.leave(image.clamp(0, 1))
    large = resize(pilot, case.rgb.shape[:2])
    if case.plan.pilot_only:
        on_step(Step("transfer", sampler.count + 1, sampler.count + 1))
        return large, _blend(case, large)

    def on_tile(index: int, count: int) -> None:
        on_step(Step("transfer", sampler.count + index, sampler.count + count))

    rgb = case.rgb
    if filters:
        with torch.no_grad():
            oracle = case.view.leave(aligner.fpam(image))
        spectrum = _spectrum(case)
        rgb = filter_noise(rgb, spectrum, oracle, case.view, on_tile)
        rgb = unclip(rgb, sigma_before_clipping(case.rgb, spectrum))
    else:
        on_tile(1, 1)
    return large, _toned(case, rgb, pilot)


def _spectrum(case: _Case) -> Array:
    """The measured noise spectrum, scaled to the diagnosed sigma if a person gave that."""
    spectrum = noise_spectrum(case.rgb)
    measured = max(noise_sigma(spectrum) * 255, 1e-3)
    return np.asarray(spectrum * (case.diagnosis.noise_sigma / measured), dtype=np.float32)


def _sampler(case: _Case, aligner: Aligner) -> Sampler:
    prior = case.prior
    # The published method knows of no noise in the photo itself.
    noise = 0.0 if case.plan.pilot_only else case.amplified
    conditions = Conditions(prior.embed(case.text), prior.embed(""), noise)
    generator = torch.Generator().manual_seed(case.settings.seed)
    return Sampler(prior, aligner, conditions, case.plan, generator)


def _toned(case: _Case, rgb: Array, pilot: Array) -> Array:
    """Carry filtered display values (H, W, 3) over to the pilot's tones.

    The first guess is undone in the values it holds in (light, or display for composed haze);
    what the pilot changes beyond it is a smooth field of maps between display values.
    """
    if not case.guess.is_neutral:
        undone = case.guess.invert(rgb)
        # The pilot ends at white: a highlight beyond it must not teach the field to darken.
        source = _channels(np.minimum(resize(undone, pilot.shape[:2]), 1))
        target, full = _channels(pilot), _channels(undone)
        weight = torch.ones_like(source[0])
        field = ColourField.fit(source, target, source.mean(0), weight, Smoothness())
        rgb = field.apply(full, full.mean(0)).permute(1, 2, 0).numpy()
    return _blend(case, rgb)


def _blend(case: _Case, rgb: Array) -> Array:
    """As far from the photo towards the restored one as the strength says."""
    share = case.settings.strength
    # Written so that 0 and 1 give either one exactly.
    return np.asarray((1 - share) * case.rgb + share * rgb, dtype=np.float32)


def _in_view(guess: Degradation, view: View) -> Degradation:
    """The same field over the view and its padding, which it must not be stretched over."""
    gain, veil = (view.pad(resize(f, view.scaled, smooth=True)) for f in (guess.gain, guess.veil))
    return replace(guess, gain=gain, veil=veil)


def _channels(values: Array) -> Tensor:
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()


def _picture(image: Tensor, view: View) -> NDArray[np.uint8]:
    """A preview (h, w, 3) uint8 of at most 256 pixels a side."""
    rgb = view.leave(image)
    scale = min(1.0, 256 / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))
    return np.rint(np.clip(resize(rgb, size), 0, 1) * 255).astype(np.uint8)
