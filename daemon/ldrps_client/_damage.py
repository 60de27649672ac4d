"""Masks of damage as people hold them: pictures, files, arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ldrps_client._inputs import take
from ldrps_client.files import LoadedFile
from ldrps_engine.errors import LdrpsError, SettingsError
from ldrps_engine.photo import Mask, Photo

WITHOUT_MASK = ("auto", "off")
"""Values of `damage` that are not masks."""
_WHITE = 0.5


def split_damage(choices: dict[str, Any]) -> tuple[dict[str, Any], Mask | None]:
    """Separate a mask from the other choices; SettingsError if it is none."""
    given = choices.get("damage")
    if given is None or (isinstance(given, str) and given in WITHOUT_MASK):
        return choices, None
    return choices | {"damage": "mask"}, mask_of(given)


def mask_of(given: Any) -> Mask:
    """Return the mask (H, W) in a picture or an array of booleans: true where white and visible."""
    if isinstance(given, np.ndarray) and given.dtype == np.bool_:
        if given.ndim != 2:
            raise SettingsError(
                f"damage: the mask has the shape {given.shape}; give booleans (H, W)"
            )
        return given
    try:
        taken = take(given)
    except LdrpsError as error:
        raise SettingsError(f"damage: {error}") from None
    picture: Photo = taken.photo if isinstance(taken, LoadedFile) else taken
    white = picture.pixels.mean(2) >= _WHITE
    return np.asarray(white if picture.alpha is None else white & (picture.alpha != 0))
