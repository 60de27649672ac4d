"""Restoration of only those photos that need it: `noise>5`, `haze>0.5`, or just `needed`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ldrps_client._names import FORMER_FIGURES
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.errors import SettingsError
from ldrps_wire.hints import did_you_mean

_FIGURES = {
    "noise": "noise_sigma",
    "haze": "haze",
    "darkness": "darkness",
    "cast": "cast",
    "blocks": "blocks",
    "hot_pixels": "hot_pixels",
    "damage": "damage",
}
_WORDS = ("needed", "grey")


@dataclass(frozen=True)
class Condition:
    """One condition on a photo's diagnosis."""

    name: str
    """Name of a figure, or `needed` (anything that `auto` mends), or `grey`."""
    above: float = 0.0

    def holds(self, found: Diagnosis) -> bool:
        """Tell whether it is true."""
        if self.name == "needed":
            return found.needs_work
        if self.name == "grey":
            return found.grey
        return bool(getattr(found, _FIGURES[self.name]) > self.above)


def parse_condition(text: str) -> Condition:
    """Parse `noise>5`, `needed` or `grey`; SettingsError for anything else."""
    if text.strip() in _WORDS:
        return Condition(text.strip())
    parts = re.fullmatch(r"\s*(\w+)\s*>\s*(\d+(?:\.\d+)?)\s*", text)
    if parts is None or parts[1] not in _FIGURES:
        hint = did_you_mean(parts[1], _FIGURES, FORMER_FIGURES) if parts else ""
        raise SettingsError(
            f"filter '{text}' is not understood; write one of {', '.join(_FIGURES)} with a figure,"
            f" such as 'noise>5', or {' or '.join(_WORDS)}{hint}"
        )
    return Condition(parts[1], float(parts[2]))


def is_wanted(conditions: Iterable[Condition], found: Diagnosis) -> bool:
    """Tell whether a photo is to be restored: no conditions, or one of them holds."""
    listed = list(conditions)
    return not listed or any(condition.holds(found) for condition in listed)


def diagnosis_from(values: Mapping[str, Any]) -> Diagnosis | None:
    """Rebuild a diagnosis from the ledger; None if it is not whole."""
    try:
        return Diagnosis.from_dict(values)
    except TypeError:
        return None
