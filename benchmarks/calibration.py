"""Probabilities against what came true: reliability, expected calibration error, Brier score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.errors import BenchmarkError

BINS = 10
"""Bins of equal width, as usual for the expected calibration error (Guo et al. 2017)."""


@dataclass(frozen=True)
class Forecast:
    """One probability and how it turned out."""

    finding: str
    probability: float
    holds: bool


@dataclass(frozen=True)
class Bin:
    """Forecasts of about one probability."""

    count: int
    probability: float
    """Their mean."""
    share: float
    """The share of them that hold."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Reliability of the forecasts of one finding, or of all."""

    finding: str
    count: int
    holding: int
    error: float
    """Expected calibration error, 0 to 1."""
    brier: float
    """Mean squared error of the probability."""
    bins: tuple[Bin, ...]
    """Those that are not empty, lowest first."""


def reliability(finding: str, forecasts: Sequence[Forecast]) -> Reliability:
    """Sort forecasts into bins and compare what was said with what holds."""
    said = np.array([one.probability for one in forecasts])
    holds = np.array([one.holds for one in forecasts], dtype=float)
    if not said.size or not ((said >= 0) & (said <= 1)).all():
        raise BenchmarkError(f"probabilities of '{finding}' are missing or outside 0 to 1")
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(int(inside.sum()), float(said[inside].mean()), float(holds[inside].mean()))
        for inside in (place == index for index in range(BINS))
        if inside.any()
    )
    apart = sum(part.count * abs(part.probability - part.share) for part in bins)
    return Reliability(
        finding=finding,
        count=said.size,
        holding=int(holds.sum()),
        error=apart / said.size,
        brier=float(np.mean((said - holds) ** 2)),
        bins=bins,
    )


def reliabilities(forecasts: Iterable[Forecast]) -> list[Reliability]:
    """All forecasts together first, then those of each finding that holds anywhere."""
    every = list(forecasts)
    if not every:
        return []
    names = list(dict.fromkeys(one.finding for one in every if one.holds))
    return [
        reliability("all", every),
        *(reliability(name, [one for one in every if one.finding == name]) for name in names),
    ]
