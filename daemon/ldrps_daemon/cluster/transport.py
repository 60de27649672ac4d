"""The front's end of the line to a worker on another node."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf.message import DecodeError

from ldrps_daemon.cluster import file_transfer
from ldrps_daemon.cluster.actor import WorkerActor, version
from ldrps_daemon.cluster.file_transfer import (
    BEGIN,
    COMMAND,
    END,
    MEMORY,
    PIECE,
    REPORT,
    Block,
    Message,
    Receiver,
)
from ldrps_daemon.storage.spool import JobFolder
from ldrps_daemon.workers.pipe import CannotStart, Lost, NotNow, report_of
from ldrps_daemon.workers.transport import OnReport, Options

log = logging.getLogger("ldrps.cluster")
_KILLED = -9
_FAREWELL_SECONDS = 1.0
# Most parts of files on their way to a node: more would fill its store where it has many GPUs.
_AHEAD = 3


@dataclass(frozen=True)
class NodeDevice:
    """Node and device for an actor, and its access to files."""

    node: str
    """Ray's id of the node."""
    host: str
    """Its address, for display."""
    gpus: int
    """1, or 0 for a worker on the CPU."""
    spool: str = ""
    """Folder that the node sees too; empty: files are carried."""
    proof: str = ""
    """Content of a file in that folder."""


