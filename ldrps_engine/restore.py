"""The main path of a photo: four stages, each with one frozen input and one output.

Analyse (measure, then judge), plan, sample (denoise, then sample the pilot) and transfer:
Photo -> Measured -> Analysis -> RestorationPlan -> Denoised -> Sample -> Restoration.

What needs torch is imported where a photo first needs it: most photos of an archive need nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.analyse import Analysis, Request, analyse
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.measuring import Measured, measure
from ldrps_engine.analysis.rectangle import Rectangle, check_crop
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.captioning.describer import consult, describe
from ldrps_engine.diffusion.last_photo import KnownPhoto, LastPhoto
from ldrps_engine.errors import SettingsError
from ldrps_engine.model_store.catalogue import BUNDLED, catalogue
from ldrps_engine.photo import Part, Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.progress import Diagnosed, OnStep, PictureSteps, Step, ignore
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_engine.diffusion.pilot import Sample
    from ldrps_engine.diffusion.planning import RestorationPlan

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

__all__ = ["ModelCache", "restore"]


def restore(
    photo: Photo,
    settings: Settings,
    models: ModelCache,
    on_step: OnStep = ignore,
    checkpoint: bytes | None = None,
    crop: Rectangle | None = None,
    last: LastPhoto | None = None,
) -> Restoration:
    """Restore one photo. Same seed and device, same pixels; `on_step` stops it by raising.

    With a step's `checkpoint` of the same photo and settings, sampling goes on after that step
    and ends, on the CPU, with the same bits. One that does not belong here is ignored.

    With a `crop` the result is this part of the photo's alone, judged by all of it. What is found
    out then is kept in `last`, and spares work where it is of the same photo.
    """
    start = time.monotonic()
    _check(photo, settings, crop)
    known = last.known(photo, settings) if last else None
    inset = known.inset if known else Inset.of(photo)
    job = _Job(settings, models, PictureSteps(on_step, inset.of_whole), checkpoint, start)
    if crop is not None:
        return _restore_crop(inset, crop, known, last or LastPhoto(), job)
    if last:
        last.forget()
    measured = known.measured if known else measure(inset, settings, job.fill)
    analysis = _analyse(measured, job)
    if analysis.leaves_photo_alone:
        return inset.restored(_leave_alone(inset.picture, analysis, job.report), job.seconds)
    plan = _plan(analysis, job)
    if plan.changes_nothing:
        return inset.restored(_leave_unchanged(inset.picture, plan, job.report), job.seconds)
    sampled = _sample(plan, job)
    return inset.restored(_transfer(sampled, job), job.seconds)


@dataclass(frozen=True)
class _Job:
    """Settings, models and callback, which every stage is given with its input."""

    settings: Settings
    models: ModelCache
    report: PictureSteps
    """The step callback of the picture inside the frame."""
    checkpoint: bytes | None
    start: float
    """Time of `time.monotonic` at which the work began."""

    @property
    def seconds(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self.start

    def fill(self, rgb: Array, mask: Mask) -> Array:
        """Fill damage in an image (H, W, 3), and report how far it is."""
        from ldrps_engine.transfer.filling import fill

        return fill(rgb, mask, self.report.filled)


def _analyse(measured: Measured, job: _Job) -> Analysis:
    """Judge a photo by its measurements and by the describer's opinion, if there is one."""
    settings, models, report = job.settings, job.models, job.report
    # Before the prior is loaded: where both do not fit in memory, each is read only once.
    opinion, remarks = consult(measured.mended, settings, models, report)
    view, knows_scenes = _view_of_prior(job)
    request = Request(
        measured=measured,
        settings=settings,
        view=view,
        prior_knows_scenes=knows_scenes,
        opinion=opinion,
        remarks=(*measured.remarks, *remarks),
    )
    return analyse(request, report)


def _plan(analysis: Analysis, job: _Job, crop: Part | None = None) -> RestorationPlan:
    """Decide what is done about the findings."""
    from ldrps_engine.diffusion.planning import plan_restoration

    prior = job.models.prior(job.settings.model, job.report)
    return plan_restoration(analysis, prior, job.report, crop)


