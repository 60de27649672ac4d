"""Turns of waiting jobs, and the news of them to watchers."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.fair_queue import FairQueue
from ldrps_daemon.storage.jobs import Job

# Most jobs predicted one by one; those behind them are assumed to take as long as these.
_EXACT = 64
# Most watchers that hear of each change; more of them hear of some.
_AT_ONCE = 64
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Turn:
    """A waiting job's place, and the seconds until its turn is likely to come; 0: not known."""

    position: int
    seconds: float


NO_TURN = Turn(0, 0.0)


class Outlook:
    """Predictions about one queue at one moment."""

    def __init__(
        self, queue: FairQueue, free: Iterable[float], seconds: Callable[[Job], float]
    ) -> None:
        """Take `free`, seconds until each worker is free, and `seconds`, the time of a job."""
        self._queue = queue
        self._free = list(free)
        heapq.heapify(self._free)
        self._first: dict[str, Turn] = {}
        spent = 0.0
        for index, job in enumerate(islice(queue.in_turn(), _EXACT)):
            self._first[job.id] = Turn(queue.place(index), self._free[0])
            took = seconds(job)
            spent += took
            heapq.heapreplace(self._free, self._free[0] + took)
        self._mean = spent / max(1, len(self._first))

    def of(self, job: Job) -> Turn:
        """Predict the turn of one job; NO_TURN if it does not wait in this queue."""
        found = self._first.get(job.id)
        if found or job not in self._queue:
            return found or NO_TURN
        return self._behind(self._queue.position(job))

    def of_all(self, jobs: Iterable[Job]) -> dict[str, Turn]:
        """Predict the turns of many jobs, at less cost than one at a time."""
        queued = {job.id for job in jobs if job in self._queue}
        wanted = queued - self._first.keys()
        if wanted:
            places = ((self._queue.place(at), job) for at, job in enumerate(self._queue.in_turn()))
            behind = {job.id: self._behind(at) for at, job in places if job.id in wanted}
            return self._first | behind
        return self._first

    def _behind(self, position: int) -> Turn:
        rounds = max(0, position - len(self._first)) / len(self._free)
        return Turn(position, self._free[0] + rounds * self._mean)


class Announcer:
    """Tells watchers of waiting jobs where those stand, when that has changed.

    Unwatched jobs get one event: every job that comes or goes moves all that wait, and a long queue
    would fill memory and disk with places that no client looks at.
    """

    def __init__(
        self, queue: FairQueue, outlook: Callable[[], Outlook], why: Callable[[], str]
    ) -> None:
        """Take the parts; `why` returns what keeps all jobs waiting; empty: nothing."""
        self._queue = queue
        self._outlook = outlook
        self._why = why
        self._watched: dict[str, Job] = {}
        self._changed = False
        self._announcing: asyncio.Task[None] | None = None

    def watch(self, job: Job) -> None:
        """Note that a job has a watcher from now on."""
        self._watched[job.id] = job
        self.announce()

    def leave(self, job: Job) -> None:
        """Note that a watcher has left."""
        if not job.feed.watchers:
            self._watched.pop(job.id, None)

    def announce(self, *new: Job) -> None:
        """Announce a change; `new` jobs have come to wait."""
        outlook = self._outlook() if new or self._watched else None
        for job in new:
            self._queued(job, outlook)
        if len(self._watched) <= _AT_ONCE:
            for job in list(self._watched.values()):
                self._queued(job, outlook)
        else:
            self._changed = True
            if self._announcing is None or self._announcing.done():
                self._announcing = asyncio.get_running_loop().create_task(self._announce_slowly())

    async def close(self) -> None:
        """Stop announcing."""
        if self._announcing:
            self._announcing.cancel()
            await asyncio.gather(self._announcing, return_exceptions=True)

    async def _announce_slowly(self) -> None:
        while self._changed:
            await asyncio.sleep(_PAUSE_SECONDS)
            self._changed = False
            jobs = list(self._watched.values())
            for start in range(0, len(jobs), _AT_ONCE):
                outlook = self._outlook()
                for job in jobs[start : start + _AT_ONCE]:
                    self._queued(job, outlook)
                await asyncio.sleep(0)

    def _queued(self, job: Job, outlook: Outlook | None) -> None:
        if outlook is None or job.ended or job.state != pb.JOB_STATE_QUEUED:
            return
        turn, why = outlook.of(job), self._why()
        if (job.announced_position, job.announced_why) == (turn.position, why):
            return
        job.announced_position, job.announced_why = turn.position, why
        queued = pb.Queued(position=turn.position, estimated_seconds=turn.seconds, why=why)
        job.publish(pb.Event(queued=queued))
