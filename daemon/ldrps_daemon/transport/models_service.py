"""The service Models: models on the pool's machines, fetched, checked, removed, in memory or not.

Pulling and checking run in threads of the front process, which needs no torch for them, and then
wherever else the pool has machines; anything that concerns memory is a command for the workers.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_daemon.scheduling.worker_errors import WorkerDiedError
from ldrps_daemon.scheduling.worker_slot import WorkerSlot
from ldrps_daemon.scheduling.worker_specs import OnProgress, Pool
from ldrps_daemon.transport.servicer import answering
from ldrps_engine.errors import BusyError, CancelledError, InternalError, ModelError
from ldrps_engine.model_store import hub, store
from ldrps_engine.model_store.catalogue import BUNDLED, Entry, catalogue
from ldrps_wire.status import error_of

log = logging.getLogger("ldrps.models")
_PROGRESS_SECONDS = 0.2
Work = Callable[[str, OnProgress], object]
"""Function that does something with the model of a name on this machine, in a thread."""
# Most machines that one sentence names.
_NAMED = 3


class ModelsServicer(pb_grpc.ModelsServicer):
    """One daemon's models. A model is pulled, checked or removed by one caller at a time."""

    def __init__(self, slots: Sequence[WorkerSlot], pool: Pool) -> None:
        self._slots = slots
        self._pool = pool
        self._at_work: set[str] = set()

    async def List(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """List the catalogue, then linked models."""
        async with answering(context):
            return pb.ListModelsResponse(models=await asyncio.to_thread(self._list))

    async def Pull(self, request: pb.ModelRequest, context: Any) -> None:
        """Fetch a model, reporting progress."""
        async with answering(context):
            await self._streamed("pull", request.name, context, hub.pull)

    async def Verify(self, request: pb.ModelRequest, context: Any) -> None:
        """Read a model's files again, reporting progress."""
        async with answering(context):
            await self._streamed("verify", request.name, context, _verify)

    async def Remove(self, request: pb.ModelRequest, context: Any) -> pb.ModelProgress:
        """Remove a model from memory and from the disk."""
        async with answering(context):
            _check_name(request.name)
            if request.name in self._at_work:
                raise _busy(request.name)
            await self._commands("unload", request.name, only_awake=True)
            freed = await asyncio.to_thread(store.remove, request.name)
            log.info("model=%s removed bytes=%d", request.name, freed)
            await self._elsewhere("remove", request.name, lambda *_: None)
            return pb.ModelProgress(done_bytes=freed, total_bytes=freed)

    async def Load(self, request: pb.ModelRequest, context: Any) -> pb.ModelProgress:
        """Bring a model into every worker's memory."""
        async with answering(context):
            _check_name(request.name)
            await asyncio.to_thread(store.resolve, request.name)
            await self._commands("load", request.name, only_awake=False)
            return pb.ModelProgress()

    async def Unload(self, request: pb.ModelRequest, context: Any) -> pb.ModelProgress:
        """Free a model's memory, wherever it is."""
        async with answering(context):
            _check_name(request.name)
            await self._commands("unload", request.name, only_awake=True)
            return pb.ModelProgress()

    async def _done(self, action: str, work: Work, name: str, on_progress: OnProgress) -> None:
        """Do something with a model on this machine, then on the others."""
        await asyncio.to_thread(work, name, on_progress)
        await self._elsewhere(action, name, on_progress)

    async def _elsewhere(self, action: str, name: str, on_progress: OnProgress) -> None:
        if name == BUNDLED or name.startswith(store.LOCAL):
            # The one comes with the program; the other is a folder of this machine.
            return
        if whys := await self._pool.everywhere(action, name, on_progress):
            more = f"; and {len(whys) - _NAMED} more" if len(whys) > _NAMED else ""
            reasons = "; ".join(whys[:_NAMED]) + more
            raise ModelError(
                f"{action} of model '{name}' is done here, but not everywhere: {reasons}"
            )

    def _list(self) -> list[pb.Model]:
        found = [self._show(entry) for entry in catalogue().values()]
        for name, path in store.links().items():
            there = path.exists()
            kind = "describer" if there and store.is_describer(name) else "prior"
            model = pb.Model(name=name, kind=kind, title=str(path), installed=there)
            model.devices.extend(self._devices(name))
            found.append(model)
        return found

    def _show(self, entry: Entry) -> pb.Model:
        installed = store.is_installed(entry.name)
        try:
            manifest = store.read_manifest(entry.name)
        except ModelError:
            manifest, installed = None, False
        return pb.Model(
            name=entry.name,
            kind=entry.kind,
            family=entry.family,
            title=entry.title,
            repository=entry.repository,
            revision=manifest.revision if manifest else entry.revision,
            bytes=store.total_bytes(entry.name) if installed else entry.bytes,
            memory_bytes=entry.memory,
            licence=entry.licence,
            terms=entry.terms,
            accept=entry.accept,
            page=entry.page,
            view=entry.view,
            installed=installed,
            devices=self._devices(entry.name),
        )

    def _devices(self, name: str) -> list[str]:
        return [slot.name for slot in self._slots if name in slot.models]

    async def _commands(self, action: str, name: str, *, only_awake: bool) -> None:
        """Have every worker do it, one after the other; the first failure is raised."""
        for slot in self._slots:
            if only_awake and name not in slot.models:
                continue
            try:
                end = await slot.run(action, name)
            except WorkerDiedError:
                raise InternalError(
                    f"the worker on {slot.name} died while it was to {action} '{name}'; "
                    "the daemon's log may say why"
                ) from None
            if end.HasField("failed"):
                raise error_of(end.failed.reason, end.failed.message)

    async def _streamed(self, action: str, name: str, context: Any, work: Work) -> None:
        """Do `work` everywhere and pass on its progress, until it ends or the caller leaves."""
        _check_name(name)
        if name in self._at_work:
            raise _busy(name)
        self._at_work.add(name)
        stream = _ProgressStream(asyncio.get_running_loop())
        task = asyncio.create_task(self._done(action, work, name, stream))
        task.add_done_callback(lambda _: stream.end())
        # A caller who has left receives no error, and asyncio would log it as never retrieved.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Only now may another caller begin: the thread goes on until it notices the stop.
        task.add_done_callback(lambda _: self._at_work.discard(name))
        try:
            async for progress in stream.progress():
                await context.write(progress)
            await task
        finally:
            stream.stop()


class _ProgressStream:
    """Stream from a thread to the event loop: the newest progress, a few times a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[pb.ModelProgress | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self._reported_at, self._last_file = 0.0, ""

    def __call__(self, file: str, done: int, total: int) -> None:
        if self._stopped.is_set():
            raise CancelledError("the caller left")
        now = time.monotonic()
        if file == self._last_file and done < total and now - self._reported_at < _PROGRESS_SECONDS:
            return
        self._reported_at, self._last_file = now, file
        progress = pb.ModelProgress(file=file, done_bytes=done, total_bytes=total)
        self._loop.call_soon_threadsafe(self._queue.put_nowait, progress)

    def stop(self) -> None:
        """Make the thread end at its next report."""
        self._stopped.set()

    def end(self) -> None:
        """Note that there will be no more."""
        self._queue.put_nowait(None)

    async def progress(self) -> AsyncIterator[pb.ModelProgress]:
        """Yield the progress, until the end."""
        while (progress := await self._queue.get()) is not None:
            yield progress


def _verify(name: str, on_progress: OnProgress) -> None:
    store.resolve(name)
    total, done = store.total_bytes(name), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(name, min(done, total), total)

    store.verify(name, on_bytes)


def _check_name(name: str) -> None:
    """Refuse names that are paths: a folder of one's own is linked to a name first."""
    if not name or store.is_path(name):
        raise ModelError(f"model '{name}' is no name of a model; see 'ldrps models list'")


def _busy(name: str) -> BusyError:
    return BusyError(f"model '{name}' is being pulled or checked by another command; try later")
