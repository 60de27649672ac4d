"""Result of a restoration. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.photo import Photo


@dataclass(frozen=True)
class Layer:
    """One picture of the result, with the size, depth, alpha and profile of the input.

    Only maps are 8-bit grey: that of what the model generated, white where nothing is the photo's,
    and those of findings, as `analysis.maps` makes them.
    """

    name: str
    """One of `settings.LAYERS`."""
    photo: Photo


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """Layers in the order asked for, and how they came about."""

    layers: tuple[Layer, ...]
    diagnosis: Diagnosis
    description: str
    """Contents of the photo in words for people; empty where none are sure."""
    generated: tuple[float, float]
    """Mean and maximum, 0 to 1, of how much of the restored photo comes from the model."""
    seconds: float
    """Working time in the engine."""
    remarks: tuple[str, ...] = ()
    """For the user, a sentence each: what was asked for and is not done, and why."""

    @property
    def photo(self) -> Photo:
        """The first layer: the restored photo unless others were asked for."""
        return self.layers[0].photo
