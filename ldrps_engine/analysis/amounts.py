"""Amounts of what is done about each finding: proposed by the diagnosis, changed by the user.

No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.settings import Settings

# Amount of fading undone in a print of one hue that is only said to be old. Compared with the whole
# curve, 16 drawn ones go from 28.5 to 34.5 dB if not faded, and from 28.7 to 27.4 if faded.
_DOUBTED = 0.5


def proposed_amounts(
    diagnosis: Diagnosis, settings: Settings, *, marked: bool = False
) -> dict[str, float]:
    """Return the amount applied to each finding unless the user says otherwise.

    Sent back as `Settings.amounts`, they give the same picture. Damage is among them only if it is
    `marked` by a mask, or if some was found.
    """
    asked = settings.recipe == "old-photo"
    # A print of one hue that does not look faded may have been meant as dark as it is.
    doubted = diagnosis.grey or diagnosis.toned
    faded = 1.0 if diagnosis.is_faded or not doubted else _DOUBTED
    mended = float(settings.blind and diagnosis.is_cast)
    colours = settings.recipe == "colour" or (
        diagnosis.grey and settings.blind and settings.allow_colour
    )
    found = {
        # Bringing back light reveals noise that was invisible before.
        "noise": not settings.blind or diagnosis.needs_work or colours,
        "haze": diagnosis.is_hazy and not diagnosis.is_dark,
        "light": diagnosis.is_dark,
        "cast": faded if asked or diagnosis.is_faded else mended,
        "colour": colours,
    }
    amounts = {name: float(wrong) for name, wrong in found.items()}
    if not marked and not diagnosis.damage:
        return amounts
    mended = (
        marked
        or (settings.mends_damage and diagnosis.is_damaged)
        or (settings.mends_worst_damage and diagnosis.is_damaged_beyond_doubt)
    )
    return {"damage": float(mended), **amounts}


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """Amounts that hold for one photo, from 0 to 2. Neutral: 1."""

    damage: float = 1.0
    noise: float = 1.0
    haze: float = 1.0
    light: float = 1.0
    cast: float = 1.0
    colour: float = 1.0

    @classmethod
    def of(cls, diagnosis: Diagnosis, settings: Settings) -> Amounts:
        """Take the user's amounts, and the diagnosis' for the rest.

        The published method has no amounts; damage is filled before it begins.
        """
        given = dict(settings.amounts)
        if settings.recipe == "paper":
            given = {name: given[name] for name in ("damage",) if name in given}
        return cls(**{**diagnosis.amounts, **given})
