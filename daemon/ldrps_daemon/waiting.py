"""Who goes next: urgent jobs first, clients in turn, and first come first served for each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from ldrps_daemon.jobs import Job

_TURNS_KEPT = 256


class WaitingRoom:
    """Jobs that no worker has.

    An interactive job is urgent. A batch job becomes urgent when it has waited for
    `batch_wait` seconds in all; from then on no interactive job overtakes or interrupts it,
    so that nobody waits for ever.
    """

    def __init__(self, batch_wait: float) -> None:
        self._batch_wait = batch_wait
        self._jobs: list[Job] = []
        # Clients in the order in which they were last served.
        self._turns: dict[str, None] = {}
        self._arrived = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._jobs)

    def is_urgent(self, job: Job) -> bool:
        """Whether a job may interrupt others, and may not be interrupted."""
        return not job.is_batch or job.waited(time.time()) >= self._batch_wait

    def urgent(self) -> int:
        """How many urgent jobs wait."""
        return sum(self.is_urgent(job) for job in self._jobs)

    def position(self, job: Job) -> int:
        """How many go before this job; 0 if it is not waiting."""
        return self.jobs().index(job) if job in self._jobs else 0

    def jobs(self) -> list[Job]:
        """Those who wait, next one first."""
        now = [job for job in self._jobs if self.is_urgent(job)]
        later = [job for job in self._jobs if job not in now]
        return [*self._in_turn(now), *self._in_turn(later)]

    async def put(self, job: Job) -> None:
        """Let a job wait. One that was interrupted comes before its client's later ones."""
        self._jobs.append(job)
        self._jobs.sort(key=lambda waiting: waiting.order)
        async with self._arrived:
            self._arrived.notify()

    async def take(self) -> Job:
        """The next job, when there is one."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: bool(self._jobs))
            job = self.jobs()[0]
            self._jobs.remove(job)
            self._served(job.client)
            return job

    def drop(self, job: Job) -> bool:
        """Take a job out of the queue; whether it was there."""
        if job not in self._jobs:
            return False
        self._jobs.remove(job)
        return True

    def _served(self, client: str) -> None:
        self._turns.pop(client, None)
        self._turns[client] = None
        while len(self._turns) > _TURNS_KEPT:
            self._turns.pop(next(iter(self._turns)))

    def _in_turn(self, jobs: Sequence[Job]) -> list[Job]:
        """One of each client, then a second of each; who was served longest ago comes first."""
        lanes: dict[str, deque[Job]] = {}
        for job in jobs:
            lanes.setdefault(job.client, deque()).append(job)
        served = {client: turn for turn, client in enumerate(self._turns, 1)}
        queue = deque(lanes[c] for c in sorted(lanes, key=lambda c: served.get(c, 0)))
        ordered = []
        while queue:
            lane = queue.popleft()
            ordered.append(lane.popleft())
            if lane:
                queue.append(lane)
        return ordered
