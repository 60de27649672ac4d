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
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.cluster import carrying
from ldrps_daemon.cluster.carrying import BEGIN, END, MEMORY, PIECE, REPORT, Receiver
from ldrps_daemon.storage.spool import JobFolder
from ldrps_daemon.workers.pipe import MAX_REPORT
from ldrps_daemon.workers.process import Process

_POLL_SECONDS = 20.0
_GATHER_SECONDS = 0.02
_AHEAD = 4
"""Most messages that may wait for the front: those with pieces are large."""
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
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
        self._process: Process[bytes] | None = None
        self._attempt: JobFolder | None = None
        self._receiver: Receiver | None = None
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
        try:
            self._process = Process(given["options"], self._on_message, _message)
        except OSError as error:
            return json.dumps({"why": error.strerror or str(error)}).encode()
        self._pump = asyncio.get_running_loop().create_task(self._pass_on())
        return json.dumps({"pid": self._process.pid, "version": version()}).encode()

    async def send(self, number: bytes, message: bytes) -> str:
        """Take a message for the worker, or a piece of a file; returns why not, empty if taken.

        Messages are numbered from 0 and taken in that order.
        """
        while self._turn != int(number):
            await self._turns.wait()
        try:
            await self._accept(message)
        except OSError as error:
            return error.strerror or str(error)
        finally:
            self._turn += 1
            self._turns.set()
            self._turns = asyncio.Event()
        return ""

    async def _accept(self, message: bytes) -> None:
        if message[:1] == BEGIN:
            await asyncio.to_thread(self._begin)
        elif message[:1] == PIECE and self._receiver:
            await asyncio.to_thread(self._receiver.take, message)
        elif self._process:
            # Its end is told by `receive`.
            with contextlib.suppress(OSError):
                self._process.send_bytes(await asyncio.to_thread(self._command, message[1:]))

    async def receive(self) -> bytes:
        """Wait a while for messages and return those that have come, as a block."""
        found = [MEMORY + str(self._process.memory_bytes() if self._process else 0).encode()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                found.append(await self._messages.get())
                if found[-1][:1] != PIECE:
                    # Each answer costs the front a millisecond, however much is in it.
                    await asyncio.sleep(_GATHER_SECONDS)
        # The front writes a piece while the next one is on its way.
        while not self._messages.empty() and sum(map(len, found)) < carrying.PIECE_BYTES:
            found.append(self._messages.get_nowait())
        return await asyncio.to_thread(carrying.joined, found)

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
                pieces = carrying.pieces(self._attempt, name)
                while piece := await asyncio.to_thread(next, pieces, None):
                    await self._messages.put(piece)
            await self._messages.put(REPORT + message)
        await self._messages.put(END + str(await self._process.kill()).encode())

    def _begin(self) -> None:
        """Make room for a job and remove what the previous one left."""
        if self._folder:
            job = JobFolder(self._folder / "job")
            shutil.rmtree(job.path, ignore_errors=True)
            job.path.mkdir(mode=0o700)
            self._receiver = Receiver(job, carrying.TO_NODE, _UNLIMITED, lasting=False)

    def _command(self, data: bytes) -> bytes:
        command = json.loads(data)
        if command["do"] != "work" or not self._folder:
            return data
        job = self._folder / "job"
        self._attempt = JobFolder(job / "attempt")
        return json.dumps(
            command | {"folder": str(job), "attempt": str(self._attempt.path), "lasting": False}
        ).encode()


def _message(pipe: Connection) -> bytes:
    return pipe.recv_bytes(MAX_REPORT)


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


def _own_folder() -> Path:
    """Make a new folder on this node; those of killed actors are removed."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{_FOLDERS}*"):
        with contextlib.suppress(OSError, ValueError):
            owner = int(left.name.removeprefix(_FOLDERS).partition("-")[0])
            if left.stat().st_uid == os.getuid() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDERS}{os.getpid()}-", dir=base))
