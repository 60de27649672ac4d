"""The main path: a photo is analysed, planned for, denoised, sampled and transferred.

What needs torch is imported where a photo first needs it: most photos of an archive need nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.analyse import Analysis, Measured, Request, analyse
from ldrps_engine.analysis.damage import Damage, damage_of
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.rectangle import Rectangle, check_crop
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.captioning.describer import consult, describe
from ldrps_engine.colour.working import to_working
from ldrps_engine.errors import SettingsError
from ldrps_engine.model_store.catalogue import BUNDLED, catalogue
from ldrps_engine.photo import Part, Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.progress import Diagnosed, OnStep, Progress, Step, ignore
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_engine.diffusion.pilot import Sample
    from ldrps_engine.diffusion.planning import RestorationPlan

Array = NDArray[np.float32]

_FILLING = 5
"""Filling is told as one part of so many of the work."""

__all__ = ["ModelCache", "restore"]


def restore(
    photo: Photo,
    settings: Settings,
    models: ModelCache,
    on_step: OnStep = ignore,
    checkpoint: bytes | None = None,
    crop: Rectangle | None = None,
) -> Restoration:
    """Restore one photo. Same seed and device, same pixels; `on_step` stops it by raising.

    With a step's `checkpoint` of the same photo and settings, sampling goes on after that step
    and ends, on the CPU, with the same bits. One that does not belong here is ignored.

    With a `crop` the result is this part of the photo's alone, judged by all of it.
    """
    _check_mask(photo, settings)
    start = time.monotonic()
    if crop is not None:
        return _restore_crop(photo, settings, models, on_step, checkpoint, crop)
    known = _known(photo, settings, models)
    models.memo = None
    inset = known.inset if known else Inset.of(photo)
    tell = _ShiftedSteps(inset.telling(on_step))
    measured, said = (known.measured, known.said) if known else _measured(inset, settings, tell)
    analysis = _analysed(measured, said, settings, models, tell)
    if analysis.leaves_photo_alone:
        inside = _left_alone(inset.picture, analysis, tell)
    else:
        plan = _planned(analysis, models, tell)
        inside = _restored(inset.picture, plan, tell, checkpoint)
    return inset.restored(inside, time.monotonic() - start)


def _left_alone(picture: Photo, analysis: Analysis, on_step: OnStep) -> Restoration:
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


def _restored(
    picture: Photo, plan: RestorationPlan, on_step: OnStep, checkpoint: bytes | None
) -> Restoration:
    """Carry a plan out for the whole picture inside the frame."""
    if plan.changes_nothing:
        on_step(Step("transfer", 1, 1))
        return _restoration(plan, (Layer(plan.layers[0], picture),))
    return _transferred(_sampled(plan, on_step, checkpoint), on_step)


def _planned(
    analysis: Analysis, models: ModelCache, on_step: _ShiftedSteps, crop: Part | None = None
) -> RestorationPlan:
    from ldrps_engine.diffusion.planning import plan_restoration

    prior = models.prior(analysis.settings.model, on_step)
    return plan_restoration(analysis, prior, on_step, crop)


def _sampled(plan: RestorationPlan, on_step: OnStep, checkpoint: bytes | None) -> Sample:
    """Free the photo from its noise, and sample its pilot."""
    from ldrps_engine.diffusion.denoising import denoise
    from ldrps_engine.diffusion.pilot import sample

    return sample(denoise(plan, on_step), on_step, checkpoint)


def _transferred(sampled: Sample, on_step: OnStep) -> Restoration:
    """Carry the pilot over to the photo, or to the crop that is wanted of it."""
    from ldrps_engine.transfer.full_size import transfer

    writer, plan = transfer(sampled, on_step), sampled.plan
    layers = tuple(Layer(name, writer.photo(name)) for name in plan.layers)
    return _restoration(plan, layers, writer.generated)


def _restoration(
    plan: RestorationPlan, layers: tuple[Layer, ...], generated: tuple[float, float] = (0.0, 0.0)
) -> Restoration:
    return Restoration(
        layers=layers,
        diagnosis=plan.analysis.diagnosis,
        description=plan.description.text,
        generated=generated,
        remarks=plan.description.remarks,
        seconds=0.0,
    )


_How = tuple[str | None, str, float | None, bool]


@dataclass(frozen=True)
class _Seen:
    """Measurements of a photo, kept for the next crop of it, with whatever settings."""

    identity: bytes
    how: _How
    """Settings on which the measurements depend."""
    inset: Inset
    measured: Measured
    said: tuple[str, ...]
    """Remarks for the user."""

    @classmethod
    def of(cls, photo: Photo, settings: Settings, inset: Inset, on_step: _ShiftedSteps) -> _Seen:
        """Measure what can be seen of a photo."""
        measured, said = _measured(inset, settings, on_step)
        return cls(photo.identity(), _how(settings), inset, measured, said)


def _how(settings: Settings) -> _How:
    amounts = settings.amounts
    return settings.damage, settings.recipe, amounts.get("damage"), amounts.get("noise") != 0


@dataclass(frozen=True)
class _Sampled:
    """Knowledge of a photo once its pilot is sampled, kept for further crops of it."""

    seen: _Seen
    settings: Settings
    sample: Sample

    def cropped(self, place: Rectangle, on_step: OnStep) -> Sample:
        """Return the sample for a part of the picture inside the frame, freed from noise there."""
        from ldrps_engine.diffusion.denoising import denoise

        plan, known = self.sample.plan.cropped(place.part), self.sample.denoised.scaled
        return replace(self.sample, denoised=denoise(plan, on_step, known))

    def tell(self, on_step: OnStep) -> None:
        """Report what was found when it was sampled."""
        on_step(Diagnosed(self.sample.plan.analysis.diagnosis))
        on_step(self.sample.plan.description)


def _known(photo: Photo, settings: Settings, models: ModelCache) -> _Seen | None:
    """Return what was measured of this photo, if that is remembered and holds for the settings."""
    memo = models.memo
    seen = memo.seen if isinstance(memo, _Sampled) else memo
    if not isinstance(seen, _Seen) or seen.how != _how(settings):
        return None
    return seen if seen.identity == photo.identity() else None


def _restore_crop(
    photo: Photo,
    settings: Settings,
    models: ModelCache,
    on_step: OnStep,
    checkpoint: bytes | None,
    crop: Rectangle,
) -> Restoration:
    """Restore a crop. What was found out about a photo serves the next crop of it as well."""
    check_crop(crop, photo.width, photo.height)
    start, known, seen = time.monotonic(), models.memo, _known(photo, settings, models)
    inset = seen.inset if seen else Inset.of(photo)
    place, tell = inset.place_of(crop), _ShiftedSteps(inset.telling(on_step))
    if seen and isinstance(known, _Sampled) and known.settings == settings:
        known.tell(tell)
        sampled = known.cropped(place, tell)
    else:
        # It takes as much memory as what is made now.
        known = models.memo = None
        # Somebody who looks at another place before this one is done need not wait for it again.
        seen = models.memo = seen or _Seen.of(photo, settings, inset, tell)
        analysis = _analysed(seen.measured, seen.said, settings, models, tell)
        sampled = _sampled(_planned(analysis, models, tell, place.part), tell, checkpoint)
        models.memo = _Sampled(seen, settings, sampled)
    inside = _transferred(sampled, tell)
    made = inset.cropped(crop).restored(inside, time.monotonic() - start)
    return replace(
        made,
        diagnosis=replace(inside.diagnosis, inner=inset.frame.rectangle if inset.frame else None),
    )


class _ShiftedSteps:
    """The step callback of one photo, for which filling of damage is the first fifth of the work.

    How many steps come after it is known only once the photo is measured, and that takes the
    filled one.
    """

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._filled = 0

    def filled(self, done: int, count: int) -> None:
        """Take note of how many parts of how many are filled."""
        self._filled = count
        self._on_step(Step("fill", done, _FILLING * count))

    def __call__(self, progress: Progress, /) -> None:
        """Pass on what the later stages tell, behind the filling."""
        if isinstance(progress, Step) and self._filled:
            before = -(-progress.count // (_FILLING - 1))
            progress = replace(
                progress, index=progress.index + before, count=progress.count + before
            )
        self._on_step(progress)


def _analysed(
    measured: Measured,
    said: tuple[str, ...],
    settings: Settings,
    models: ModelCache,
    on_step: OnStep,
) -> Analysis:
    """Judge a photo by its measurements and by an opinion, if anybody has one."""
    # Before the prior is loaded: where both do not fit in memory, each is read only once.
    opinion, remarks = consult(measured.mended, settings, models, on_step)
    view, knows_scenes = _seen_by(settings.model, models, on_step)
    request = Request(
        measured=measured,
        settings=settings,
        view_size=Request.size_in_view(measured.mended, view),
        prior_knows_scenes=knows_scenes,
        opinion=opinion,
        remarks=(*said, *remarks),
    )
    return analyse(request, on_step)


def _seen_by(model: str, models: ModelCache, on_step: OnStep) -> tuple[int, bool]:
    """(long side of a prior's view, knows scenes); the bundled one need not be loaded for it."""
    if model == BUNDLED:
        return catalogue()[BUNDLED].view, False
    prior = models.prior(model, on_step)
    return prior.view, prior.knows_scenes


def _check_mask(photo: Photo, settings: Settings) -> None:
    """Refuse a mask that is asked for and not given, or given and not asked for."""
    if (settings.damage == "mask") == (photo.damage is not None):
        return
    if photo.damage is None:
        raise SettingsError("damage is 'mask', but no mask was given; give one with the photo")
    raise SettingsError("a mask of damage was given; set damage to 'mask'")


def _measured(
    inset: Inset, settings: Settings, on_step: _ShiftedSteps
) -> tuple[Measured, tuple[str, ...]]:
    """Fill what is damaged and measure the photo; with remarks for the user."""
    photo = inset.picture
    original = to_working(photo)
    found = damage_of(photo, original, settings)
    filled: Array | None = None
    said: tuple[str, ...] = ()
    share = _filled_share(found, settings)
    # A mask of what was found is made for whoever has it filled.
    mask = photo.damage if found is None else found.mask if share > 0 else None
    if mask is not None and not mask.any():
        if found is None:
            said = ("the mask of damage lies in the photo's frame, which stays as it is",)
    elif mask is not None and share > 0:
        from ldrps_engine.transfer.filling import fill

        photo = photo.with_damage(mask)
        filled = fill(original, mask, on_step.filled)
        if share < 1:
            filled = original + np.float32(share) * (filled - original)
    mends_hot_pixels = settings.amounts.get("noise") != 0
    measured = Measured.of(
        photo,
        original,
        filled,
        mends_hot_pixels=mends_hot_pixels,
        damage=found,
        mounted=inset.is_mounted,
    )
    return measured, said


def _filled_share(found: Damage | None, settings: Settings) -> float:
    """Share of the filling in the result, 0 to 1: as the user says, or else as is proposed."""
    proposed = (
        found is None
        or (settings.mends_damage and found.is_sure)
        or (settings.mends_worst_damage and found.is_beyond_doubt)
    )
    return min(settings.amounts.get("damage", float(proposed)), 1.0)
