"""The photo that was looked at last: what is known of it serves the next crop, and the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.measuring import Measured
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_engine.diffusion.pilot import Sample

_Chosen = tuple[str | None, str, float | None, bool, bool]


@dataclass(frozen=True)
class KnownPhoto:
    """Measurements of a photo, valid for whatever settings choose the same measurements."""

    identity: bytes
    chosen: _Chosen
    """Settings on which the measurements depend."""
    inset: Inset
    measured: Measured

    @classmethod
    def of(cls, photo: Photo, settings: Settings, inset: Inset, measured: Measured) -> KnownPhoto:
        """Keep what was measured of a photo."""
        return cls(photo.identity(), _chosen(settings), inset, measured)


class LastPhoto:
    """Measurements and sample of one photo, kept by the caller between two calls of `restore`.

    What goes in and comes out is frozen. A sample holds its prior, so that no other may be loaded
    before it is forgotten.
    """

    def __init__(self) -> None:
        self._known: KnownPhoto | None = None
        self._sample: Sample | None = None

    def known(self, photo: Photo, settings: Settings) -> KnownPhoto | None:
        """Return what was measured, if it was of this photo and as `settings` have it."""
        known = self._known
        if known is None or known.chosen != _chosen(settings):
            return None
        return known if known.identity == photo.identity() else None

    def sample(self, known: KnownPhoto | None, settings: Settings) -> Sample | None:
        """Return the sample of the `known` photo, if it was made with these settings."""
        if known is None or known is not self._known or self._sample is None:
            return None
        return self._sample if self._sample.plan.settings == settings else None

    def keep(self, known: KnownPhoto, sample: Sample | None = None) -> None:
        """Keep this in place of what was kept before."""
        self._known, self._sample = known, sample

    def forget(self) -> None:
        """Give the memory back."""
        self._known = self._sample = None


def _chosen(settings: Settings) -> _Chosen:
    filled, mends_noise = settings.amounts.get("damage"), settings.amounts.get("noise") != 0
    return settings.damage, settings.recipe, filled, mends_noise, settings.details_damage
