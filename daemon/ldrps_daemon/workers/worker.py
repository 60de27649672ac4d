"""A worker process: one device, one job at a time, started by the pool as a fresh interpreter.

The main thread runs the engine. A second thread reads commands, so that a cancel is noticed at
the next step, and so that the worker dies at once when its front process does.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.observability.logs import set_up
from ldrps_daemon.storage.sizes import peak_bytes
from ldrps_daemon.storage.spool import write_layers
from ldrps_daemon.workers import pipe as wire
from ldrps_daemon.workers.channel import to_front
from ldrps_daemon.workers.helpers import SCARCE, UnableError
from ldrps_daemon.workers.pipe import End, ModelCommand, NotNow, Order, OutOfMemory, Paused
from ldrps_daemon.workers.process import leave_with
from ldrps_daemon.workers.reading import read_photo
from ldrps_daemon.workers.reporter import Looked, PausedError, Reporter
from ldrps_daemon.workers.writing import write_files
from ldrps_engine.diffusion.last_photo import LastPhoto
from ldrps_engine.errors import CancelledError, LdrpsError, LimitError, OutputError
from ldrps_engine.model_store.atomic import replacing
from ldrps_engine.model_store.store import weights_hash
from ldrps_engine.photo import Photo
from ldrps_engine.result import Restoration
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import crop_of, raster_bytes, raster_of, settings_from_proto
from ldrps_wire.status import sentence
from ldrps_wire.system import resource

log = logging.getLogger("ldrps.worker")
LOW_MEMORY, ON_CPU = 1, 2
"""Levels of saving memory, see `pipe.Order`."""


class Worker:
    """The loop from order to result."""

    def __init__(self, pipe: Connection, device: str, engine: str) -> None:
        self._pipe = pipe
        self._device = device
        self._engine = engine
        # None: rest.
        self._orders: queue.SimpleQueue[Order | ModelCommand | None] = queue.SimpleQueue()
        self._reporter = Reporter(pipe)
        self._models: Any = None
        self._last = LastPhoto()

    def run(self) -> None:
        """Work until the front goes away, or until this process is not to be trusted."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            engine = self._load()
        except Exception as error:
            log.exception("the engine cannot be loaded")
            words = " ".join(f"{type(error).__name__}: {error}".split())
            return wire.send_cannot_start(self._pipe, f"the engine cannot be loaded ({words})")
        wire.send_worker(self._pipe, pb.WORKER_STATE_IDLE, self._loaded())
        while True:
            order = self._orders.get()
            if order is None:
                self._rest()
            elif not self._work(engine, order):
                return
            else:
                wire.send_worker(self._pipe, pb.WORKER_STATE_IDLE, self._loaded())

    def _rest(self) -> None:
        self._last.forget()
        if self._models is not None:
            self._models.rest()
        wire.send_worker(self._pipe, pb.WORKER_STATE_RESTING, self._loaded())

    def _load(self) -> ModuleType | ImportError:
        # What is not installed does not come by waiting: it is reported with the first job, so that
        # a client hears of it. Anything else, such as too little memory for a library, may pass.
        try:
            return importlib.import_module(self._engine)
        except ModuleNotFoundError as error:
            return error

    def _listen(self) -> None:
        try:
            while True:
                self._obey(wire.receive_command(self._pipe))
        except (EOFError, OSError):
            os._exit(0)

    def _obey(self, command: dict[str, Any]) -> None:
        if command["do"] in ("work", "load", "unload"):
            order = wire.order_of(command)
            self._reporter.open(order.job)
            self._orders.put(order)
        elif command["do"] == "cancel":
            self._reporter.cancel(command["job"])
        elif command["do"] == "pause":
            self._reporter.pause(command["job"])
        elif command["do"] == "rest":
            self._orders.put(None)
        else:
            self._reporter.want_previews(command["job"], command["wanted"])

    def _work(self, engine: ModuleType | ImportError, order: Order | ModelCommand) -> bool:
        """Do one job and return whether this process can be trusted with another."""
        try:
            models = self._models_of(engine, getattr(order, "memory_saving", 0))
            if isinstance(order, ModelCommand):
                # It holds a model, perhaps the one to be removed.
                self._last.forget()
                done = _run(order, models)
            else:
                done = self._restore(engine, models, order)
        except PausedError:
            return self._end(Paused(), True)
        except CancelledError as error:
            return self._end(pb.Event(cancelled=pb.Cancelled(message=str(error))), True)
        except LdrpsError as error:
            failed = pb.Failed(reason=error.reason, message=sentence(error))
            return self._end(pb.Event(failed=failed), True)
        except UnableError as error:
            return self._end(NotNow(str(error)), True)
        except Exception as error:
            # A CUDA context may be beyond repair and memory may be torn to pieces after this.
            log.exception("job failed", extra={"job": order.job})
            if is_out_of_memory(error):
                return self._end(OutOfMemory(), False)
            if isinstance(error, OSError) and error.errno in SCARCE:
                return self._end(NotNow(os.strerror(error.errno)), False)
            failed = pb.Failed(reason="internal", message=_sentence(error))
            return self._end(pb.Event(failed=failed), False)
        return self._end(pb.Event(done=done), True)

    def _models_of(self, engine: ModuleType | ImportError, memory_saving: int) -> Any:
        if isinstance(engine, ImportError):
            raise engine
        if memory_saving >= ON_CPU and self._device != "cpu":
            return engine.ModelCache("cpu")
        low_memory = memory_saving >= LOW_MEMORY
        if self._models is None or self._models.low_memory != low_memory:
            self._last.forget()
            self._models = None  # goes before others come
            self._models = engine.ModelCache(self._device, low_memory=low_memory)
        return self._models

    def _restore(self, engine: Any, models: Any, order: Order) -> pb.Done:
        self._reporter.check()
        header, photo = self._read(order)
        settings = settings_from_proto(header.settings)
        self._weigh(order, header, photo)
        self._reporter.diagnose_only = header.diagnose_only
        started = time.monotonic()
        try:
            checkpoint = self._checkpoint_of(order)
            crop = crop_of(header) if header.HasField("crop") else None
            last = self._last if models is self._models else None
            restoration = engine.restore(
                photo, settings, models, self._reporter, checkpoint, crop, last
            )
        except Looked:
            return _done(settings, time.monotonic() - started)
        done = _done(settings, restoration.seconds)
        done.generated.mean, done.generated.maximum = restoration.generated
        with _keeping():
            for layer in self._kept(order, header, restoration, done):
                wire.send_event(self._pipe, pb.Event(layer_header=layer))
        return done

    def _kept(
        self, order: Order, header: pb.SubmitHeader, restoration: Restoration, done: pb.Done
    ) -> list[pb.LayerHeader]:
        """Write the result in the form that the client wants."""
        if header.result_format:
            return write_files(order, header, restoration, done, self._reporter.check)
        return write_layers(order.attempt.result, restoration.layers, lasting=order.lasting)

    def _read(self, order: Order) -> tuple[pb.SubmitHeader, Photo]:
        try:
            header = pb.SubmitHeader.FromString(order.folder.header.read_bytes())
            with _keeping():
                order.attempt.path.mkdir(mode=0o700)
            return header, read_photo(order, header, self._reporter.check)
        except FileNotFoundError:
            # A job that was cancelled at this very moment has no files any more.
            self._reporter.check()
            raise

    def _weigh(self, order: Order, header: pb.SubmitHeader, photo: Photo) -> None:
        """Report the size of a decoded file; LimitError if its result will find no room."""
        if header.HasField("file"):
            size = raster_bytes(raster_of(photo))
            wire.send_size(self._pipe, size)
            needed = peak_bytes(header, size)
            if needed > order.spool_bytes:
                raise LimitError(
                    f"the photo and what is made of it take up to {needed} bytes; the spool takes "
                    f"{order.spool_bytes}; "
                    "give a smaller photo, or ask for fewer layers"
                )

    def _checkpoint_of(self, order: Order) -> bytes | None:
        """Load the checkpoint saved before; from now on, checkpoints are saved there."""

        def save(_: int, data: bytes) -> bool:
            try:
                with replacing(order.attempt.checkpoint, lasting=order.lasting) as file:
                    file.write(data)
            except OSError as error:
                # Costs work only if the job is interrupted as well.
                said = {"job": order.job, "why": error.strerror}
                log.warning("a checkpoint cannot be kept", extra=said)
                return False
            return True

        self._reporter.keep(save, order.checkpoint_seconds)
        try:
            return order.folder.checkpoint.read_bytes()
        except FileNotFoundError:
            return None

    def _end(self, end: End, trusted: bool) -> bool:
        state = pb.WORKER_STATE_IDLE if trusted else pb.WORKER_STATE_ASLEEP
        wire.send_worker(self._pipe, state, self._loaded() if trusted else [])
        wire.send_end(self._pipe, end)
        return trusted

    def _loaded(self) -> list[pb.Resident]:
        held = self._models.residents() if self._models else []
        return [pb.Resident(**asdict(resident)) for resident in held]


