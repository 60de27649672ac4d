"""Who writes the scene's description: the user, or the bundled tagger."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.description.tagger import tag_scene
from ldrps_engine.progress import Described
from ldrps_engine.settings import Settings

Array = NDArray[np.float32]


class Describer(Protocol):
    """Writes what the scene would look like in good quality, in at most 20 words."""

    source: str
    """Shown to the user beside the text."""

    def describe(self, rgb: Array) -> str:
        """Describe an (H, W, 3) sRGB image in [0, 1] whose light is roughly mended."""
        ...


class Tagger:
    """The bundled describer: measured colours in words, no language model."""

    source = "tagger"

    def describe(self, rgb: Array) -> str:
        """See `tag_scene`."""
        return tag_scene(rgb)


def describe(rgb: Array, settings: Settings, describer: Describer | None = None) -> Described:
    """The user's own text if there is one, else the describer's."""
    if settings.description is not None:
        return Described(settings.description, "user")
    chosen = describer or Tagger()
    return Described(chosen.describe(rgb), chosen.source)
