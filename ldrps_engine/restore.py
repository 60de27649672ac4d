"""The main path (being written)."""

from __future__ import annotations

from ldrps_engine.photo import Photo
from ldrps_engine.progress import OnStep, ignore
from ldrps_engine.residency import Models
from ldrps_engine.result import Restoration
from ldrps_engine.settings import Settings

__all__ = ["Models", "restore"]


def restore(
    photo: Photo, settings: Settings, models: Models, on_step: OnStep = ignore
) -> Restoration:
    """Restore one photo."""
    raise NotImplementedError
