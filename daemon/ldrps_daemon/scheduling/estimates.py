"""How long jobs take on this machine, learnt from those it has done."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.journal import Timing

Floats = npt.NDArray[np.floating[Any]]

_Begun = tuple[float, float]

_TENTHS = 10
_KEPT = 64
_ANY = ""
_HALF_LIFE = 16
"""So many jobs back, a measurement counts half: models, drivers and neighbours change."""
_ROUNDS = 4
_BELIEVED = 0.1
"""So far off the line, relative to it, a measurement has its full weight."""


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
    """Seconds by kind of job and size of photo: a fixed part, and one per pixel.

    The same for each tenth of a job's steps, as steps are not equally long: those of the sampler
    are slow, and most of those that carry its result to the photo quick.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[Timing]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._lines: dict[str, list[Line]] = {}

    def learn(self, timings: Iterable[Timing]) -> None:
        """Take note of what jobs took, in the order they ended."""
        for timing in timings:
            for kind in (timing.kind, _ANY):
                self._seen[kind].append(timing)
                self._lines.pop(kind, None)

    def seconds(self, kind: str, pixels: int) -> float:
        """What a job will take a worker; 0 if nothing like it has been done yet."""
        return self._course(kind, pixels)[-1]

    def rest(self, kind: str, pixels: int, share: float) -> float:
        """What such jobs take after this share of their steps; 0 if that is not known."""
        return self.seconds(kind, pixels) - self._reached(kind, pixels, share)

    def left(
        self, kind: str, pixels: int, elapsed: float, share: float, begun: _Begun = (0.0, 0.0)
    ) -> float:
        """What remains of a job that was given `elapsed` seconds for this share of its steps.

        At first such jobs' pace is the better guide, towards the end the job's own. `begun` is the
        share and the seconds of its first step, with which models were loaded: where no such job
        has been done yet, the pace since then is all there is. 0 if not known.
        """
        if share <= 0:
            return max(0.0, self.seconds(kind, pixels) - elapsed)
        expected = self._reached(kind, pixels, share)
        if not expected:
            since, before = begun
            return (elapsed - before) * (1 - share) / (share - since) if share > since else 0.0
        return float(self.rest(kind, pixels, share) * (elapsed / expected) ** share)

    def _reached(self, kind: str, pixels: int, share: float) -> float:
        course = self._course(kind, pixels)
        return float(np.interp(share, np.linspace(0, 1, len(course)), course))

    def _course(self, kind: str, pixels: int) -> list[float]:
        """Seconds until each tenth of the steps is done, from none to all."""
        known = kind if kind in self._seen else _ANY
        if known not in self._seen:
            return [0.0] * (_TENTHS + 1)
        if known not in self._lines:
            self._lines[known] = _fit(list(self._seen[known]))
        reached = [line.at(pixels) for line in self._lines[known]]
        return [0.0, *accumulate(reached, max)]


class Course:
    """When a job had done each tenth of its steps."""

    def __init__(self) -> None:
        self._marks: list[float] = []
        self.begun: _Begun = (0.0, 0.0)
        """Share and seconds of the first step."""

    def at(self, share: float, elapsed: float) -> None:
        """So much of its steps it has done after so many seconds."""
        if not self.begun[0]:
            self.begun = share, elapsed
        while len(self._marks) < _TENTHS - 1 and share * _TENTHS > len(self._marks) + 1 - 1e-9:
            self._marks.append(elapsed)

    def marks(self, seconds: float) -> tuple[float, ...]:
        """Seconds until one tenth of the steps was done, until two were, until all were."""
        return (*self._marks, *[seconds] * (_TENTHS - len(self._marks)))


def _fit(seen: list[Timing]) -> list[Line]:
    """A line for each tenth of the steps."""
    sizes = np.array([timing.pixels for timing in seen], dtype=float) / 1e6
    age = np.arange(len(seen) - 1, -1, -1)
    # Large photos do not outweigh small ones.
    weight = 0.5 ** (age / _HALF_LIFE) / (sizes + sizes.mean() + 1e-6) ** 2
    marks = np.array([timing.marks or _even(timing.seconds) for timing in seen])
    return [_robust_line(sizes, took, weight) for took in marks.T]


def _even(seconds: float) -> tuple[float, ...]:
    """What is known of a job whose steps were not timed."""
    return tuple(seconds * (tenth + 1) / _TENTHS for tenth in range(_TENTHS))


def _robust_line(sizes: Floats, took: Floats, weight: Floats) -> Line:
    """Weighted least squares that believe no job that is far off the others: the first waits for
    what is compiled and read once, another for a neighbour."""
    line = _line(sizes, took, weight)
    for _ in range(_ROUNDS):
        expected = line.fixed + line.slope * sizes
        off = np.abs(took - expected) / (expected + 1e-6)
        line = _line(sizes, took, weight * np.minimum(1, _BELIEVED / (off + 1e-6)))
    return line


def _line(sizes: Floats, took: Floats, weight: Floats) -> Line:
    """Weighted least squares, neither part below zero."""
    total = weight.sum()
    mean_size, mean_took = (weight @ sizes) / total, (weight @ took) / total
    spread = weight @ (sizes - mean_size) ** 2
    slope = (weight @ ((sizes - mean_size) * (took - mean_took))) / spread if spread > 1e-9 else 0.0
    # As steep as a line through the origin at most: there is no negative fixed part.
    slope = min(max(slope, 0.0), mean_took / mean_size if mean_size else 0.0)
    return Line(float(mean_took - slope * mean_size), float(slope))
