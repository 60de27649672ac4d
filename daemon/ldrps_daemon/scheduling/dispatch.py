"""Brings jobs to workers and their reports back to their watchers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ldrps_daemon.config import ServeConfig
from ldrps_daemon.memory import MemoryTrimmer
from ldrps_daemon.scheduling.endings import Endings
from ldrps_daemon.scheduling.estimates import kind_of
from ldrps_daemon.scheduling.failure_policy import FailurePolicy
from ldrps_daemon.scheduling.fair_queue import FairQueue
from ldrps_daemon.scheduling.job_reports import JobReports
from ldrps_daemon.scheduling.outlook import Announcer, Outlook, Turn
from ldrps_daemon.scheduling.quick_look import is_quick_look, look_engine
from ldrps_daemon.scheduling.slot_set import SlotSet, spare_starts
from ldrps_daemon.scheduling.worker_errors import StartError, WorkerDiedError, WorkerLostError
from ldrps_daemon.scheduling.worker_slot import WorkerSlot
from ldrps_daemon.scheduling.worker_specs import Load, LocalPool, Pool, WorkerSpec
from ldrps_daemon.storage.attempts import FolderStore, JobStore
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.repository import JobRepository
from ldrps_daemon.transport.admission import Admission, memory_limit
from ldrps_daemon.workers.pipe import End, Lost, NotNow, Order

log = logging.getLogger("ldrps.dispatch")
_SWEEP_SECONDS = 10.0
_BUSY_SECONDS = (1.0, 600.0)


class Dispatcher:
    """Queue and workers of one daemon. Lives in one event loop."""

    def __init__(
        self,
        config: ServeConfig,
        spool: Path,
        pool: Pool | None = None,
        store: JobStore | None = None,
    ) -> None:
        """Take the parts; `pool` and `store` default to processes of this machine and the spool."""
        self.spool = spool
        self.repository = JobRepository(config, spool)
        self.index = self.repository.index
        self.queue = FairQueue(config.batch_wait_seconds)
        self.admission = Admission(config, self.index, spool)
        self.pool = pool or LocalPool(config.resolved_devices(), memory_limit(config))
        self._store = store or FolderStore()
        self._slot_set = SlotSet(config, lambda slot: self._attend(slot, self.queue))
        self.slots = self._slot_set.slots
        self.looks = FairQueue(config.batch_wait_seconds)
        """Looks that need no device, apart from `queue`: they do not wait for restorations."""
        engine = look_engine(config.engine)
        (spec,) = LocalPool(["cpu"], memory_limit(config)).specs
        self.look_slot = WorkerSlot(spec, dataclasses.replace(config, engine=engine))
        self.stopping = False
        self._config = config
        self._policy = FailurePolicy(config, self.repository)
        self._endings = Endings(self.repository, self._policy)
        self._announcer = Announcer(self.queue, self.outlook, self._why)
        self._placed: dict[str, JobReports] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._trimmer = MemoryTrimmer()

    async def start(self) -> None:
        """Resume old jobs, then begin to work. No process is started before there is a job."""
        jobs = await self.repository.recover()
        for job in jobs:
            await self._take_up(job)
        self._announcer.announce(*jobs)
        await self.pool.open(self._on_specs)
        self._spawn(self._attend(self.look_slot, self.looks))
        self._spawn(self._sweep_now_and_then())

    async def stop(self) -> None:
        """Let running jobs reach a checkpoint, then end all processes. Nothing is lost by it."""
        self.stopping = self._endings.stopping = True
        for job_id, reports in self._placed.items():
            reports.slot.pause(job_id)
        for job in self.index.open():
            job.feed.suspend()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.stop_seconds):
                while self._placed:
                    await asyncio.sleep(0.02)
        await self.pool.close()
        await self._slot_set.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._announcer.close()
        await asyncio.gather(*(slot.stop() for slot in (*self.slots, self.look_slot)))
        # One whose end is written down already is not to be written down as open again.
        left = [job for job in self.index.open() if not job.ending]
        for job in left:
            job.let_go()
        await self.repository.note(*left)
        await self.repository.close()

    def retry_after(self) -> float:
        """Estimate the seconds until a full queue has a place again."""
        low, high = _BUSY_SECONDS
        return min(max(min(self._free()), low), high)

    def running(self) -> int:
        """Count the jobs that a worker has."""
        return len(self._placed)

    async def accept(self, job: Job) -> None:
        """Write a job down, then let it wait for a worker, and an attached one for a watcher."""
        await self.repository.accept(job)
        log.info("job accepted", extra={"job": job.id, "client": job.client})
        self._admit(job, self._config.grace_seconds)
        self._announcer.announce(job)
        self._make_way()

    async def cancel(self, job: Job, message: str) -> None:
        """Stop a job; nothing happens to one that has ended.

        It has ended as soon as that is written down, finally and for all watchers; its worker is
        free again after the step under way.
        """
        if job.ending:
            return
        job.cancel_message = job.cancel_message or message
        job.cancelling.set()
        if reports := self._placed.get(job.id):
            reports.slot.cancel(job.id)
        waited = self.queue.drop(job) or self.looks.drop(job)
        await self._policy.cancelled(job)
        if not waited:
            return
        if job.ended:
            job.folder.drop_rest(with_result=True)
        # A start that hangs must not be what the next job gets.
        spare_starts(self.slots, self.queue)
        spare_starts([self.look_slot], self.looks)
        self._announcer.announce()

    @asynccontextmanager
    async def watched(self, job: Job, previews: bool) -> AsyncIterator[None]:
        """Give the job a watcher while the block runs. The last to leave may take the job with
        it."""
        if job.grace:
            job.grace.cancel()
        try:
            with job.feed.watched(previews):
                self._announcer.watch(job)
                yield
        finally:
            self._announcer.leave(job)
            self._guard(job, self._config.grace_seconds)

    def seconds_left(self, job: Job, turn: Turn) -> float:
        """Estimate the seconds until a job has ended; 0 if not known."""
        if reports := self._placed.get(job.id):
            return reports.seconds_left()
        return 0.0 if job.ended else turn.seconds + self.work_seconds(job)

    def outlook(self) -> Outlook:
        """Predict the turn of each waiting job from current information."""
        return Outlook(self.queue, self._free(), self.work_seconds)

    def _on_specs(self, specs: Sequence[WorkerSpec]) -> None:
        self._slot_set.update(specs, self.pool.leaving)
        self._announcer.announce()

    async def _take_up(self, job: Job) -> None:
        await asyncio.to_thread(self._store.recover, job.folder)
        job.weigh_checkpoint()
        log.info("job taken up", extra={"job": job.id, "events": job.log.last})
        if not await self._policy.of_recovered(job):
            self._admit(job, self._config.reconnect_seconds)
        elif job.ended:
            job.folder.drop_rest(with_result=True)

    def _admit(self, job: Job, grace: float) -> None:
        self._queue_of(job).put(job)
        self._guard(job, grace)
        if job.deadline_at:
            loop = asyncio.get_running_loop()
            seconds = max(0.0, job.deadline_left())
            words = f"its deadline of {job.header.deadline_seconds:g} seconds passed"
            job.deadline = loop.call_later(seconds, self._cancel_soon, job, words)

    def _guard(self, job: Job, grace: float) -> None:
        if job.header.detached or job.feed.watchers or job.ended or self.stopping:
            return
        if job.grace:
            job.grace.cancel()
        loop = asyncio.get_running_loop()
        words = "nobody watched this attached job any more"
        job.grace = loop.call_later(grace, self._cancel_soon, job, words)

    def _cancel_soon(self, job: Job, message: str) -> None:
        if not self.stopping:
            self._spawn(self.cancel(job, message))

    def _queue_of(self, job: Job) -> FairQueue:
        return self.looks if is_quick_look(job.header) else self.queue

    async def _attend(self, slot: WorkerSlot, queue: FairQueue) -> None:
        while not (self.stopping or slot.retired):
            await queue.arrival(slot)
            async with slot.turn:
                await self._serve(slot, queue)
            if slot.backoff.trouble and not self.stopping:
                self._announcer.announce()
                # Those who wait may interrupt what runs elsewhere: nobody is free here.
                self._make_way()
                await asyncio.sleep(slot.backoff.pause())

    async def _serve(self, slot: WorkerSlot, queue: FairQueue) -> None:
        """Start a worker, and only then take a job: a failed start is no job's fault."""
        try:
            if not slot.is_up():
                async with queue.starting():
                    await slot.start_worker()
        except StartError:
            return
        if self.stopping or slot.retired or not (job := queue.take()):
            return slot.idle()
        try:
            await self._work(slot, job)
        except Exception:
            # A bug of ours must cost one job, not the device.
            log.exception("a job could not be given to a worker", extra={"job": job.id})
            await self._policy.failed(job, "the daemon could not give the job to a worker")
        await self.repository.sweep()

    async def _work(self, slot: WorkerSlot, job: Job) -> None:
        attempt, expected = self._store.begin(job.folder), self.work_seconds(job)
        reports = JobReports(slot, job, attempt, self.repository.estimator, expected)
        self._placed[job.id] = reports
        job.start()
        try:
            await self.repository.note(job)
            self._announcer.announce()
            end = await self._order(slot, job, reports)
        finally:
            del self._placed[job.id]
        try:
            goes_on = not await self._endings.of(job, end, reports)
            if not job.ending:
                attempt.keep_checkpoint()
                job.weigh_checkpoint()
        finally:
            await asyncio.to_thread(attempt.discard)
        if goes_on:
            job.requeue()
            await self.repository.note(job)
            if not self.stopping:
                self._queue_of(job).put(job)
                self._announcer.announce(job)
        elif job.ended:
            # A worker that was cancelled late may have left something.
            job.folder.drop_rest(with_result=not job.log.layers)
        self._announcer.announce()

    async def _order(self, slot: WorkerSlot, job: Job, reports: JobReports) -> End | Lost | None:
        """Let a worker do a job; None if it died."""
        order = Order(
            job=job.id,
            folder=job.folder,
            attempt=reports.attempt.files,
            max_pixels=self._config.max_pixels,
            checkpoint_seconds=self._config.checkpoint_seconds,
            memory_saving=job.memory_saving,
            spool_bytes=self._config.spool_bytes,
        )
        try:
            return await slot.work(order, reports, job.cancelling)
        except StartError as error:
            return NotNow(str(error))
        except WorkerLostError:
            return Lost()
        except WorkerDiedError:
            return None

    def _make_way(self) -> None:
        """Let batch jobs yield to urgent ones for which there is no free worker."""
        urgent = self.queue.urgent()
        self.pool.want(Load(len(self._restoring()), urgent, len(self.queue) - urgent))
        placed = [
            (self.index.get(job_id), placement) for job_id, placement in self._restoring().items()
        ]
        yielding = sum(placement.slot.pausing for _, placement in placed)
        able = sum(not slot.backoff.trouble for slot in self.slots)
        wanted = self.queue.urgent() - yielding - max(0, able - len(placed))
        # Preempt the jobs that have run for the shortest time: they lose least.
        for job, placement in sorted(placed, key=lambda pair: pair[1].elapsed()):
            if wanted > 0 and not placement.slot.pausing and not self.queue.is_urgent(job):
                placement.slot.pause(job.id)
                wanted -= 1

    def _restoring(self) -> dict[str, JobReports]:
        """Return the jobs that a device has, with their reports."""
        return {
            name: placement
            for name, placement in self._placed.items()
            if placement.slot is not self.look_slot
        }

    def _why(self) -> str:
        """Return what keeps all jobs from being worked on; empty: nothing."""
        reasons = [slot.backoff.trouble for slot in self.slots]
        if not reasons:
            return self.pool.trouble
        if not all(reasons):
            return ""
        return f"no worker can start ({reasons[0]}); this is tried again and again"

    def _free(self) -> list[float]:
        """List the seconds until each worker is likely to be free; 0 also if that is not known."""
        busy = [reports.seconds_left() for reports in self._restoring().values()]
        return busy + [0.0] * (len(self.slots) - len(busy)) or [0.0]

    def work_seconds(self, job: Job) -> float:
        """Estimate the seconds of work left on a job; 0 if not known."""
        if job.header.diagnose_only or job.header.HasField("crop"):
            # Only a moment, which the times of whole restorations do not predict.
            return 0.0
        device = self.slots[0].device if self.slots else "cpu"
        kind = kind_of(job.header.settings, device)
        share = job.step.index / job.step.count if job.step.count else 0.0
        return self.repository.estimator.rest(kind, job.pixels, share)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.repository.sweep()
            await asyncio.to_thread(self._trimmer.give_back)
            self._make_way()