class RayTransport:
    """One actor with one worker. Its epoch ends with it: a new worker is another transport."""

    def __init__(
        self, ray: ModuleType, node_device: NodeDevice, options: Options, report: OnReport
    ) -> None:
        """Have Ray start an actor; success or failure is reported later."""
        self.pid = 0
        self._ray: Any = ray
        self._node_device = node_device
        self._on_report = report
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._receiver: Receiver | None = None
        self._memory = 0
        self._sent = 0
        self._code = _KILLED
        self._is_ended = False
        try:
            self._actor = self._placed()
        except Exception as error:
            raise OSError(f"Ray takes no more actors ({words_of(error)})") from None
        self._tasks = [self._spawn(self._run(dict(options)))]

    def send_bytes(self, data: bytes, /) -> None:
        """Queue a message; OSError if the worker is known to be gone."""
        if self._is_ended:
            raise BrokenPipeError("the worker is gone")
        self._outbox.put_nowait(data)

    def memory_bytes(self) -> int:
        """Return the resident set of the worker in bytes, as last reported."""
        return self._memory

    def end(self) -> None:
        """End the worker at once."""
        self._is_ended = True
        self._tasks.append(self._spawn(self._kill()))

    async def kill(self) -> int:
        """End the worker at once and return its exit code, or SIGKILL's if it reported none."""
        is_here, self._is_ended = not self._is_ended and bool(self.pid), True
        if is_here:
            # It leaves nothing of the photo there; without an answer, its heir on that node does.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self._asked("end")
        await self._kill()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self._code

    def _placed(self) -> Any:
        strategies = self._ray.util.scheduling_strategies
        where = strategies.NodeAffinitySchedulingStrategy(self._node_device.node, soft=False)
        wants = {"num_gpus": 1, "num_cpus": 0} if self._node_device.gpus else {"num_cpus": 1}
        # Neither is to be repeated by Ray: the daemon alone knows what a job has done already.
        never = {"max_restarts": 0, "max_task_retries": 0}
        remote = self._ray.remote(WorkerActor)
        return remote.options(scheduling_strategy=where, **wants, **never).remote()

    async def _run(self, options: dict[str, object]) -> None:
        try:
            if why := await self._start(options):
                return self._on_report(self, CannotStart(f"{self._node_device.host}: {why}"))
            self._tasks.append(self._spawn(self._feed()))
            coming = self._asked("receive")
            while True:
                block = await coming
                # The next block is on its way while this one is written.
                coming = self._asked("receive")
                for message in file_transfer.unpacked(block):
                    if message[:1] == END:
                        self._code = int(message[1:])
                        return self._gone(None)
                    await self._take(message)
        except (ValueError, TypeError, EOFError, DecodeError) as error:
            log.warning("a worker talks rubbish (%s)", words_of(error), extra=self._said())
            await self._kill()
            self._gone(None)
        except Exception as error:
            if not self._is_ended:
                log.warning("a worker is lost (%s)", words_of(error), extra=self._said())
            self._gone(None if self._is_ended else Lost())

    def _gone(self, last: Lost | None) -> None:
        self._is_ended = True
        if self._receiver:
            self._receiver.close()
        self._on_report(self, last)

    async def _start(self, options: dict[str, object]) -> str:
        """Have the actor start its worker; returns why it does not, empty if it does."""
        request = {
            "options": options,
            "spool": self._node_device.spool,
            "proof": self._node_device.proof,
        }
        try:
            answer = json.loads(await self._asked("start", json.dumps(request).encode()))
        except Exception as error:
            if why := cannot_import(error):
                return why
            raise
        if why := answer.get("why"):
            return str(why)
        if answer["version"] != version():
            return f"it has ldrps {answer['version']}, the daemon {version()}; install the same"
        self.pid = int(answer["pid"])
        return ""

    async def _feed(self) -> None:
        """Send the queued messages one after the other, so that an order follows its files."""
        try:
            while True:
                await self._send(await self._outbox.get())
        except Exception as error:
            # The reading task hears of its end. A line that has lost one order is not to be
            # trusted with another.
            log.warning("a node takes nothing (%s)", words_of(error), extra=self._said())
            await self._kill()

    async def _send(self, data: bytes) -> None:
        command = json.loads(data)
        messages: list[Message] = [COMMAND + data]
        try:
            if command["do"] == "work" and not self._node_device.spool:
                return await self._send_job(command, messages)
        except OSError as error:
            return self._on_report(self, NotNow(error.strerror or str(error)))
        await _of_loop(self._given(file_transfer.blocks(messages)))

    async def _send_job(self, command: dict[str, Any], order: Iterable[Message]) -> None:
        """Send a job's files and the order for it, which a node ignores if it cannot take them."""
        attempt = JobFolder(Path(command["attempt"]))
        limit = int(command["spool_bytes"])
        await asyncio.to_thread(attempt.path.mkdir, 0o700)
        self._receiver = Receiver(attempt, file_transfer.TO_FRONT, limit)
        folder = JobFolder(Path(command["folder"]))
        names = file_transfer.TO_NODE.values()
        files = (file_transfer.pieces(folder, name, kept=False) for name in names)
        blocks = file_transfer.blocks(itertools.chain([BEGIN], *files, order))
        under_way: deque[asyncio.Future[str]] = deque()
        try:
            # Ray copies a piece before it goes, which is not to hold up the loop.
            while answer := await asyncio.to_thread(self._given, blocks):
                under_way.append(_of_loop(answer))
                if len(under_way) == _AHEAD:
                    self._check(await under_way.popleft())
            while under_way:
                self._check(await under_way.popleft())
        finally:
            for left in under_way:
                left.cancel()

    def _given(self, blocks: Iterator[Block]) -> Any:
        """Send the next block and return Ray's promise of an answer; None if that was all."""
        if (block := next(blocks, None)) is None:
            return None
        number, self._sent = self._sent, self._sent + 1
        return self._actor.send.remote(str(number).encode(), block)

    def _check(self, why: str) -> None:
        """Raise OSError if the node could not take a part of a job."""
        if why:
            raise OSError(0, f"{self._node_device.host}: {why}")

    async def _take(self, message: memoryview) -> None:
        tag, body = bytes(message[:1]), message[1:]
        if tag == MEMORY:
            self._memory = int(body)
        elif tag == REPORT:
            self._on_report(self, report_of(bytes(body)))
        elif tag == PIECE and self._receiver:
            try:
                await asyncio.to_thread(self._receiver.take, message)
            except OSError as error:
                # What is not there counts for nothing, see `attempts.py`.
                log.warning("a file cannot be kept", extra=self._said() | {"why": error.strerror})
        else:
            raise ValueError("this is no message of a node")

    def _said(self) -> dict[str, object]:
        return {"node": self._node_device.host, "pid": self.pid}

    def _asked(self, method: str, *arguments: bytes) -> asyncio.Future[Any]:
        return _of_loop(getattr(self._actor, method).remote(*arguments))

    async def _kill(self) -> None:
        with contextlib.suppress(Exception):  # it may be gone, or the cluster
            await asyncio.to_thread(self._ray.kill, self._actor)

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)


def _of_loop(promise: Any) -> asyncio.Future[Any]:
    """Return Ray's promise as a future; a failure that is not awaited any more is no news."""
    future = asyncio.wrap_future(promise.future())
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def words_of(error: Exception) -> str:
    """Return an error of Ray's in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def cannot_import(error: Exception) -> str:
    """Return a sentence if an error of Ray's is that a node lacks us; else nothing."""
    if "ModuleNotFoundError" in str(error) or "ImportError" in str(error):
        return "ldrps cannot be imported there; install the same version on every node"
    return ""
