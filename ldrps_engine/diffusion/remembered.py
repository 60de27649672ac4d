"""Memory of the last photo: whoever has looked at one place in it soon looks at the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.measuring import Measured
from ldrps_engine.photo import Part, Photo
from ldrps_engine.progress import Diagnosed, OnStep
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_engine.diffusion.pilot import Sample

_How = tuple[str | None, str, float | None, bool, bool]


@dataclass(frozen=True)
class Remembered:
    """Measurements of a photo, kept for the next crop of it, with whatever settings."""

    identity: bytes
    how: _How
    """Settings on which the measurements depend."""
    inset: Inset
    measured: Measured

    @classmethod
    def of(cls, photo: Photo, settings: Settings, inset: Inset, measured: Measured) -> Remembered:
        """Keep what was measured of a photo."""
        return cls(photo.identity(), _how(settings), inset, measured)


@dataclass(frozen=True)
class RememberedSample:
    """Sample of a photo, kept for further crops of it with the same settings."""

    known: Remembered
    sample: Sample

    def cropped(self, place: Part, on_step: OnStep) -> Sample:
        """Return the sample for another part of the picture, freed from noise there.

        Reports what was found when it was sampled.
        """
        from ldrps_engine.diffusion.denoising import denoise

        plan = self.sample.plan.cropped(place)
        on_step(Diagnosed(plan.analysis.diagnosis))
        on_step(plan.description)
        return replace(self.sample, denoised=denoise(plan, on_step, self.sample.denoised.scaled))


def recall(memo: object, photo: Photo, settings: Settings) -> Remembered | None:
    """Return what was measured, if it was of this photo and as `settings` have it."""
    known = memo.known if isinstance(memo, RememberedSample) else memo
    if not isinstance(known, Remembered) or known.how != _how(settings):
        return None
    return known if known.identity == photo.identity() else None


def recall_sample(
    memo: object, known: Remembered | None, settings: Settings
) -> RememberedSample | None:
    """Return the sample of the `known` photo, if it was made with these settings."""
    if known is None or not isinstance(memo, RememberedSample):
        return None
    return memo if memo.sample.plan.settings == settings else None


def _how(settings: Settings) -> _How:
    filled, mends_noise = settings.amounts.get("damage"), settings.amounts.get("noise") != 0
    return settings.damage, settings.recipe, filled, mends_noise, settings.details_damage