def _sample(plan: RestorationPlan, job: _Job) -> Sample:
    """Denoise the photo, and sample its pilot."""
    from ldrps_engine.diffusion.denoising import denoise
    from ldrps_engine.diffusion.pilot import sample

    return sample(denoise(plan, job.report), job.report, job.checkpoint)


def _transfer(sample: Sample, job: _Job) -> Restoration:
    """Transfer the pilot to the photo, or to the crop that is wanted of it."""
    from ldrps_engine.transfer.full_size import transfer

    return transfer(sample, job.report)


def _restore_crop(
    inset: Inset, crop: Rectangle, known: KnownPhoto | None, last: LastPhoto, job: _Job
) -> Restoration:
    """Restore a crop of the photo from what `last` holds of it, and keep there what is new."""
    settings, part = job.settings, inset.place_of(crop).part
    if sampled := last.sample(known, settings):
        moved = _move(sampled, part, job)
        return _with_border(inset, crop, _transfer(moved, job), job.seconds)
    # A sample takes as much memory as the one that is made now.
    last.forget()
    known = known or KnownPhoto.of(inset.whole, settings, inset, measure(inset, settings, job.fill))
    # A crop elsewhere that is asked for before this one is done need not wait for it again.
    last.keep(known)
    analysis = _analyse(known.measured, job)
    plan = _plan(analysis, job, part)
    sampled = _sample(plan, job)
    last.keep(known, sampled)
    return _with_border(inset, crop, _transfer(sampled, job), job.seconds)


def _move(sample: Sample, crop: Part, job: _Job) -> Sample:
    """Return a sample for another part of its picture, denoised there.

    Reports what was found when it was sampled.
    """
    from ldrps_engine.diffusion.denoising import denoise

    plan = sample.plan.cropped(crop)
    job.report(Diagnosed(plan.analysis.diagnosis))
    job.report(plan.description)
    return replace(sample, denoised=denoise(plan, job.report, sample.denoised.scaled))


def _leave_unchanged(picture: Photo, plan: RestorationPlan, on_step: OnStep) -> Restoration:
    """Return the picture as it is, for which a plan was made that changes nothing."""
    from ldrps_engine.transfer.full_size import unchanged

    return unchanged(picture, plan, on_step)


def _leave_alone(picture: Photo, analysis: Analysis, on_step: OnStep) -> Restoration:
    """Return the picture as it is, and what was found; no model has looked at it."""
    settings, request = analysis.settings, analysis.request
    said = unmet(settings, analysis.diagnosis, Done())
    remarks = (*analysis.remarks, *said)
    description = describe(analysis.recognition, settings, request.opinion, remarks)
    on_step(description)
    on_step(Step("transfer", 1, 1))
    return Restoration(
        layers=(Layer("restored", picture),),
        diagnosis=analysis.diagnosis,
        description=description.text,
        generated=(0.0, 0.0),
        remarks=description.remarks,
        seconds=0.0,
    )


def _with_border(inset: Inset, crop: Rectangle, inside: Restoration, seconds: float) -> Restoration:
    """Return the result for a crop of the photo, with what of the photo's border lies in it."""
    made = inset.cropped(crop).restored(inside, seconds)
    inner = inset.frame.rectangle if inset.frame else None
    return replace(made, diagnosis=replace(inside.diagnosis, inner=inner))


def _view_of_prior(job: _Job) -> tuple[int, bool]:
    """(long side of a prior's view, knows scenes); the bundled one need not be loaded for it."""
    if job.settings.model == BUNDLED:
        return catalogue()[BUNDLED].view, False
    prior = job.models.prior(job.settings.model, job.report)
    return prior.view, prior.knows_scenes


def _check(photo: Photo, settings: Settings, crop: Rectangle | None) -> None:
    """Refuse a mask that is asked for and not given, one not asked for, and a crop beyond it."""
    if (settings.damage == "mask") != (photo.damage is not None):
        if photo.damage is None:
            raise SettingsError("damage is 'mask', but no mask was given; give one with the photo")
        raise SettingsError("a mask of damage was given; set damage to 'mask'")
    if crop is not None:
        check_crop(crop, photo.width, photo.height)
