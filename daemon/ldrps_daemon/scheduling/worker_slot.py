"""Slots for workers: one for each that a pool can have, started when a job comes, warm after it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.alarms import Alarms, Idleness
from ldrps_daemon.scheduling.start_backoff import StartBackoff
from ldrps_daemon.scheduling.worker_errors import (
    NotNeededError,
    StartError,
    WorkerDiedError,
    WorkerLostError,
)
from ldrps_daemon.scheduling.worker_specs import WorkerSpec
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.workers import pipe as wire
from ldrps_daemon.workers.pipe import (
    CannotStart,
    End,
    Lost,
    ModelCommand,
    NotNow,
    Order,
    OutOfMemory,
    Paused,
    Report,
    Saved,
    Sized,
)
from ldrps_daemon.workers.transport import Transport
from ldrps_engine.errors import BusyError

log = logging.getLogger("ldrps.pool")
OnReport = Callable[[pb.Event | Saved | Sized], None]


class WorkerSlot:
    """Room for a worker as its pool specifies it, and that worker, if there is one.

    The holder of `turn` may `start_worker` and let it `work`, for one job at a time; the rest is
    called at any time, all in the event loop.
    """

    def __init__(self, spec: WorkerSpec, config: ServeConfig) -> None:
        self.spec = spec
        self.name, self.device = spec.name, spec.device
        self.state = pb.WORKER_STATE_ASLEEP
        self.models: list[str] = []
        self.residents: list[pb.Resident] = []
        self.job = ""
        self.retired = False
        """True once the pool has no such worker any more: nothing is to be done here."""
        self.pausing = False
        """True once the job has been asked to let others go first."""
        self.turn = asyncio.Lock()
        self.backoff = StartBackoff(config.start_seconds, config.hang_seconds)
        self._config = config
        self._worker: Transport | None = None
        self._dying: Transport | None = None
        self._up = False
        self._starting: asyncio.Future[None] | None = None
        self._began = 0.0
        self._ending: asyncio.Future[End] | None = None
        self._on_job_report: OnReport = _to_nobody
        self._idleness = Idleness(config, self._rest, self._sleep)
        self._alarms = Alarms(self._kill)

    def is_up(self) -> bool:
        """True while there is a process that takes orders."""
        return self._worker is not None and self._up

    def held(self, job: Job) -> int:
        """Count the models for a job that are in memory here; 0 while something else is done."""
        return 0 if self.turn.locked() else len(job.models.intersection(self.models))

    async def start_worker(self) -> None:
        """Start a process that takes orders, if there is none; StartError says why that failed.

        A worker not ready in time is killed: a slow start looks just like one that hangs.
        """
        self._idleness.end()
        if not self.is_up():
            await self.stop()
            try:
                await self._start()
            except NotNeededError:
                await self.stop()
                raise
            except asyncio.CancelledError:
                # Its caller has left; it may hang, and would not be looked after.
                await self.stop()
                raise
            except StartError as error:
                await self.stop()
                self.backoff.failed(str(error))
                said = {"device": self.name, "failures": self.backoff.failures}
                log.error("a worker cannot start: %s", error, extra=said)
                raise
            self.backoff.started(time.monotonic() - self._began)

    async def work(
        self, order: Order | ModelCommand, on_report: OnReport, cancelling: asyncio.Event
    ) -> End:
        """Do a job and return how it ended; WorkerDiedError if the process died first.

        StartError if the process has ended since it was roused, before the job could have met it.
        """
        self._idleness.end()
        if cancelling.is_set():
            self.idle()
            return pb.Event(cancelled=pb.Cancelled())
        self.job, self._on_job_report, self.pausing = order.job, on_report, False
        self._ending = asyncio.get_running_loop().create_future()
        try:
            self._hand_over(order)
            end = await self._ending
            if isinstance(end, NotNow):
                self.backoff.failed(end.why)
            else:
                self.backoff.worked()
            return end
        finally:
            self.job, self._on_job_report, self._ending, self.pausing = "", _to_nobody, None, False
            self._alarms.call_off()
            await self._after_work()

    async def run(self, action: str, model: str) -> pb.Event:
        """Run `load` or `unload` for a model; returns its end, BusyError while a job runs."""
        if self.turn.locked():
            raise BusyError(f"{self.name} is working; try again when its job has ended")
        command = ModelCommand(job=f"{action} {model}", action=action, model=model)
        async with self.turn:
            try:
                await self.start_worker()
                end = await self.work(command, _to_nobody, asyncio.Event())
            except StartError as error:
                words = f"the worker on {self.name} cannot start now ({error}); try again later"
                raise BusyError(words, self.backoff.pause()) from None
        if isinstance(end, pb.Event):
            return end
        words = f"model '{model}' needs more memory than {self.name} has; take a smaller one"
        return pb.Event(failed=pb.Failed(reason="model", message=words))

    def idle(self) -> None:
        """Handle a lack of work: rest after a while, and leave after another."""
        self._idleness.begin()

    def spare(self) -> None:
        """Stop a start that is no longer needed: it may be hanging."""
        self._fail_start(NotNeededError("nobody needs it any more"))

    def spare_suspect(self) -> None:
        """Stop a start that takes longer than any did before, for the sake of the next job."""
        took = time.monotonic() - self._began
        if self.state == pb.WORKER_STATE_STARTING and self.backoff.is_suspect(took):
            self.backoff.suspected()
            self.spare()

    def _hand_over(self, order: Order | ModelCommand) -> None:
        if not self._worker or not self._up:
            raise StartError("it ended while it waited for work")
        self.state = pb.WORKER_STATE_BUSY
        self._alarms.set("silent", self._config.hang_seconds)
        try:
            wire.send_order(self._worker, order)
        except OSError:
            self._up = False
            raise StartError("it ended while it waited for work") from None
        if self.pausing:
            self.pause(order.job)

    def cancel(self, job: str) -> None:
        """Make the engine stop at its next step, or kill it."""
        if self._worker and self.job == job:
            with contextlib.suppress(OSError):
                wire.send_cancel(self._worker, job)
            if self.state == pb.WORKER_STATE_BUSY and "deaf" not in self._alarms:
                self._alarms.set("deaf", self._config.cancel_seconds)

    def pause(self, job: str) -> None:
        """Make the engine let go of the job at its next step, with a checkpoint."""
        if self._worker and self.job == job:
            self.pausing = True
            if self.state == pb.WORKER_STATE_BUSY:
                with contextlib.suppress(OSError):
                    wire.send_pause(self._worker, job)

    def want_previews(self, job: str, wanted: bool) -> None:
        """Tell the worker whether any client looks at previews of this job."""
        if self._worker and self.job == job:
            with contextlib.suppress(OSError):
                wire.send_previews(self._worker, job, wanted)

    async def stop(self) -> None:
        """Kill the process: its state is only in memory, and it may be stuck."""
        self._idleness.end()
        # If a cancelled task was awaiting the exit of a process, await it here.
        worker, self._worker = self._worker or self._dying, None
        self._dying = worker
        self.state, self.models, self.residents = pb.WORKER_STATE_ASLEEP, [], []
        self._up = False
        self._fail_start(StartError("it was stopped"))
        if self._ending and not self._ending.done():
            self._ending.set_exception(WorkerLostError() if self.retired else WorkerDiedError())
        if worker:
            code = await worker.kill()
            if self._dying is worker:
                self._dying = None
                said = {"device": self.name, "pid": worker.pid, "code": code}
                log.info("worker ended", extra=said)

    def memory_bytes(self) -> int:
        """Resident set of the process in bytes; 0 if there is none."""
        # Looked at once: metrics are scraped in another thread.
        worker = self._worker
        return worker.memory_bytes() if worker else 0

    def to_proto(self) -> pb.Worker:
        """Convert to the contract's message."""
        return pb.Worker(
            device=self.name,
            state=self.state,
            pid=self._worker.pid if self._worker else 0,
            models=self.models,
            residents=self.residents,
            memory_bytes=self.memory_bytes(),
            job_id=self.job,
            trouble=self.backoff.trouble,
        )

    async def _start(self) -> None:
        self._starting = asyncio.get_running_loop().create_future()
        self._began = time.monotonic()
        self.state = pb.WORKER_STATE_STARTING
        limit = self.backoff.start_seconds()
        try:
            async with asyncio.timeout(limit):
                self._worker = self.spec.launch(self._options(), self._on_report)
                log.info("a worker is being started", extra={"device": self.name})
                await self._starting
                log.info("worker started", extra={"device": self.name, "pid": self._worker.pid})
        except TimeoutError:
            self.backoff.hung()
            raise StartError(f"it was not ready after {limit:g} seconds") from None
        except (OSError, MemoryError) as error:
            raise StartError(getattr(error, "strerror", None) or "no memory") from None
        except WorkerLostError:
            raise StartError("its machine is gone, or cannot be reached") from None
        except WorkerDiedError:
            code = await self._worker.kill() if self._worker else 0
            raise StartError(f"its process ended with code {code} before it was ready") from None
        finally:
            self._starting = None

    def _options(self) -> dict[str, object]:
        return {
            "device": self.device,
            "engine": self._config.engine,
            "log-format": self._config.log_format,
            "memory": self.spec.memory_bytes,
        }

    def _fail_start(self, error: Exception) -> None:
        if self._starting and not self._starting.done():
            self._starting.set_exception(error)

    def _on_report(self, worker: Transport, report: Report | None) -> None:
        if worker is not self._worker:
            return
        if report is None:
            return self._on_death(WorkerDiedError())
        if isinstance(report, Lost):
            return self._on_death(WorkerLostError())
        if "silent" in self._alarms:
            self._alarms.set("silent", self._config.hang_seconds)
        if isinstance(report, pb.Worker):
            self._on_state(report)
        elif isinstance(report, CannotStart):
            self._fail_start(StartError(report.why))
        elif isinstance(report, Paused | OutOfMemory | NotNow) or (
            isinstance(report, pb.Event) and report.WhichOneof("kind") in wire.END_KINDS
        ):
            if self._ending and not self._ending.done():
                self._ending.set_result(report)
        else:
            self._on_job_report(report)

    def _on_state(self, report: pb.Worker) -> None:
        self.models, self.residents = list(report.models), list(report.residents)
        # It says so when it will not take another job after this one.
        self._up = report.state != pb.WORKER_STATE_ASLEEP
        if self._up and not self.job:
            self.state = report.state
        if self._starting and not self._starting.done():
            self._starting.set_result(None)

    def _on_death(self, error: WorkerDiedError) -> None:
        self._up = False
        self._fail_start(error)
        if self._ending is None:
            self._idleness.leave()
        elif not self._ending.done():
            self._ending.set_exception(error)

    async def _after_work(self) -> None:
        if not self._up:
            return await self.stop()
        self.state = pb.WORKER_STATE_IDLE
        self.idle()

    def _kill(self, why: str) -> None:
        """Kill the process; its end is seen as a death, which decides what becomes of the job."""
        if self._worker:
            log.warning("worker is %s; it is killed", why, extra={"job": self.job})
            self._worker.end()

    def _rest(self) -> None:
        if self._worker and not self.job and self.state == pb.WORKER_STATE_IDLE:
            with contextlib.suppress(OSError):
                wire.send_rest(self._worker)

    async def _sleep(self) -> None:
        # The holder of the turn may be about to give it a job, and calls this off then.
        async with self.turn:
            await self.stop()


def _to_nobody(_: pb.Event | Saved | Sized) -> None:
    """Ignore reports between two jobs."""
