"""What a restoration gives back. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from ldrps_engine.diagnosis import Diagnosis
from ldrps_engine.photo import Photo


@dataclass(frozen=True)
class Layer:
    """One picture of the result, with the size, depth, alpha and profile of the input."""

    name: str
    """`restored` or `pilot`."""
    photo: Photo


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """Layers in the order asked for, and how they came about."""

    layers: tuple[Layer, ...]
    diagnosis: Diagnosis
    description: str
    seconds: float
    """Working time in the engine."""

    @property
    def photo(self) -> Photo:
        """The first layer: the restored photo unless others were asked for."""
        return self.layers[0].photo