def _run(command: ModelCommand, models: Any) -> pb.Done:
    started = time.monotonic()
    (models.load if command.action == "load" else models.unload)(command.model)
    return pb.Done(seconds=time.monotonic() - started, model=command.model)


@contextmanager
def _keeping() -> Iterator[None]:
    """Raise OutputError if the disk does not take the result."""
    try:
        yield
    except OSError as error:
        if error.errno in SCARCE:
            # Says nothing about the disk, and passes.
            raise
        raise OutputError(
            f"the result cannot be kept in the daemon's spool ({error.strerror}); "
            "make room on that disk and hand the photo in again"
        ) from error


def _done(settings: Settings, seconds: float) -> pb.Done:
    return pb.Done(
        seconds=seconds,
        model=settings.model,
        seed=settings.seed,
        model_hash=_hash_of(settings.model),
    )


def _hash_of(model: str) -> str:
    try:
        return weights_hash(model)
    except (LdrpsError, OSError):
        # Engines of tests know models that are nowhere.
        return ""


def _sentence(error: Exception) -> str:
    """Phrase an error for the client: no traceback, no internals."""
    if isinstance(error, ImportError):
        missing = error.name or "a part of it"
        return f"the engine cannot be loaded because {missing} is missing; install ldrps[daemon]"
    return "the engine failed at this photo; the daemon's log says where"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether less work at once might have gone well. Torch has no class for the CPU."""
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _limit_memory(limit: int) -> None:
    """Make an allocation beyond the limit fail here, before the kernel ends some process."""
    if limit and resource is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    """Run the process that the pool starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipe", type=int, help="descriptor; none: see channel.py")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--log-format", default="text")
    given = parser.parse_args()
    # In case the commands' thread never gets to run.
    leave_with(given.parent)
    _limit_memory(given.memory)
    set_up(given.log_format)
    Worker(to_front(given.pipe), given.device, given.engine).run()


if __name__ == "__main__":
    main()
