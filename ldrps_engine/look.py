"""The quick look: what is wrong with a photo and what it shows, without a prior. Never loads torch.

Has the names of the main path, so that a worker process can run either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ldrps_engine.analysis.analyse import Request, analyse
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.measuring import measure
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.captioning.describer import describe
from ldrps_engine.errors import InternalError
from ldrps_engine.model_store.catalogue import BUNDLED, catalogue
from ldrps_engine.photo import Photo
from ldrps_engine.progress import OnStep, PictureSteps, ignore
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_engine.diffusion.last_photo import LastPhoto

__all__ = ["ModelCache", "restore"]


class ModelCache:
    """Holds nothing: a look needs no model."""

    def __init__(self, device: str, *, low_memory: bool = False) -> None:
        self.device, self.low_memory = device, low_memory

    def residents(self) -> list[NoReturn]:
        """Models in memory."""
        return []

    def rest(self) -> None:
        """Nothing to put away."""


def restore(
    photo: Photo,
    settings: Settings,
    models: ModelCache,
    on_step: OnStep = ignore,
    checkpoint: bytes | None = None,
    crop: Rectangle | None = None,
    last: LastPhoto | None = None,
) -> NoReturn:
    """Report diagnosis and description; `on_step` raises when it has heard enough."""
    inset = Inset.of(photo)
    _look(inset, settings, PictureSteps(on_step, inset.of_whole))
    raise InternalError("a look goes no further than the description")


def _look(inset: Inset, settings: Settings, on_step: OnStep) -> None:
    measured = measure(inset, settings, noisy=settings.noise_sigma != 0)
    request = Request(
        measured=measured,
        settings=settings,
        # As the bundled prior sees it; the findings do not depend on which one is asked later.
        view=catalogue()[BUNDLED].view,
        prior_knows_scenes=False,
        opinion=None,
        remarks=measured.remarks,
    )
    analysis = analyse(request, on_step)
    on_step(describe(analysis.recognition, settings, None, analysis.remarks))
