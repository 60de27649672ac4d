"""Brings jobs to workers and their reports back to those who watch."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.admission import Admission
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.estimates import Course, kind_of
from ldrps_daemon.fate import Fate
from ldrps_daemon.jobs import Job
from ldrps_daemon.keeper import Keeper, ended_well
from ldrps_daemon.pipe import End, Order, OutOfMemory, Paused, Saved
from ldrps_daemon.pool import Seat, WorkerDiedError
from ldrps_daemon.spool import StoredLayers
from ldrps_daemon.waiting import WaitingRoom

log = logging.getLogger("ldrps.dispatch")
_SWEEP_SECONDS = 10.0
_BUSY_SECONDS = (1.0, 600.0)


@dataclass(frozen=True)
class Turn:
    """A waiting job's place, and in how many seconds its turn is likely to come; 0: not known."""

    position: int
    seconds: float


class Dispatcher:
    """Queue and workers of one daemon. Lives in one event loop."""

    def __init__(self, config: ServeConfig, spool: Path) -> None:
        self.spool = spool
        self.keeper = Keeper(config, spool)
        self.book = self.keeper.book
        self.room = WaitingRoom(config.batch_wait_seconds)
        self.admission = Admission(config, self.book, spool)
        self.seats = [Seat(device, config) for device in config.resolved_devices()]
        self.stopping = False
        self._config = config
        self._fate = Fate(config, self.keeper)
        self._placed: dict[str, _Telling] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up old jobs, then begin to work. No process is started before there is a job."""
        for job in await self.keeper.recover():
            await self._take_up(job)
        self._announce()
        for seat in self.seats:
            self._spawn(self._attend(seat))
        self._spawn(self._keep_house())

    async def stop(self) -> None:
        """Let running jobs reach a checkpoint, then end all processes. Nothing is lost by it."""
        self.stopping = True
        for job_id, telling in self._placed.items():
            telling.seat.pause(job_id)
        for job in self.book.open():
            job.suspend()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.stop_seconds):
                while self._placed:
                    await asyncio.sleep(0.02)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(seat.stop() for seat in self.seats))
        for job in self.book.open():
            # One whose end is written down already is not to be written down as open again.
            if not job.ending:
                job.let_go()
                await self.keeper.note(job)
        await self.keeper.close()

    def retry_after(self) -> float:
        """When a full queue is likely to have a place again."""
        low, high = _BUSY_SECONDS
        return min(max(min(self._free()), low), high)

    def running(self) -> int:
        """Jobs that a worker has."""
        return len(self._placed)

    async def accept(self, job: Job) -> None:
        """Write a job down, then let it wait for a worker, and an attached one for a watcher."""
        await self.keeper.accept(job)
        log.info("job accepted", extra={"job": job.id, "client": job.client})
        await self._admit(job, self._config.grace_seconds)
        self._announce()
        self._make_way()

    async def cancel(self, job: Job, message: str) -> None:
        """Stop a job; nothing happens to one that has ended.

        It has ended at once, for good and for all who watch; a worker that has it is free again
        after the step that is under way.
        """
        if job.ending:
            return
        job.cancel_message = job.cancel_message or message
        job.cancelling.set()
        if telling := self._placed.get(job.id):
            telling.seat.cancel(job.id)
        waited = self.room.drop(job)
        await self._fate.cancelled(job)
        if waited:
            job.folder.drop_rest(with_result=True)
            self._announce()

    @asynccontextmanager
    async def watched(self, job: Job, previews: bool) -> AsyncIterator[None]:
        """While open, the job has a watcher. The last one to leave may take the job with it."""
        if job.grace:
            job.grace.cancel()
        try:
            with job.watched(previews):
                self._announce()
                yield
        finally:
            self._guard(job, self._config.grace_seconds)

    def seconds_left(self, job: Job, turn: Turn) -> float:
        """Until a job has ended, as far as can be told; 0 if not known."""
        if telling := self._placed.get(job.id):
            return telling.seconds_left()
        return 0.0 if job.ended else turn.seconds + self.work_seconds(job)

    def outlook(self) -> dict[str, Turn]:
        """When the turn of each waiting job comes, as far as can be told, next one first."""
        free = self._free()
        heapq.heapify(free)
        turns = {}
        for position, job in enumerate(self.room.jobs()):
            turns[job.id] = Turn(position, free[0])
            heapq.heapreplace(free, free[0] + self.work_seconds(job))
        return turns

    async def _take_up(self, job: Job) -> None:
        log.info("job taken up", extra={"job": job.id, "events": job.log.last})
        if await self._fate.of_recovered(job):
            job.folder.drop_rest(with_result=True)
        else:
            await self._admit(job, self._config.reconnect_seconds)

    async def _admit(self, job: Job, grace: float) -> None:
        await self.room.put(job)
        self._guard(job, grace)
        if job.deadline_at:
            loop = asyncio.get_running_loop()
            seconds = max(0.0, job.deadline_at - time.time())
            words = f"its deadline of {job.header.deadline_seconds:g} seconds passed"
            job.deadline = loop.call_later(seconds, self._cancel_soon, job, words)

    def _guard(self, job: Job, grace: float) -> None:
        if job.header.detached or job.watchers or job.ended or self.stopping:
            return
        if job.grace:
            job.grace.cancel()
        loop = asyncio.get_running_loop()
        words = "nobody watched this attached job any more"
        job.grace = loop.call_later(grace, self._cancel_soon, job, words)

    def _cancel_soon(self, job: Job, message: str) -> None:
        if not self.stopping:
            self._spawn(self.cancel(job, message))

    async def _attend(self, seat: Seat) -> None:
        while not self.stopping:
            job = await self.room.take()
            if self.stopping:
                return
            try:
                await self._work(seat, job)
            except Exception:
                # A bug of ours must cost one job, not the device.
                log.exception("a job could not be given to a worker", extra={"job": job.id})
                await self._fate.failed(job, "the daemon could not give the job to a worker")
            await self.keeper.sweep()

    async def _work(self, seat: Seat, job: Job) -> None:
        telling = self._placed[job.id] = _Telling(seat, job, self)
        job.start()
        await self.keeper.note(job)
        self._announce()
        order = Order(
            job=job.id,
            folder=job.folder,
            max_pixels=self._config.max_pixels,
            checkpoint_seconds=self._config.checkpoint_seconds,
            economy=job.economy,
        )
        try:
            end: End | None = await seat.work(order, telling, job.cancelling)
        except WorkerDiedError:
            end = None
        finally:
            del self._placed[job.id]
        if not await self._ended(job, end, telling):
            job.requeue()
            await self.keeper.note(job)
            if not self.stopping:
                await self.room.put(job)
        elif job.ended:
            # A worker that was cancelled late may have left something.
            job.folder.drop_rest(with_result=not job.log.layers)
        self._announce()

    async def _ended(self, job: Job, end: End | None, telling: _Telling) -> bool:
        """What becomes of a job that a worker let go of; False if it is to go on."""
        if end is None:
            return self.stopping or await self._fate.of_crashed(job, telling.seat.device)
        if isinstance(end, Paused):
            return await self._fate.of_paused(job, counts=not self.stopping)
        if isinstance(end, OutOfMemory):
            return await self._fate.of_starved(job, telling.seat.device)
        if end.HasField("cancelled"):
            await self._fate.cancelled(job)
            return True
        whole = end.HasField("done") and bool(telling.headers)
        stored = StoredLayers(job.folder.result, tuple(telling.headers)) if whole else None
        await self.keeper.end(job, end, stored)
        if ended_well(job) and telling.whole:
            device, took = telling.seat.device, telling.elapsed()
            await self.keeper.learn(job, device, took, telling.course)
        return True

    def _make_way(self) -> None:
        """Let batch jobs yield to urgent ones for which there is no free worker."""
        placed = [(self.book.get(job_id), told) for job_id, told in self._placed.items()]
        yielding = sum(told.seat.pausing for _, told in placed)
        wanted = self.room.urgent() - yielding - (len(self.seats) - len(placed))
        # Who has done the least loses the least.
        for job, told in sorted(placed, key=lambda pair: pair[1].elapsed()):
            if wanted > 0 and not told.seat.pausing and not self.room.is_urgent(job):
                told.seat.pause(job.id)
                wanted -= 1

    def _announce(self) -> None:
        """Tell those who wait where they stand, when that has changed.

        What nobody watches is told once: every job that comes or goes moves all that wait, and
        a long queue would fill memory and disk with places that nobody looks at.
        """
        for job_id, turn in self.outlook().items():
            job = self.book.get(job_id)
            new = job.told_position < 0
            if new or (job.watchers and job.told_position != turn.position):
                job.told_position = turn.position
                queued = pb.Queued(position=turn.position, estimated_seconds=turn.seconds)
                job.tell(pb.Event(queued=queued))

    def _free(self) -> list[float]:
        """In how many seconds each worker is likely to be free; 0 also if that is not known."""
        busy = [telling.seconds_left() for telling in self._placed.values()]
        return busy + [0.0] * (len(self.seats) - len(busy))

    def work_seconds(self, job: Job) -> float:
        """What is likely to be left to do of a job; 0 if not known."""
        kind = kind_of(job.header.settings, self.seats[0].device)
        share = job.step.index / job.step.count if job.step.count else 0.0
        return self.keeper.estimator.rest(kind, job.pixels, share)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.keeper.sweep()
            self._make_way()


class _Telling:
    """Sorts what a worker says about one job; keeps it informed about who looks."""

    def __init__(self, seat: Seat, job: Job, dispatcher: Dispatcher) -> None:
        self.seat = seat
        self.headers: list[pb.LayerHeader] = []
        self.whole = not job.step.index
        """Whether all of the work is done here, so that its time is worth remembering."""
        self.course = Course()
        self._job = job
        self._estimator = dispatcher.keeper.estimator
        self._kind = kind_of(job.header.settings, seat.device)
        self._began = time.monotonic()
        self._end = self._began + dispatcher.work_seconds(job)
        self._previews = False

    def __call__(self, report: pb.Event | Saved) -> None:
        if isinstance(report, Saved):
            self._job.saved_step = report.step
            return
        if report.HasField("layer_header"):
            self.headers.append(report.layer_header)
            return
        if report.HasField("step"):
            report.step.seconds_left = self._after(report.step)
        self._job.tell(report)
        wanted = self._job.preview_watchers > 0
        if wanted != self._previews:
            self._previews = wanted
            self.seat.want_previews(self._job.id, wanted)

    def elapsed(self) -> float:
        """Seconds since the worker was asked."""
        return time.monotonic() - self._began

    def seconds_left(self) -> float:
        """Until the worker is free again; 0 if not known."""
        return max(0.0, self._end - time.monotonic())

    def _after(self, step: pb.Step) -> float:
        """Seconds that are left after a step."""
        share, elapsed = step.index / max(1, step.count), self.elapsed()
        self.course.at(share, elapsed)
        if self.whole:
            begun = self.course.begun
            left = self._estimator.left(self._kind, self._job.pixels, elapsed, share, begun)
        else:
            left = self._estimator.rest(self._kind, self._job.pixels, share)
        self._end = self._began + elapsed + left
        return left
