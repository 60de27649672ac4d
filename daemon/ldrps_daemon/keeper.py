"""Keeps book, journal and spool in step: what is known is written down, and the other way."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.book import JobBook
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.estimates import Course, Estimator, kind_of
from ldrps_daemon.jobs import Job
from ldrps_daemon.journal import Journal, Timing
from ldrps_daemon.spool import StoredLayers
from ldrps_engine.errors import InternalError, LdrpsError

log = logging.getLogger("ldrps.jobs")
JOURNAL = "journal.db"


@dataclass
class Counts:
    """What has happened since the daemon was started."""

    done: int = 0
    failed: int = 0
    cancelled: int = 0
    crashes: int = 0
    preemptions: int = 0
    recovered: int = 0


class Keeper:
    """The memory of one daemon, whose lock must be held."""

    def __init__(self, config: ServeConfig, spool: Path) -> None:
        self.book = JobBook(config)
        self.estimator = Estimator()
        self.counts = Counts()
        self.on_end: list[Callable[[Job], None]] = []
        """Called with every job that has ended."""
        self._spool = spool
        self._journal = Journal(spool / JOURNAL)

    async def recover(self) -> list[Job]:
        """Take up what was written down; returns the jobs that have not ended."""
        for row in await self._journal.rows():
            try:
                job = Job.recovered(row, self._spool)
            except (DecodeError, LdrpsError):
                # Written by a daemon that knew more than this one.
                log.exception("a job cannot be read", extra={"job": row.id})
                continue
            self.book.add(job)
        self._remove_strays()
        self.estimator.learn(await self._journal.timings())
        self.counts.recovered = len(self.book.open())
        return self.book.open()

    async def accept(self, job: Job) -> None:
        """Know a job from now on, whatever happens; InternalError if that cannot be promised."""
        await self._journal.accept(job.row())
        self.book.add(job)

    async def note(self, job: Job) -> None:
        """Write down how a job stands. The work goes on if that cannot be done."""
        try:
            await self._journal.update(job.row())
        except InternalError as error:
            log.error("%s", error, extra={"job": job.id})

    async def end(self, job: Job, event: pb.Event, layers: StoredLayers | None = None) -> None:
        """Close a job; the first end counts. It is written down before anyone can see it."""
        if job.ending:
            return
        job.ending = True
        try:
            await self._journal.update(job.row(event, layers.headers if layers else ()))
        except InternalError as error:
            log.error("%s", error, extra={"job": job.id})
        job.end(event, layers)
        kind = event.WhichOneof("kind")
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        said = {"job": job.id, "end": kind, "reason": job.reason}
        log.info("job ended", extra={name: word for name, word in said.items() if word})
        for listener in self.on_end:
            listener(job)

    async def learn(self, job: Job, device: str, seconds: float, course: Course) -> None:
        """Take note of how long a job took a worker, and when it had done what."""
        kind = kind_of(job.header.settings, device)
        marks = course.marks(seconds)
        timing = Timing(kind=kind, pixels=job.pixels, seconds=seconds, marks=marks)
        self.estimator.learn([timing])
        try:
            await self._journal.measured(timing)
        except InternalError as error:
            log.warning("%s", error)

    async def sweep(self) -> None:
        """Forget what is over the limits."""
        self.book.sweep()
        if gone := self.book.forgotten():
            try:
                await self._journal.forget(gone)
            except InternalError as error:
                # They come back with the next daemon, without their results.
                log.warning("%s", error)

    async def close(self) -> None:
        """Write the last words."""
        await self._journal.close()

    def _remove_strays(self) -> None:
        """Folders of photos that came in half when a daemon died."""
        known = self.book.ids()
        for path in self._spool.iterdir():
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path, ignore_errors=True)


def ended_well(job: Job) -> bool:
    """Whether its time says something about others of its kind."""
    return job.state == pb.JOB_STATE_DONE and not job.header.look_only
