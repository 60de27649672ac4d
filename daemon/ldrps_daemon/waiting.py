"""The bounded queue: interactive jobs before batch ones, first come first served among each."""

from __future__ import annotations

import asyncio

from ldrps_daemon.jobs import Job
from ldrps_engine.errors import BusyError


class WaitingRoom:
    """Jobs that no worker has taken yet."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: list[Job] = []
        self._reserved = 0
        self._arrived = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._jobs)

    def reserve(self, retry_after: float) -> None:
        """Hold a place while pixels are being handed in; BusyError if there is none."""
        if len(self._jobs) + self._reserved >= self.limit:
            raise BusyError(
                f"{self.limit} jobs are waiting already; try again in {retry_after:.0f} seconds",
                retry_after,
            )
        self._reserved += 1

    def release(self) -> None:
        """Give a reserved place back: the job has come, or never will."""
        self._reserved -= 1

    def position(self, job: Job) -> int:
        """How many go before this job; 0 if it is not waiting."""
        return self._jobs.index(job) if job in self._jobs else 0

    def jobs(self) -> list[Job]:
        """Those who wait, next one first."""
        return list(self._jobs)

    async def put(self, job: Job, first: bool = False) -> None:
        """Let a job wait; `first` for one that was running when its worker died."""
        ahead = 0 if first else sum(job.is_batch or not other.is_batch for other in self._jobs)
        self._jobs.insert(ahead, job)
        async with self._arrived:
            self._arrived.notify()

    async def take(self) -> Job:
        """The next job, when there is one."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: bool(self._jobs))
            return self._jobs.pop(0)

    def drop(self, job: Job) -> bool:
        """Take a job out of the queue; whether it was there."""
        if job not in self._jobs:
            return False
        self._jobs.remove(job)
        return True
