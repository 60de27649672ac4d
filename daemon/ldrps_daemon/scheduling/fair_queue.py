"""Order of turns: urgent jobs first, clients in turn, and first come first served within each.

Nothing here walks through all jobs, so that ten thousand may wait: a question about one job costs
a look at each client.
"""

from __future__ import annotations

import asyncio
import heapq
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from ldrps_daemon import clock
from ldrps_daemon.storage.jobs import Job

_TURNS_KEPT = 256
# Longest time for which a worker leaves a job to one that suits it better: it may never come.
_GIVE_WAY_SECONDS = 0.1
# Clients that were served; the later, the larger the number.
_Served = Mapping[str, int]


class Candidate(Protocol):
    """One who waits for work."""

    def is_up(self) -> bool:
        """True while there is a process that takes orders."""

    def held(self, job: Job) -> int:
        """Count the models for a job that are in memory; 0 for who could not begin with it now."""


def _order(job: Job) -> int:
    return job.order


class _Lanes:
    """Jobs of one class, a lane for each client."""

    def __init__(self) -> None:
        self._lanes: dict[str, list[Job]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, job: Job) -> None:
        insort(self._lanes.setdefault(job.client, []), job, key=_order)
        self._count += 1

    def index(self, job: Job) -> int:
        """Find the job's place in its own lane; -1 if it is not there."""
        lane = self._lanes.get(job.client, [])
        at = bisect_left(lane, job.order, key=_order)
        return at if at < len(lane) and lane[at] is job else -1

    def remove(self, job: Job) -> bool:
        """Remove a job and return whether it was there."""
        at = self.index(job)
        if at >= 0:
            del self._lanes[job.client][at]
            self._count -= 1
            if not self._lanes[job.client]:
                del self._lanes[job.client]
        return at >= 0

    def first(self, served: _Served) -> Job:
        """Return the next job; there must be one."""
        return min(self._lanes.values(), key=lambda lane: _turn(lane, served))[0]

    def position(self, job: Job, served: _Served) -> int:
        """Count the jobs of this class that go before one of it."""
        at, mine = self.index(job), _turn(self._lanes[job.client], served)
        before = 0
        for lane in self._lanes.values():
            # In the rounds before its own, and in that one those clients whose turn is before.
            before += min(len(lane), at)
            before += len(lane) > at and _turn(lane, served) < mine
        return before

    def in_turn(self, served: _Served) -> Iterator[Job]:
        """Yield one job of each client, then a second of each, longest unserved clients first."""
        lanes = sorted(self._lanes.values(), key=lambda lane: _turn(lane, served))
        at = 0
        while lanes:
            for lane in lanes:
                yield lane[at]
            at += 1
            lanes = [lane for lane in lanes if len(lane) > at]


def _turn(lane: list[Job], served: _Served) -> tuple[int, int]:
    return served.get(lane[0].client, 0), lane[0].order


class FairQueue:
    """Jobs that no worker has.

    An interactive job is urgent. A batch job becomes urgent when it has waited for
    `batch_wait` seconds in all; from then on no interactive job overtakes or interrupts it,
    so that no client waits for ever.
    """

    def __init__(self, batch_wait: float) -> None:
        self._batch_wait = batch_wait
        self._urgent, self._later = _Lanes(), _Lanes()
        self._jobs: dict[int, Job] = {}
        """Jobs by their `order`, which is unique."""
        self._due: list[tuple[float, int]] = []
        """Times at which batch jobs become urgent; some may have left since."""
        self._served: dict[str, int] = {}
        self._turns = 0
        self._news = asyncio.Event()
        """Set, and replaced, with each change that matters to those who wait for work."""
        self._starting = 0
        self._idle: list[Candidate] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return job.order in self._jobs

    def is_urgent(self, job: Job) -> bool:
        """Tell whether a job may interrupt others, and may not be interrupted."""
        return not job.is_batch or job.waited() >= self._batch_wait

    def urgent(self) -> int:
        """Count the urgent jobs that wait."""
        self._promote()
        return len(self._urgent)

    def position(self, job: Job) -> int:
        """Count the jobs before this one; 0 if it is not waiting."""
        if job.order not in self._jobs:
            return 0
        self._promote()
        if self._urgent.index(job) >= 0:
            return self.place(self._urgent.position(job, self._served))
        return self.place(len(self._urgent) + self._later.position(job, self._served))

    def place(self, index: int) -> int:
        """Return the position at an index: jobs for whom a worker starts count as gone."""
        return max(0, index - self._starting)

    def in_turn(self) -> Iterator[Job]:
        """Yield the waiting jobs, next one first. Must be used up before anything changes."""
        self._promote()
        yield from self._urgent.in_turn(self._served)
        yield from self._later.in_turn(self._served)

    def put(self, job: Job) -> None:
        """Add a job to those that wait. An interrupted one comes before its client's later ones."""
        self._jobs[job.order] = job
        if self.is_urgent(job):
            self._urgent.add(job)
        else:
            self._later.add(job)
            heapq.heappush(self._due, (clock.now() + self._batch_wait - job.waited(), job.order))
        self._notify()

    async def arrival(self, worker: Candidate) -> None:
        """Return when there is a job for a worker: one that is up, or would have to be started.

        No worker is started for a job that another one can take, or is being started for. A worker
        leaves a job to one that is idle as well and has more of the job's models in its memory.
        """
        self._idle.append(worker)
        try:
            while True:
                while not self._has_one_for(worker):
                    await self._news.wait()
                if not self._suits_another(worker):
                    return
                async with asyncio.timeout(_GIVE_WAY_SECONDS):
                    await self._news.wait()
        except TimeoutError:
            return
        finally:
            self._idle.remove(worker)
            # Wake the workers that deferred to this one: it may do something else first.
            self._notify()

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Announce, while the block runs, that a worker is being started for one of the jobs."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1
            self._notify()

    @property
    def spared(self) -> bool:
        """True while a worker is being started for which there is no job any more."""
        return len(self) < self._starting

    def take(self) -> Job | None:
        """Remove and return the next job; None if there is none."""
        if not (job := self._first()):
            return None
        self.drop(job)
        self._turns += 1
        self._served.pop(job.client, None)
        self._served[job.client] = self._turns
        while len(self._served) > _TURNS_KEPT:
            self._served.pop(next(iter(self._served)))
        return job

    def drop(self, job: Job) -> bool:
        """Take a job out of the queue and return whether it was there."""
        if self._jobs.pop(job.order, None) is None:
            return False
        return self._urgent.remove(job) or self._later.remove(job)

    def _first(self) -> Job | None:
        self._promote()
        lanes = self._urgent if len(self._urgent) else self._later
        return lanes.first(self._served) if len(lanes) else None

    def _has_one_for(self, worker: Candidate) -> bool:
        ready = sum(other.is_up() for other in self._idle)
        return len(self) > (0 if worker.is_up() else self._starting + ready)

    def _suits_another(self, worker: Candidate) -> bool:
        job = self._first()
        if not job or not worker.is_up():
            return False
        held = worker.held(job)
        return any(other.held(job) > held for other in self._idle if other.is_up())

    def _notify(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _promote(self) -> None:
        """Make jobs urgent that have waited long enough."""
        while self._due and self._due[0][0] <= clock.now():
            _, order = heapq.heappop(self._due)
            job = self._jobs.get(order)
            # It may have been interrupted and be back; then it has a time of its own here.
            if job and self.is_urgent(job) and self._later.remove(job):
                self._urgent.add(job)
