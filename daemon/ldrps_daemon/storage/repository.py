"""Keeps index, journal and spool in step, so that memory and disk agree."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import clock
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.estimates import Course, Estimator, kind_of
from ldrps_daemon.storage.job_index import JobIndex
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.journal import Journal
from ldrps_daemon.storage.recovery import clear_strays, recovered, set_aside
from ldrps_daemon.storage.rows import Row, Timing
from ldrps_daemon.storage.spool import StoredLayers
from ldrps_engine.errors import InternalError

log = logging.getLogger("ldrps.jobs")
JOURNAL = "journal.db"
_FIRST_PAUSE = 0.5
# Longest pause in seconds between two tries to write down the end of a job.
_LONGEST_PAUSE = 5.0


@dataclass(kw_only=True)
class Counts:
    """Numbers of events since the daemon was started."""

    done: int = 0
    failed: int = 0
    cancelled: int = 0
    crashes: int = 0
    preemptions: int = 0
    recovered: int = 0


class JobRepository:
    """Memory of one daemon, whose lock must be held."""

    def __init__(self, config: ServeConfig, spool: Path) -> None:
        self.index = JobIndex(config)
        self.estimator = Estimator()
        self.counts = Counts()
        self.on_end: list[Callable[[Job], None]] = []
        """Functions called with every job that has ended."""
        self._spool = spool
        self._ends: set[asyncio.Task[None]] = set()
        """Writes of ends that the disk has not taken yet."""
        self._journal = Journal(spool / JOURNAL)

    async def recover(self) -> list[Job]:
        """Restore the recorded state and return the jobs that have not ended."""
        ended = []
        for row in await self._journal.rows():
            try:
                job = recovered(row, self._spool)
            except Exception as error:
                await self._set_aside(row, error)
                continue
            self.index.add(job)
            if job.ended and row.boot != clock.boot():
                ended.append(
                    dataclasses.replace(
                        row,
                        boot=clock.boot(),
                        submitted_tick=job.submitted_tick,
                        ended_tick=job.ended_tick,
                    )
                )
        await self._try(self._journal.update(*ended))
        clear_strays(self._spool, self.index.ids())
        self.estimator.learn(await self._journal.timings())
        self.counts.recovered = len(self.index.open())
        return self.index.open()

    async def _set_aside(self, row: Row, error: Exception) -> None:
        words = "a job in the journal cannot be read (%s: %s)"
        log.error(words, type(error).__name__, error, extra={"job": row.id})
        if place := set_aside(self._spool, row.id, row):
            log.error("it was moved to %s with its photo", place)
            await self._try(self._journal.forget([row.id]))

    async def accept(self, job: Job) -> None:
        """Remember a job, whatever happens; InternalError if that cannot be promised."""
        await self._journal.accept(job.row())
        self.index.add(job)

    async def note(self, *jobs: Job) -> None:
        """Write down the state of jobs. The work goes on if that fails."""
        await self._try(self._journal.update(*(job.row() for job in jobs)))

    async def end(self, job: Job, event: pb.Event, layers: StoredLayers | None = None) -> None:
        """Close a job; the first end counts. It is written down before anyone can see it.

        As long as the disk does not take it, no client hears of it.
        """
        if job.ending:
            return
        job.ending = True
        if await self._write_end(job, event, layers):
            self._close(job, event, layers)
        else:
            work = self._end_later(job, event, layers)
            task = asyncio.get_running_loop().create_task(work)
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    async def _end_later(self, job: Job, event: pb.Event, layers: StoredLayers | None) -> None:
        pause = _FIRST_PAUSE
        while not await self._write_end(job, event, layers):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._close(job, event, layers)
        job.folder.drop_rest(with_result=not layers)

    async def _write_end(self, job: Job, event: pb.Event, layers: StoredLayers | None) -> bool:
        # The end's number follows from those before it, which must be on disk as well.
        if not job.log.flush():
            return False
        headers = layers.headers if layers else ()
        return await self._try(self._journal.update(job.row(event, headers)))

    def _close(self, job: Job, event: pb.Event, layers: StoredLayers | None) -> None:
        job.end(event, layers)
        kind = event.WhichOneof("kind")
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        said = {"job": job.id, "end": kind, "reason": job.reason}
        log.info("job ended", extra={name: word for name, word in said.items() if word})
        for listener in self.on_end:
            listener(job)

    async def _try(self, writing: Awaitable[None]) -> bool:
        """Write, and return whether that worked; if not, the log says why."""
        try:
            await writing
        except InternalError as error:
            log.error("%s", error)
            return False
        return True

    async def learn(self, job: Job, device: str, seconds: float, course: Course) -> None:
        """Learn from the time a job took a worker, and from the course of its steps."""
        kind = course.work(kind_of(job.header.settings, device))
        marks = course.marks(seconds)
        timing = Timing(kind=kind, pixels=job.pixels, seconds=seconds, marks=marks)
        self.estimator.learn([timing])
        await self._try(self._journal.measured(timing))

    async def sweep(self) -> None:
        """Forget jobs beyond the limits."""
        self.index.sweep()
        if gone := self.index.forgotten():
            # Those whose rows stay come back with the next daemon, without their results.
            await self._try(self._journal.forget(gone))

    async def close(self) -> None:
        """Finish writing. A job whose end cannot be written goes on with the next daemon."""
        ends = list(self._ends)
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await self._journal.close()


def ended_well(job: Job) -> bool:
    """Tell whether a job's time says something about others of its kind."""
    partial = job.header.diagnose_only or job.header.HasField("crop")
    return job.state == pb.JOB_STATE_DONE and not partial
