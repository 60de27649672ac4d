"""The part that runs on a node: an actor that launches a worker and passes bytes both ways.

It is the worker's parent, so the worker goes with it, however that happens, and Ray takes the
actor away when its front is gone. Nothing of ours is pickled: arguments and answers are bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from pickle import PickleBuffer

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.cluster import file_transfer
from ldrps_daemon.cluster.file_transfer import (
    BEGIN,
    END,
    MEMORY,
    PIECE,
    REPORT,
    Block,
    Message,
    Receiver,
)
from ldrps_daemon.storage.spool import JobFolder
from ldrps_daemon.workers.pipe import MAX_REPORT, is_end
from ldrps_daemon.workers.process import Process

_POLL_SECONDS = 20.0
# Longest that a message waits for others, for each answer costs the front a millisecond, however
# much is in it. No job's end waits, nor does what is large.
_GATHER_SECONDS = 0.1
# Most messages that may wait for the front: those with pieces are large.
_AHEAD = 4
_FOLDERS = "ldrps-node-"
_UNLIMITED = 1 << 62


def version() -> str:
    """Return the version of LD-RPS installed here."""
    try:
        return metadata.version("ldrps")
    except metadata.PackageNotFoundError:
        return "of a source tree"


class WorkerActor:
    """One worker on this node. All methods are called by one front.

    Several calls may be under way, and Ray begins them in any order: hence the numbers.
    """

    def __init__(self) -> None:
        self._turn = 0
        self._turns = asyncio.Event()
        self._raw: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._messages: asyncio.Queue[tuple[Message, bool]] = asyncio.Queue(_AHEAD)
        """Messages for the front; True: it waits for this one."""
        self._large: Message | None = None
        """Message that is the next answer."""
        self._process: Process[bytes] | None = None
        self._job: JobFolder | None = None
        self._attempt: JobFolder | None = None
        self._receiver: Receiver | None = None
        self._refusal = ""
        """Reason why the job that is being sent cannot be done here."""
        self._folder: Path | None = None

    async def start(self, request: bytes) -> bytes:
        """Launch the worker; JSON there and back: {"options", "spool"}, {"pid", "version"}.

        `spool`: the front's folder if it is to be seen from here too; empty: files are carried.
        Or {"why"}: there is no worker, and this is the reason.
        """
        given = json.loads(request)
        if why := await asyncio.to_thread(_unseen, given["spool"], given["proof"]):
            return json.dumps({"why": why}).encode()
        if not given["spool"]:
            self._folder = await asyncio.to_thread(_own_folder)
        if given["options"]["device"] != "cpu":
            _undo_thread_limit()
        try:
            self._process = Process(given["options"], self._on_message, _message)
        except OSError as error:
            return json.dumps({"why": error.strerror or str(error)}).encode()
        self._pump = asyncio.get_running_loop().create_task(self._pass_on())
        return json.dumps({"pid": self._process.pid, "version": version()}).encode()

    async def send(self, number: bytes, block: bytes | memoryview) -> str:
        """Take messages for the worker, or a piece of a file; returns why not, empty if taken.

        Blocks are numbered from 0 and taken in that order.
        """
        while self._turn != int(number):
            await self._turns.wait()
        try:
            for message in file_transfer.unpacked(block):
                await self._accept(message)
        finally:
            self._turn += 1
            self._turns.set()
            self._turns = asyncio.Event()
        return self._refusal

    async def _accept(self, message: memoryview) -> None:
        if message[:1] == BEGIN:
            self._refusal = await asyncio.to_thread(_refused, self._begin)
        elif self._refusal:
            # The job's other files, and the order for it.
            return
        elif message[:1] == PIECE and self._receiver:
            self._refusal = await asyncio.to_thread(_refused, self._receiver.take, message)
        elif self._process:
            # Its end is reported by `receive`.
            with contextlib.suppress(OSError):
                self._process.send_bytes(self._command(bytes(message[1:])))

    async def receive(self) -> Block:
        """Wait a while for messages and return those that have come."""
        if self._large:
            return self._alone()
        found: list[Message] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + _POLL_SECONDS
        with contextlib.suppress(TimeoutError):
            while not self._large:
                async with asyncio.timeout_at(until):
                    message, is_awaited = await self._messages.get()
                if file_transfer.is_large(message):
                    self._large = message
                    break
                found.append(message)
                if is_awaited:
                    break
                if len(found) == 1:
                    until = loop.time() + _GATHER_SECONDS
        if self._large and not found:
            return self._alone()
        memory = self._process.memory_bytes() if self._process else 0
        return file_transfer.joined([MEMORY + str(memory).encode(), *found])

    def _alone(self) -> PickleBuffer:
        message, self._large = self._large, None
        assert message
        return PickleBuffer(message)

    async def end(self) -> None:
        """End the worker and leave nothing of its jobs here."""
        if self._process:
            await self._process.kill()
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder, True)

    def _on_message(self, _: object, message: bytes | None) -> None:
        self._raw.put_nowait(message)

    async def _pass_on(self) -> None:
        assert self._process
        while (message := await self._raw.get()) is not None:
            if self._folder and self._attempt and (name := _announced_file(message)):
                pieces = file_transfer.pieces(self._attempt, name)
                while piece := await asyncio.to_thread(next, pieces, None):
                    await self._messages.put((piece, False))
            ended = self._attempt if is_end(message) else None
            await self._messages.put((REPORT + message, is_end(message)))
            if ended:
                # The next job, which may be on its way, has a folder of its own.
                await asyncio.to_thread(shutil.rmtree, ended.path.parent, True)
        await self._messages.put((END + str(await self._process.kill()).encode(), True))

    def _begin(self) -> None:
        """Make room for a job."""
        if self._folder:
            if self._job:
                # One that never came to an end.
                shutil.rmtree(self._job.path, ignore_errors=True)
            job = JobFolder(Path(tempfile.mkdtemp(prefix="job-", dir=self._folder)))
            self._receiver = Receiver(job, file_transfer.TO_NODE, _UNLIMITED, lasting=False)
            self._job = job

    def _command(self, data: bytes) -> bytes:
        command = json.loads(data)
        if command["do"] != "work" or not self._job:
            return data
        self._attempt = JobFolder(self._job.path / "attempt")
        own = {"folder": str(self._job.path), "attempt": str(self._attempt.path)}
        return json.dumps(command | own | {"lasting": False}).encode()


def _message(pipe: Connection) -> bytes:
    return pipe.recv_bytes(MAX_REPORT)


def _refused(work: Callable[..., None], *arguments: memoryview) -> str:
    """Do it and return why the machine does not let it happen; empty if it does."""
    try:
        work(*arguments)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _announced_file(message: bytes) -> str:
    """Name the file that a report announces; empty: none. The front looks closer."""
    if message[:1] == b"S":
        return "checkpoint"
    if message[:1] == b"E":
        with contextlib.suppress(DecodeError):
            return "result" if pb.Event.FromString(message[1:]).HasField("done") else ""
    return ""


def _unseen(spool: str, proof: str) -> str:
    """Return why the front's folder cannot be used from here; empty: it can, or need not be."""
    if not spool:
        return ""
    try:
        found = (Path(spool) / "seen-by-nodes").read_text()
    except OSError as error:
        return f"it does not see the shared spool {spool} ({error.strerror})"
    return "" if found == proof else f"its folder {spool} is not the shared spool of the daemon"


def _undo_thread_limit() -> None:
    """Leave the number of threads to the libraries, unless the node's owner has set it.

    Ray limits an actor that asks for a GPU and for no CPU to one thread, which would take all work
    but the model's to one core.
    """
    try:
        own = Path("/proc", os.environ["RAY_RAYLET_PID"], "environ").read_bytes().split(b"\0")
    except (KeyError, OSError):
        own = []
    if not any(each.startswith(b"OMP_NUM_THREADS=") for each in own):
        os.environ.pop("OMP_NUM_THREADS", None)


def _own_folder() -> Path:
    """Make a new folder on this node; those of killed actors are removed."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{_FOLDERS}*"):
        with contextlib.suppress(OSError, ValueError):
            owner = int(left.name.removeprefix(_FOLDERS).partition("-")[0])
            if left.stat().st_uid == os.getuid() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDERS}{os.getpid()}-", dir=base))
