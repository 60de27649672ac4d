"""Duration of jobs on this machine, learnt from those it has done."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.rows import Timing

Floats = npt.NDArray[np.floating[Any]]

_Begun = tuple[float, float]

_TENTHS = 10
_WORKING = ("denoise", "sample", "refine")
# Most jobs of a kind that are remembered: models, drivers and neighbours change.
_KEPT = 32
_ANY = ""
_SAMPLED, _PLAIN = " sampled", " plain"
# Relative difference below which two photos say nothing about the cost of size.
_SAME_SIZE = 0.05
# Least part of the time predicted from a job's own pace that is reported as left.
_OWN_PACE = 0.1


def kind_of(settings: pb.Settings, device: str) -> str:
    """Name the kind of a job: those of one kind take about as long for as many pixels."""
    steps = settings.steps if settings.HasField("steps") else "-"
    passes = settings.recurrences if settings.HasField("recurrences") else "-"
    family = device.partition(":")[0]
    return f"{family} {settings.model or 'bundled'} {settings.recipe or 'auto'} {steps} {passes}"


def work_of(kind: str, *, sampled: bool, count: int) -> str:
    """Refine the kind of a job whose work is known: good photos say nothing of bad ones.

    `count` is that of its steps, which go with the photo's size and with what is filtered.
    """
    return f"{kind}{_SAMPLED if sampled else _PLAIN} {count.bit_length()}"


@dataclass(frozen=True)
class Line:
    """Seconds as a line over megapixels."""

    fixed: float
    slope: float

    def at(self, pixels: int) -> float:
        """Return the seconds for so many pixels; never below zero."""
        return max(0.0, self.fixed + self.slope * pixels / 1e6)


class Estimator:
    """Seconds by kind of work and size of photo: a fixed part, and one per pixel, as the median.

    The same for each tenth of a job's steps, as steps are not equally long: those of the sampler
    are slow, and most of those that transfer its result to the photo quick.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[Timing]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._lines: dict[str, list[Line]] = {}

    def learn(self, timings: Iterable[Timing]) -> None:
        """Take note of what jobs took, in the order they ended."""
        for timing in timings:
            for kind in _taught(timing.kind):
                self._seen[kind].append(timing)
                self._lines.pop(kind, None)

    def seconds(self, kind: str, pixels: int) -> float:
        """Estimate the seconds a job takes a worker; 0 if nothing like it has been done yet."""
        return self._course(kind, pixels)[-1]

    def rest(self, kind: str, pixels: int, share: float) -> float:
        """Estimate the seconds left after this share of the steps; 0 if not known."""
        return self.seconds(kind, pixels) - self._reached(kind, pixels, share)

    def left(
        self, kind: str, pixels: int, elapsed: float, share: float, begun: _Begun = (0.0, 0.0)
    ) -> float:
        """Estimate the seconds left of a job that took `elapsed` for this share of its steps.

        Early on, the pace of earlier jobs is the better guide; towards the end, the job's own.
        `begun` is the share and the seconds of its first step, which includes the loading of
        models: where no such job has been done yet, the pace since then is all there is. 0 if not
        known.
        """
        if share <= 0:
            return max(0.0, self.seconds(kind, pixels) - elapsed)
        since, before = begun
        own = (elapsed - before) * (1 - share) / (share - since) if share > since else 0.0
        expected = self._reached(kind, pixels, share)
        if not expected:
            return own
        left = self.rest(kind, pixels, share) * (elapsed / expected) ** share
        return float(max(left, _OWN_PACE * own))

    def _reached(self, kind: str, pixels: int, share: float) -> float:
        course = self._course(kind, pixels)
        return float(np.interp(share, np.linspace(0, 1, len(course)), course))

    def _course(self, kind: str, pixels: int) -> list[float]:
        """Return the seconds until each tenth of the steps is done, from none to all."""
        known = next((pool for pool in _pools(kind) if pool in self._seen), None)
        if known is None:
            return [0.0] * (_TENTHS + 1)
        if known not in self._lines:
            self._lines[known] = _fit(list(self._seen[known]))
        reached = [line.at(pixels) for line in self._lines[known]]
        return [0.0, *accumulate(reached, max)]


def _pools(kind: str) -> list[str]:
    """List the pools of examples for a kind of job, the most similar first."""
    for work in (_SAMPLED, _PLAIN):
        base, known, _count = kind.rpartition(work)
        if known:
            # Nothing is taken from jobs whose work was another, or is not known.
            return [kind, base + work, work]
    return [kind, _ANY]


def _taught(kind: str) -> list[str]:
    """List all pools that a job of a kind is an example for."""
    for work in (_SAMPLED, _PLAIN):
        base, known, _count = kind.rpartition(work)
        if known:
            return [*_pools(kind), base, _ANY]
    return _pools(kind)


class Course:
    """Times at which a job had done each tenth of its steps."""

    def __init__(self) -> None:
        self._marks: list[float] = []
        self.sampled = False
        """True once the prior was at work, and not only what transfers its result to the photo."""
        self.count = 0
        """Number of all steps; 0: there were none, so that nothing is known about their times."""
        self.begun: _Begun = (0.0, 0.0)
        """Share and seconds of the first step."""

    def step(self, step: pb.Step, elapsed: float) -> float:
        """Note a step done after `elapsed` seconds and return the share of all steps done."""
        self.count = max(1, step.count)
        self.sampled = self.sampled or step.stage in _WORKING
        share = step.index / self.count
        if not self.begun[0]:
            self.begun = share, elapsed
        while len(self._marks) < _TENTHS - 1 and share * _TENTHS > len(self._marks) + 1 - 1e-9:
            self._marks.append(elapsed)
        return share

    def work(self, kind: str) -> str:
        """Refine the job's kind, now that something of its work is known."""
        return work_of(kind, sampled=self.sampled, count=self.count) if self.count else kind

    def marks(self, seconds: float) -> tuple[float, ...]:
        """Return the seconds until one tenth of the steps was done, two were, and so on to all."""
        if not self.count:
            return ()
        return (*self._marks, *[seconds] * (_TENTHS - len(self._marks)))


def _fit(seen: list[Timing]) -> list[Line]:
    """Fit a line for each tenth of the steps."""
    sizes = np.array([timing.pixels for timing in seen], dtype=float) / 1e6
    marks = np.array([timing.marks or _even(timing.seconds) for timing in seen])
    return [_median_line(sizes, took) for took in marks.T]


def _even(seconds: float) -> tuple[float, ...]:
    """Spread the time of a job evenly over its steps, which were not timed."""
    return tuple(seconds * (tenth + 1) / _TENTHS for tenth in range(_TENTHS))


def _median_line(sizes: Floats, took: Floats) -> Line:
    """Fit the median slope between pairs of jobs, then the median offset (Theil and Sen).

    It is robust to outliers: the first job waits for what is compiled and read once, another for a
    neighbour.
    """
    first, second = np.triu_indices(len(sizes), 1)
    apart = sizes[second] - sizes[first]
    differ = np.abs(apart) > _SAME_SIZE * (sizes[first] + sizes[second])
    slopes = (took[second] - took[first])[differ] / apart[differ]
    slope = max(0.0, float(np.median(slopes))) if len(slopes) else 0.0
    # As steep as a line through the origin at most: there is no negative fixed part.
    rates = took[sizes > 0] / sizes[sizes > 0]
    slope = min(slope, float(np.median(rates))) if len(rates) else 0.0
    return Line(max(0.0, float(np.median(took - slope * sizes))), slope)
