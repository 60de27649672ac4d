"""A describer's opinion weighed against the measurements. No torch.

The measurement stays in charge: an opinion moves a figure by at most a quarter of the way, so it
decides only if the figures do not. Noise and missing colour are measured better than any model sees
them, and are not moved at all. If the two are far apart, a remark says so.
"""

from __future__ import annotations

from dataclasses import replace

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.opinion import Opinion

_WEIGHT = 0.25
_FAR = 0.5
_WORST_NOISE = 25.0
_WORDS = {
    "dark": "too dark",
    "haze": "hazy",
    "noise": "noisy",
    "tint": "tinted",
    "grey": "without colour",
}


def merge(found: Diagnosis, opinion: Opinion, recipe: str) -> tuple[Diagnosis, tuple[str, ...]]:
    """The diagnosis with the opinion weighed in, and one sentence for each disagreement.

    A recipe that names what is wrong was chosen by a person: nothing is weighed in then.
    """
    seen = opinion.faults
    remarks = _disagreements(measured_faults(found), opinion)
    if recipe != "auto" or not seen:
        return found, remarks
    moved = replace(
        found,
        darkness=_moved(found.darkness, seen.get("dark")),
        haze=_moved(found.haze, max(seen.get("haze", -1.0), seen.get("faded", -1.0))),
        cast=_moved(found.cast, seen.get("tint")),
    )
    return moved, remarks


def measured_faults(found: Diagnosis) -> dict[str, float]:
    """The measured figures on the scale that describers are asked to use."""
    return {
        "dark": found.darkness,
        "haze": found.haze,
        "noise": min(found.noise_sigma / _WORST_NOISE, 1.0),
        "tint": found.cast,
        "grey": float(found.grey),
    }


def _moved(measured: float, seen: float | None) -> float:
    if seen is None or seen < 0:
        return measured
    return (1 - _WEIGHT) * measured + _WEIGHT * seen


def _disagreements(measured: dict[str, float], opinion: Opinion) -> tuple[str, ...]:
    said = []
    for name, word in _WORDS.items():
        seen = opinion.faults.get(name)
        if seen is not None and abs(seen - measured[name]) > _FAR:
            said.append(
                f"{opinion.source} finds the photo {word} to {seen:.1f}, "
                f"measured is {measured[name]:.1f}"
            )
    return tuple(said)
