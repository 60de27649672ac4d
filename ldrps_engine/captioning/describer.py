"""Choice of the describer: the user, a multimodal model, or the bundled tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.opinion import Opinion
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
    """Shown to the user beside the text."""

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
        return None, (f"{name} gave no usable answer, so the tagger describes the scene",)
    return opinion, ()


def describe(
    mended: Array, settings: Settings, opinion: Opinion | None, remarks: tuple[str, ...] = ()
) -> Described:
    """The user's own text if there is one, else the describer's, else the tagger's.

    `mended` is the photo (H, W, 3) with its light roughly put right, which the tagger needs.
    """
    if settings.description is not None:
        return Described(settings.description, "user", remarks)
    if opinion is not None:
        return Described(opinion.scene, opinion.source, remarks)
    return Described(tag_scene(mended), TAGGER, remarks)


def _installed() -> list[str]:
    """Describers of the catalogue that are installed; the best ones come first there."""
    found = (e.name for e in catalogue().values() if e.kind == "describer")
    return [name for name in found if is_installed(name)]
