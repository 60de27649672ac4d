"""The main path: a photo is analysed, planned for, sampled and transferred, stage after stage."""

from __future__ import annotations

import time

from ldrps_engine.analysis.analyse import Measured, Request, analyse
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.captioning.describer import consult
from ldrps_engine.colour.working import to_working
from ldrps_engine.diffusion.pilot import sample
from ldrps_engine.diffusion.planning import plan_restoration
from ldrps_engine.diffusion.view import View
from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import Photo, check_damage
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.progress import OnStep, ignore
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.filling import fill
from ldrps_engine.transfer.full_size import transfer

__all__ = ["ModelCache", "restore"]


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
    _check_mask(photo, settings)
    start = time.monotonic()
    inset = Inset.of(photo)
    inside = _restore(inset.picture, settings, models, inset.telling(on_step), checkpoint)
    return inset.restored(inside, time.monotonic() - start)


def _restore(
    photo: Photo, settings: Settings, models: ModelCache, on_step: OnStep, checkpoint: bytes | None
) -> Restoration:
    """Restore all that can be seen of a photo."""
    request, prior = _open(photo, settings, models, on_step)
    analysis = analyse(request, on_step)
    plan = plan_restoration(analysis, prior, on_step)
    writer = transfer(sample(plan, on_step, checkpoint), on_step)
    return Restoration(
        layers=tuple(Layer(name, writer.photo(name)) for name in settings.layers),
        diagnosis=analysis.diagnosis,
        description=plan.description.text,
        generated=writer.generated,
        remarks=plan.description.remarks,
        seconds=0.0,
    )


def _open(
    photo: Photo, settings: Settings, models: ModelCache, on_step: OnStep
) -> tuple[Request, LatentPrior]:
    """Gather everything that the stages are given: measurements, an opinion, the prior."""
    measured, said = _measured(photo)
    # Before the prior is loaded: where both do not fit in memory, each is read only once.
    opinion, remarks = consult(measured.mended, settings, models, on_step)
    prior = models.prior(settings.model, on_step)
    request = Request(
        measured=measured,
        settings=settings,
        view_size=View.of(prior, measured.mended).scaled,
        prior_knows_scenes=prior.knows_scenes,
        opinion=opinion,
        remarks=(*said, *remarks),
    )
    return request, prior


def _check_mask(photo: Photo, settings: Settings) -> None:
    """Refuse a mask that is asked for and not given, or given and not asked for."""
    if (settings.damage == "mask") == (photo.damage is not None):
        return
    if photo.damage is None:
        raise SettingsError("damage is 'mask', but no mask was given; give one with the photo")
    raise SettingsError("damage is 'off', but a mask was given; set damage to 'mask'")


def _measured(photo: Photo) -> tuple[Measured, tuple[str, ...]]:
    """Fill what is damaged and measure the photo; with remarks for the user."""
    original, mask = to_working(photo), photo.damage
    if mask is None:
        return Measured.of(photo, original), ()
    if not mask.any():
        outside = "the mask of damage lies in the photo's frame, which stays as it is"
        return Measured.of(photo, original), (outside,)
    check_damage(mask, photo.width, photo.height)
    return Measured.of(photo, original, fill(original, mask)), ()
