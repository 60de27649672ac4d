"""First stage of a restoration, first half: a photo measured at its own size. No torch.

Damage is filled first. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.damage import Damage, damage_of
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.known import Known
from ldrps_engine.analysis.monochrome import is_monochrome, with_hue_of_the_rest
from ldrps_engine.analysis.samples import display
from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Fill = Callable[[Array, Mask], Array]
"""Fill an image (H, W, 3) where a mask (H, W) is true; the rest stays to the bit."""

# Slack that lets an unevenly aged toned print still count as one hue.
_NEARLY = 1.5
_IN_THE_FRAME = "the mask of damage lies in the photo's frame, which stays as it is"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One photo and its measurements at its own size, before anything is judged."""

    photo: Photo
    """The photo inside its frame."""
    original: Array
    """Its working values as they came, (H, W, 3)."""
    mended: Array
    """The same without damage and hot pixels."""
    known: Known
    damage: Damage | None = None
    """Damage that was found; None: there was no search."""
    mounted: bool = False
    """Tell whether the picture does not fill its rectangle, see `find_cast`."""
    remarks: tuple[str, ...] = ()
    """Sentences for the user, so far."""

    @property
    def damage_seen(self) -> Mask | None:
        """Damage found, or marked by the user, (H, W); None: there was no search."""
        return self.photo.damage if self.damage is None else self.damage.mask

    @property
    def is_repaired(self) -> bool:
        """Tell whether damage was filled or hot pixels mended."""
        # Comparing a large photo takes a while, and nearly always it is the same array.
        return self.mended is not self.original and self._differs

    @cached_property
    def _differs(self) -> bool:
        return not np.array_equal(self.mended, self.original)


def measure(
    inset: Inset, settings: Settings, fill: Fill | None = None, *, noisy: bool = True
) -> Measured:
    """Measure the picture inside a photo's frame once its damage is filled.

    Without a `fill` damage is found and left as it is. `noisy`: see `Known.of`.
    """
    photo = inset.picture
    original = repaired = to_working(photo)
    found = damage_of(photo, original, settings)
    share = _filled_share(found, settings)
    # A mask of what was found is made only where it is filled.
    mask = photo.damage if found is None else found.mask if fill and share > 0 else None
    marks = mask is not None and bool(mask.any())
    if fill and mask is not None and marks and share > 0:
        photo = photo.with_damage(mask)
        filled = fill(original, mask)
        # Next to a scratch, blur and JPEG have left a hue that the print does not have.
        if is_monochrome(filled, _NEARLY):
            filled = with_hue_of_the_rest(filled, mask)
        repaired = filled if share == 1 else original + np.float32(share) * (filled - original)
    known, mended = Known.of(repaired, noisy=noisy)
    return Measured(
        photo=photo,
        original=original,
        mended=display(mended) if settings.amounts.get("noise") != 0 else repaired,
        known=known,
        damage=found,
        mounted=inset.is_mounted,
        remarks=(_IN_THE_FRAME,) if found is None and mask is not None and not marks else (),
    )


def _filled_share(found: Damage | None, settings: Settings) -> float:
    """Share of the filling in the result, 0 to 1: the user's amount, or the proposed one."""
    proposed = (
        found is None
        or (settings.mends_damage and found.is_sure)
        or (settings.mends_worst_damage and found.is_beyond_doubt)
    )
    return min(settings.amounts.get("damage", float(proposed)), 1.0)
