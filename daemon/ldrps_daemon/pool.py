"""Worker processes: one seat per device, its process started when a job comes, warm after it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import pipe as wire
from ldrps_daemon.pipe import Errand, Order
from ldrps_daemon.process import Process, Report, resident_bytes
from ldrps_engine.errors import BusyError

log = logging.getLogger("ldrps.pool")
_END_KINDS = ("done", "failed", "cancelled")


class WorkerDiedError(Exception):
    """The process ended before its job did."""


class Seat:
    """A device and the process that works on it, if there is one.

    `work` is called for one job at a time; the rest at any time, all in the event loop.
    """

    def __init__(self, device: str, engine: str, idle_seconds: float) -> None:
        self.device = device
        self.state = pb.WORKER_STATE_ASLEEP
        self.models: list[str] = []
        self.job = ""
        self._engine = engine
        self._idle_seconds = idle_seconds
        self._process: Process | None = None
        self._up = asyncio.Event()
        self.residents: list[pb.Resident] = []
        self._turn = asyncio.Lock()
        self._ending: asyncio.Future[pb.Event] | None = None
        self._tell: Callable[[pb.Event], None] = _to_nobody
        self._bedtime: asyncio.TimerHandle | None = None
        self._sleeping: asyncio.Task[None] | None = None

    async def work(
        self, order: Order | Errand, tell: Callable[[pb.Event], None], cancelling: asyncio.Event
    ) -> pb.Event:
        """Do a job and return how it ended; WorkerDiedError if the process did not live to say.

        A job that is cancelled while the process starts ends at once; the process stays.
        """
        async with self._turn:
            return await self._work(order, tell, cancelling)

    async def run(self, action: str, model: str) -> pb.Event:
        """`load` or `unload` a model; returns how that ended, BusyError while a job runs."""
        if self._turn.locked():
            raise BusyError(f"{self.device} is working; try again when its job has ended")
        errand = Errand(job=f"{action} {model}", action=action, model=model)
        return await self.work(errand, _to_nobody, asyncio.Event())

    async def _work(
        self, order: Order | Errand, tell: Callable[[pb.Event], None], cancelling: asyncio.Event
    ) -> pb.Event:
        self._stay_awake()
        self.job, self._tell = order.job, tell
        self._ending = asyncio.get_running_loop().create_future()
        try:
            process = self._process or self._start()
            if not await self._is_up(cancelling):
                return pb.Event(cancelled=pb.Cancelled())
            self.state = pb.WORKER_STATE_BUSY
            wire.send_order(process.pipe, order)
            return await self._ending
        except OSError as error:
            raise WorkerDiedError from error
        finally:
            self.job, self._tell, self._ending = "", _to_nobody, None
            await self._after_work()

    def cancel(self, job: str) -> None:
        """Make the engine stop at its next step."""
        if self._process and self.job == job:
            with contextlib.suppress(OSError):
                wire.send_cancel(self._process.pipe, job)

    def want_previews(self, job: str, wanted: bool) -> None:
        """Say whether anybody looks at previews of this job."""
        if self._process and self.job == job:
            with contextlib.suppress(OSError):
                wire.send_previews(self._process.pipe, job, wanted)

    async def stop(self) -> None:
        """Kill the process: what it holds is only in memory, and it may be stuck."""
        self._stay_awake()
        process, self._process = self._process, None
        self.state, self.models, self.residents = pb.WORKER_STATE_ASLEEP, [], []
        if self._ending and not self._ending.done():
            self._ending.set_exception(WorkerDiedError())
        if process:
            code = await process.kill()
            log.info("worker device=%s pid=%d ended code=%d", self.device, process.pid, code)

    def to_proto(self) -> pb.Worker:
        """As the contract shows it."""
        pid = self._process.pid if self._process else 0
        return pb.Worker(
            device=self.device,
            state=self.state,
            pid=pid,
            models=self.models,
            residents=self.residents,
            memory_bytes=resident_bytes(pid),
            job_id=self.job,
        )

    def _start(self) -> Process:
        self._up.clear()
        self.state = pb.WORKER_STATE_STARTING
        self._process = Process(self.device, self._engine, self._on_report)
        log.info("worker device=%s pid=%d started", self.device, self._process.pid)
        return self._process

    async def _is_up(self, cancelling: asyncio.Event) -> bool:
        """Wait until the process takes orders; False if the job is cancelled before."""
        assert self._ending
        up = asyncio.ensure_future(self._up.wait())
        given_up = asyncio.ensure_future(cancelling.wait())
        waits = {up, given_up}
        try:
            everything: set[asyncio.Future[Any]] = {*waits, self._ending}
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            if self._ending.done():
                self._ending.result()
            return not cancelling.is_set()
        finally:
            for wait in waits:
                wait.cancel()

    def _on_report(self, process: Process, report: Report) -> None:
        if process is not self._process:
            return
        if report is None:
            self._on_death()
        elif isinstance(report, pb.Worker):
            self._on_state(report)
        elif self._ending and report.WhichOneof("kind") in _END_KINDS:
            if not self._ending.done():
                self._ending.set_result(report)
        else:
            self._tell(report)

    def _on_state(self, report: pb.Worker) -> None:
        self.models, self.residents = list(report.models), list(report.residents)
        self._up.set()
        # It says so when it will not take another job after this one.
        if report.state == pb.WORKER_STATE_ASLEEP:
            self._up.clear()
        elif self.state == pb.WORKER_STATE_STARTING:
            self.state = pb.WORKER_STATE_IDLE

    def _on_death(self) -> None:
        self._up.clear()
        if self._ending is None:
            self._stop_soon()
        elif not self._ending.done():
            self._ending.set_exception(WorkerDiedError())

    async def _after_work(self) -> None:
        if self._process and self.state == pb.WORKER_STATE_STARTING:
            return self._go_to_bed_later()
        if not self._up.is_set():
            return await self.stop()
        self.state = pb.WORKER_STATE_IDLE
        self._go_to_bed_later()

    def _go_to_bed_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._bedtime = loop.call_later(self._idle_seconds, self._stop_soon)

    def _stop_soon(self) -> None:
        self._sleeping = asyncio.get_running_loop().create_task(self._sleep())

    async def _sleep(self) -> None:
        # A job may have come between the decision and this moment.
        if not self.job:
            await self.stop()

    def _stay_awake(self) -> None:
        if self._bedtime:
            self._bedtime.cancel()
            self._bedtime = None


def _to_nobody(_: pb.Event) -> None:
    """Between two jobs."""
