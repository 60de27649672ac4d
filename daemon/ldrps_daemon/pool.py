"""Worker processes: one seat per device, its process started when a job comes, warm after it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import pipe as wire
from ldrps_daemon.admission import memory_limit
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.pipe import End, Errand, Order, OutOfMemory, Paused, Saved
from ldrps_daemon.process import Process, Report, resident_bytes
from ldrps_engine.errors import BusyError

log = logging.getLogger("ldrps.pool")
_END_KINDS = ("done", "failed", "cancelled")
Tell = Callable[[pb.Event | Saved], None]


class WorkerDiedError(Exception):
    """The process ended before its job did."""


class Seat:
    """A device and the process that works on it, if there is one.

    `work` is called for one job at a time; the rest at any time, all in the event loop.
    """

    def __init__(self, device: str, config: ServeConfig) -> None:
        self.device = device
        self.state = pb.WORKER_STATE_ASLEEP
        self.models: list[str] = []
        self.residents: list[pb.Resident] = []
        self.job = ""
        self.pausing = False
        """Whether the job has been told to let others go first."""
        self._config = config
        self._process: Process | None = None
        self._up = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ending: asyncio.Future[End] | None = None
        self._tell: Tell = _to_nobody
        self._bedtimes: list[asyncio.TimerHandle] = []
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._sleeping: asyncio.Task[None] | None = None

    async def work(self, order: Order | Errand, tell: Tell, cancelling: asyncio.Event) -> End:
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
        end = await self.work(errand, _to_nobody, asyncio.Event())
        if isinstance(end, pb.Event):
            return end
        words = f"model '{model}' needs more memory than {self.device} has; take a smaller one"
        return pb.Event(failed=pb.Failed(reason="model", message=words))

    async def _work(self, order: Order | Errand, tell: Tell, cancelling: asyncio.Event) -> End:
        self._stay_awake()
        self.job, self._tell, self.pausing = order.job, tell, False
        self._ending = asyncio.get_running_loop().create_future()
        try:
            process = self._process or self._start()
            if not await self._is_up(cancelling):
                return pb.Event(cancelled=pb.Cancelled())
            self.state = pb.WORKER_STATE_BUSY
            self._set_alarm("silent", self._config.hang_seconds)
            wire.send_order(process.pipe, order)
            if self.pausing:
                self.pause(order.job)
            return await self._ending
        except OSError as error:
            raise WorkerDiedError from error
        finally:
            self.job, self._tell, self._ending, self.pausing = "", _to_nobody, None, False
            for name in list(self._alarms):
                self._alarms.pop(name).cancel()
            await self._after_work()

    def cancel(self, job: str) -> None:
        """Make the engine stop at its next step; one that does not is killed."""
        if self._process and self.job == job:
            with contextlib.suppress(OSError):
                wire.send_cancel(self._process.pipe, job)
            if self.state == pb.WORKER_STATE_BUSY and "deaf" not in self._alarms:
                self._set_alarm("deaf", self._config.cancel_seconds)

    def pause(self, job: str) -> None:
        """Make the engine let go of the job at its next step, with a checkpoint."""
        if self._process and self.job == job:
            self.pausing = True
            if self.state == pb.WORKER_STATE_BUSY:
                with contextlib.suppress(OSError):
                    wire.send_pause(self._process.pipe, job)

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
            said = {"device": self.device, "pid": process.pid, "code": code}
            log.info("worker ended", extra=said)

    def memory_bytes(self) -> int:
        """Resident set of the process; 0 if there is none."""
        # Looked at once: metrics are scraped in another thread.
        process = self._process
        return resident_bytes(process.pid) if process else 0

    def to_proto(self) -> pb.Worker:
        """As the contract shows it."""
        return pb.Worker(
            device=self.device,
            state=self.state,
            pid=self._process.pid if self._process else 0,
            models=self.models,
            residents=self.residents,
            memory_bytes=self.memory_bytes(),
            job_id=self.job,
        )

    def _start(self) -> Process:
        self._up.clear()
        self.state = pb.WORKER_STATE_STARTING
        options = {
            "device": self.device,
            "engine": self._config.engine,
            "log-format": self._config.log_format,
            # CUDA reserves far more addresses than it uses.
            "memory": memory_limit(self._config) if self.device == "cpu" else 0,
        }
        self._process = Process(options, self._on_report)
        log.info("worker started", extra={"device": self.device, "pid": self._process.pid})
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
            return self._on_death()
        if "silent" in self._alarms:
            self._set_alarm("silent", self._config.hang_seconds)
        if isinstance(report, pb.Worker):
            self._on_state(report)
        elif isinstance(report, Paused | OutOfMemory) or (
            isinstance(report, pb.Event) and report.WhichOneof("kind") in _END_KINDS
        ):
            if self._ending and not self._ending.done():
                self._ending.set_result(report)
        else:
            self._tell(report)

    def _on_state(self, report: pb.Worker) -> None:
        self.models, self.residents = list(report.models), list(report.residents)
        self._up.set()
        # It says so when it will not take another job after this one.
        if report.state == pb.WORKER_STATE_ASLEEP:
            self._up.clear()
        elif not self.job or self.state == pb.WORKER_STATE_STARTING:
            self.state = report.state

    def _on_death(self) -> None:
        self._up.clear()
        self.state = pb.WORKER_STATE_ASLEEP
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

    def _set_alarm(self, why: str, seconds: float) -> None:
        if old := self._alarms.pop(why, None):
            old.cancel()
        loop = asyncio.get_running_loop()
        self._alarms[why] = loop.call_later(seconds, self._kill, why)

    def _kill(self, why: str) -> None:
        """Its end shows as a death, from which the job's fate follows."""
        if self._process:
            log.warning("worker is %s; it is killed", why, extra={"job": self.job})
            self._process.end()

    def _go_to_bed_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._bedtimes = [
            loop.call_later(self._config.rest_seconds, self._rest),
            loop.call_later(self._config.idle_seconds, self._stop_soon),
        ]

    def _rest(self) -> None:
        if self._process and not self.job and self.state == pb.WORKER_STATE_IDLE:
            with contextlib.suppress(OSError):
                wire.send_rest(self._process.pipe)

    def _stop_soon(self) -> None:
        self._sleeping = asyncio.get_running_loop().create_task(self._sleep())

    async def _sleep(self) -> None:
        # A job may have come between the decision and this moment.
        if not self.job:
            await self.stop()

    def _stay_awake(self) -> None:
        for timer in self._bedtimes:
            timer.cancel()
        self._bedtimes = []


def _to_nobody(_: pb.Event | Saved) -> None:
    """Between two jobs."""
