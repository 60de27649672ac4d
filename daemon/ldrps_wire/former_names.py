"""Names that were written to disk before they became today's, so that what was kept stays valid.

Ledgers, journals and marks of results outlive the version that wrote them. They are read as if they
had been written today; nothing is written under a former name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ldrps_engine.settings import FORMER_LAYERS

_FIGURES = {"veil": "haze"}
PROPERTIES = {"GeneratedMean": "InventedMean", "GeneratedMaximum": "InventedMaximum"}
"""Former names of properties in a result's XMP, by today's."""


def current_layer(name: str) -> str:
    """Return a layer's name of today."""
    return FORMER_LAYERS.get(name, name)


def current_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, as `Settings.as_dict` and JSON made them, with today's names of layers."""
    layers = values.get("layers")
    if not isinstance(layers, list | tuple):
        return dict(values)
    renamed = (current_layer(name) if isinstance(name, str) else name for name in layers)
    return {**values, "layers": type(layers)(renamed)}


def former_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they were first written, for digests that are not to change."""
    layers = values.get("layers")
    if layers is None:
        return dict(values)
    former = {today: before for before, today in FORMER_LAYERS.items()}
    return {**values, "layers": tuple(former.get(name, name) for name in layers)}


def current_figures(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a diagnosis, as `dataclasses.asdict` and JSON made it, with its names of today."""
    return {_FIGURES.get(name, name): value for name, value in values.items()}
