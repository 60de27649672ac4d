"""Brings jobs to workers and their reports back to those who watch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.book import JobBook
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.jobs import Job
from ldrps_daemon.pipe import Order
from ldrps_daemon.pool import Seat, WorkerDiedError
from ldrps_daemon.spool import StoredLayers
from ldrps_daemon.waiting import WaitingRoom

log = logging.getLogger("ldrps.dispatch")
MAX_DEATHS = 2
_SWEEP_SECONDS = 10.0
_BUSY_SECONDS = (1.0, 600.0)


class Dispatcher:
    """Queue, workers and job book of one daemon. Lives in one event loop."""

    def __init__(self, config: ServeConfig, spool: Path) -> None:
        self.spool = spool
        self.book = JobBook(config)
        self.room = WaitingRoom(config.queue_limit)
        self.seats = [
            Seat(device, config.engine, config.idle_seconds) for device in config.resolved_devices()
        ]
        self._config = config
        self._placed: dict[str, Seat] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take jobs from the queue. No process is started before there is one."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._attend(seat)) for seat in self.seats]
        self._tasks.append(loop.create_task(self._sweep()))

    async def stop(self) -> None:
        """Cancel everything, give running jobs a moment to notice, then end all processes."""
        for job in self.book.open():
            self.cancel(job, "the daemon was stopped")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.stop_seconds):
                while self._placed:
                    await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(seat.stop() for seat in self.seats))
        for job in self.book.open():
            self._end_cancelled(job)

    def retry_after(self) -> float:
        """When a full queue is likely to have a place again."""
        low, high = _BUSY_SECONDS
        return min(max(self.book.mean_seconds() / len(self.seats), low), high)

    def running(self) -> int:
        """Jobs that a worker has."""
        return len(self._placed)

    async def accept(self, job: Job) -> None:
        """Let a job wait for a worker, and an attached one for a watcher."""
        self.book.add(job)
        log.info("job=%s accepted", job.id)
        await self.room.put(job)
        self._announce()
        self._guard(job)

    def cancel(self, job: Job, message: str) -> None:
        """Stop a job; nothing happens to one that has ended."""
        if job.ended:
            return
        job.cancel_message = job.cancel_message or message
        job.cancelling.set()
        if self.room.drop(job):
            self._end_cancelled(job)
            self._announce()
        elif seat := self._placed.get(job.id):
            seat.cancel(job.id)

    @asynccontextmanager
    async def watched(self, job: Job, previews: bool) -> AsyncIterator[None]:
        """While open, the job has a watcher. The last one to leave may take the job with it."""
        if job.grace:
            job.grace.cancel()
        try:
            with job.watched(previews):
                yield
        finally:
            self._guard(job)

    def _guard(self, job: Job) -> None:
        if job.header.detached or job.watchers or job.ended:
            return
        loop = asyncio.get_running_loop()
        message = "nobody watched this attached job any more"
        job.grace = loop.call_later(self._config.grace_seconds, self.cancel, job, message)

    async def _attend(self, seat: Seat) -> None:
        while True:
            job = await self.room.take()
            try:
                await self._work(seat, job)
            except Exception:
                # A bug of ours must cost one job, not the device.
                log.exception("job=%s could not be given to a worker", job.id)
                self._end_failed(job, "the daemon could not give the job to a worker")
            self.book.sweep()

    async def _work(self, seat: Seat, job: Job) -> None:
        job.start()
        self._placed[job.id] = seat
        self._announce()
        tell = _Telling(seat, job)
        order = Order(job=job.id, folder=job.folder, max_pixels=self._config.max_pixels)
        try:
            end = await seat.work(order, tell, job.cancelling)
        except WorkerDiedError:
            log.warning("job=%s its worker died", job.id)
            return await self._after_death(job)
        finally:
            del self._placed[job.id]
        if end.HasField("cancelled"):
            return self._end_cancelled(job)
        stored = StoredLayers(job.folder.result, tuple(tell.headers)) if tell.headers else None
        job.end(end, stored if end.HasField("done") else None)
        log.info("job=%s ended kind=%s reason=%s", job.id, end.WhichOneof("kind"), job.reason)

    async def _after_death(self, job: Job) -> None:
        job.deaths += 1
        if job.cancelling.is_set():
            self._end_cancelled(job)
        elif job.deaths >= MAX_DEATHS:
            self._end_failed(
                job, "a worker died twice at this job, so it will not be tried again; see the log"
            )
        else:
            job.requeue()
            await self.room.put(job, first=True)
            self._announce()

    def _announce(self) -> None:
        """Tell those who wait where they stand, when that has changed."""
        all_busy = self.running() >= len(self.seats)
        turn = self.book.mean_seconds() / len(self.seats) if all_busy else 0.0
        for position, job in enumerate(self.room.jobs()):
            if job.told_position != position:
                job.told_position = position
                queued = pb.Queued(position=position, estimated_seconds=turn * (position + 1))
                job.tell(pb.Event(queued=queued))

    def _end_cancelled(self, job: Job) -> None:
        job.end(pb.Event(cancelled=pb.Cancelled(message=job.cancel_message)))
        log.info("job=%s cancelled: %s", job.id, job.cancel_message)

    def _end_failed(self, job: Job, message: str) -> None:
        job.end(pb.Event(failed=pb.Failed(reason="internal", message=message)))
        log.error("job=%s failed: %s", job.id, message)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.book.sweep()


class _Telling:
    """Sorts what a worker says about one job; keeps it informed about who looks."""

    def __init__(self, seat: Seat, job: Job) -> None:
        self.headers: list[pb.LayerHeader] = []
        self._seat = seat
        self._job = job
        self._previews = False

    def __call__(self, event: pb.Event) -> None:
        if event.HasField("layer_header"):
            self.headers.append(event.layer_header)
            return
        self._job.tell(event)
        wanted = self._job.preview_watchers > 0
        if wanted != self._previews:
            self._previews = wanted
            self._seat.want_previews(self._job.id, wanted)
