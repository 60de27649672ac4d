"""Description of the scene for people, and the prompt for the prior.

Both are the user's own text or a multimodal model's where there is one. Else people read what the
semantic encoder is sure of, and the prior gets the colours that it was trained with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.opinion import Opinion
from ldrps_engine.analysis.recognition import Recognition
from ldrps_engine.captioning.naming import name_scene
from ldrps_engine.captioning.tagger import tag_scene
from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.catalogue import catalogue
from ldrps_engine.model_store.store import is_installed
from ldrps_engine.progress import Described, OnStep
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_engine.priors.model_cache import ModelCache

Array = NDArray[np.float32]

AUTO, TAGGER = "auto", "tagger"


class Describer(Protocol):
    """A model that looks at a photo and says what it shows and what is wrong with it."""

    source: str
    """Shown to the user along with the text."""

    def look(self, rgb: Array) -> Opinion | None:
        """Its opinion of an (H, W, 3) sRGB image in [0, 1]; None if it gave no usable answer."""
        ...

    def total_bytes(self) -> int:
        """Memory of its weights."""
        ...

    def rest(self) -> None:
        """Put the weights into the host's memory until the next use."""
        ...


def consult(
    rgb: Array, settings: Settings, models: ModelCache, on_step: OnStep
) -> tuple[Opinion | None, tuple[str, ...]]:
    """Ask the chosen describer; its opinion (None: the tagger's turn), and remarks for the user.

    A describer that was named must work; one that was only found installed may fail.
    """
    if settings.description is not None or settings.describer == TAGGER:
        return None, ()
    if settings.describer != AUTO:
        return _asked(settings.describer, rgb, models, on_step)
    remarks: tuple[str, ...] = ()
    for name in _installed():
        try:
            opinion, said = _asked(name, rgb, models, on_step)
        except ModelError as error:
            # It may be too large where a smaller one is not.
            remarks += (str(error),)
        else:
            return opinion, remarks + said
    return None, remarks


def _asked(
    name: str, rgb: Array, models: ModelCache, on_step: OnStep
) -> tuple[Opinion | None, tuple[str, ...]]:
    opinion = models.describer(name, on_step).look(rgb)
    if opinion is None:
        return None, (f"{name} gave no usable answer, so the scene was left to the tagger",)
    return opinion, ()


def describe(
    seen: Recognition, settings: Settings, opinion: Opinion | None, remarks: tuple[str, ...] = ()
) -> Described:
    """Say what a photo shows, for people: the user's own text, else the describer's, else names.

    The tagger's text is empty where the semantic encoder is not sure what it sees.
    """
    if settings.description is not None:
        return Described(settings.description, "user", remarks)
    if opinion is not None:
        return Described(opinion.scene, opinion.source, remarks)
    return Described(name_scene(seen), TAGGER, remarks)


def prompt(mended: Array, settings: Settings, opinion: Opinion | None) -> str:
    """Text that conditions the prior: the user's, else the describer's, else the scene's colours.

    `mended` is the photo (H, W, 3) with its light roughly put right.
    """
    if settings.description is not None:
        return settings.description
    return opinion.scene if opinion else tag_scene(mended)


def _installed() -> list[str]:
    """Describers of the catalogue that are installed; the best ones come first there."""
    found = (e.name for e in catalogue().values() if e.kind == "describer")
    return [name for name in found if is_installed(name)]
