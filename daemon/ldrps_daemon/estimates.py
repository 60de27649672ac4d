"""How long jobs take on this machine, learnt from those it has done."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.journal import Timing

_KEPT = 64
_ANY = ""
_HALF_LIFE = 16
"""So many jobs back, a measurement counts half: models, drivers and neighbours change."""


def kind_of(settings: pb.Settings, device: str) -> str:
    """Jobs of one kind take about the same time for the same number of pixels."""
    steps = settings.steps if settings.HasField("steps") else "-"
    passes = settings.recurrences if settings.HasField("recurrences") else "-"
    family = device.partition(":")[0]
    return f"{family} {settings.model or 'bundled'} {settings.recipe or 'auto'} {steps} {passes}"


@dataclass(frozen=True)
class Line:
    """Seconds by megapixels."""

    fixed: float
    slope: float

    def at(self, pixels: int) -> float:
        """Never below zero."""
        return max(0.0, self.fixed + self.slope * pixels / 1e6)


class Estimator:
    """Seconds by kind of job and size of photo: a fixed part, and one per pixel."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[Timing]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._lines: dict[str, Line] = {}

    def learn(self, timings: Iterable[Timing]) -> None:
        """Take note of what jobs took, in the order they ended."""
        for timing in timings:
            for kind in (timing.kind, _ANY):
                self._seen[kind].append(timing)
                self._lines.pop(kind, None)

    def seconds(self, kind: str, pixels: int) -> float:
        """What a job will take a worker; 0 if nothing like it has been done yet."""
        known = kind if kind in self._seen else _ANY
        if known not in self._seen:
            return 0.0
        if known not in self._lines:
            self._lines[known] = _fit(list(self._seen[known]))
        return self._lines[known].at(pixels)

    def left(self, kind: str, pixels: int, elapsed: float, share: float) -> float:
        """What remains of a job that has worked for `elapsed` and done a share of its steps.

        At first what such jobs take is the better guide, towards the end the job itself.
        """
        whole = self.seconds(kind, pixels)
        if share <= 0:
            return max(0.0, whole - elapsed)
        own = elapsed * (1 - share) / share
        if not whole:
            return own
        return (1 - share) * max(0.0, whole - elapsed) + share * own


def _fit(seen: list[Timing]) -> Line:
    """Weighted least squares, neither part below zero. Large photos do not outweigh small ones."""
    took = np.array([timing.seconds for timing in seen])
    sizes = np.array([timing.pixels for timing in seen], dtype=float) / 1e6
    age = np.arange(len(seen) - 1, -1, -1)
    weight = 0.5 ** (age / _HALF_LIFE) / (sizes + sizes.mean() + 1e-6) ** 2
    total = weight.sum()
    mean_size, mean_took = (weight @ sizes) / total, (weight @ took) / total
    spread = weight @ (sizes - mean_size) ** 2
    slope = (weight @ ((sizes - mean_size) * (took - mean_took))) / spread if spread > 1e-9 else 0.0
    # As steep as a line through the origin at most: there is no negative fixed part.
    slope = min(max(slope, 0.0), mean_took / mean_size if mean_size else 0.0)
    return Line(float(mean_took - slope * mean_size), float(slope))
