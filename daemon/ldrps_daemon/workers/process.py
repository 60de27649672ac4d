"""One worker's process, seen from the front: its start, its reports, its end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from ldrps_daemon.workers.channel import Line, line
from ldrps_daemon.workers.pipe import receive_report
from ldrps_daemon.workers.transport import OnReport, Options, Transport
from ldrps_wire.system import CONFINES, IN_ITS_OWN_SESSION, PASSES_DESCRIPTORS

_PR_SET_PDEATHSIG = 1
_MIB = 1 << 20
_POLL_SECONDS = 0.01
# Environment that makes glibc keep what tensors leave for the next ones, instead of asking the
# kernel for pages again: it saves a tenth of an evaluation of the bundled model
# (benchmarks/evaluation.py).
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(64 * _MIB),
    "MALLOC_TRIM_THRESHOLD_": str(256 * _MIB),
}
# Environment in which numpy's products of matrices stay in the thread that asks for them. Those of
# small networks end so soon that its other threads take as much of the processor by waiting for the
# next one as they help; parts of a large photo are shared out among threads of our own. Threads of
# torch spin for a fifteenth of the time that is usual (libgomp's default is 300,000 turns): with
# other work on all cores that halves a restoration's seconds of the processor.
_NO_SPINNING = {"OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "20000"}

Message = TypeVar("Message")


class Process(Generic[Message]):
    """A transport to a worker of this machine.

    A fresh interpreter, never a fork: gRPC and CUDA both break in forked children.
    """

    def __init__(
        self,
        options: Options,
        on_message: Callable[[Transport, Message | None], None],
        receive: Callable[[Connection], Message],
    ) -> None:
        """Start the process; OSError if the machine has no room for one.

        `receive` waits for the next message; EOFError, OSError or DecodeError: there is none.
        """
        self._on_message = on_message
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as undo:
            self._line = line()
            undo.callback(self._line.close)
            self._process = _spawned(self._line, options)
            undo.callback(self._process.wait)
            undo.callback(self._process.kill)
            self._line.started(self._process)
            try:
                threading.Thread(target=self._read, daemon=True).start()
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, str(error)) from None
            undo.pop_all()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def send_bytes(self, data: bytes, /) -> None:
        """Send one message; OSError if the worker is known to be gone."""
        self._line.send_bytes(data)

    def memory_bytes(self) -> int:
        """Resident set of the worker."""
        return resident_bytes(self.pid)

    def end(self) -> None:
        """End the process at once."""
        if self._process.poll() is None:
            self._process.kill()

    async def kill(self) -> int:
        """End the process at once and return its exit code."""
        self.end()
        self._line.shut()
        # Not in a thread: the machine may have none to give just when a start has failed.
        while (code := self._process.poll()) is None:
            await asyncio.sleep(_POLL_SECONDS)
        return code

    def _read(self) -> None:
        # A thread, so that a worker that stops in the middle of a message blocks no other.
        message: Message | None
        pipe: Connection | None = None
        while True:
            try:
                pipe = pipe or self._line.opened()
                message = self._receive(pipe)
            except (EOFError, OSError, DecodeError):
                message = None
            try:
                self._loop.call_soon_threadsafe(self._deliver, message)
            except RuntimeError:
                # The loop has been closed, so nothing is sent any more.
                return self._line.close()
            if message is None:
                return

    def _deliver(self, message: Message | None) -> None:
        self._on_message(self, message)
        # Closed here, not in the thread: a send could hit a reused descriptor.
        if message is None:
            self._line.close()


def launch(options: Options, on_report: OnReport) -> Transport:
    """Start a worker on this machine; OSError if there is no room for one."""
    return Process(options, on_report, receive_report)


def _spawned(line: Line, options: Options) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _command(line, options),
        stdout=sys.stderr.fileno() if _has_descriptor() else subprocess.DEVNULL,
        env=environment(),
        # Ctrl-C in a terminal is for the front; it decides what becomes of the worker.
        **{**IN_ITS_OWN_SESSION, **line.popen},
    )


def _has_descriptor() -> bool:
    try:
        return sys.stderr.fileno() >= 0
    except (OSError, ValueError):
        return False


def _command(line: Line, options: Options) -> list[str]:
    given = {**line.arguments, "parent": os.getpid(), **options}
    words = [f"--{name}={value}" for name, value in given.items()]
    return [sys.executable, "-P", "-m", "ldrps_daemon.workers.worker", *words]


def environment() -> dict[str, str]:
    """Return the environment of a child that is to import what this process can."""
    # Progress bars of libraries would fill the log; ours go to the client as events.
    paths = os.pathsep.join(filter(None, sys.path))
    return _KEEP_MEMORY | _NO_SPINNING | os.environ | {"PYTHONPATH": paths, "TQDM_DISABLE": "1"}


def leave_with(parent: int) -> None:
    """Have the kernel end this process, a child, when its parent goes, however that happens.

    Elsewhere a worker notices that its line has ended, and a helper ends with its one file.
    """
    if CONFINES:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # In a virtual environment on Windows another process stands between the two.
    if PASSES_DESCRIPTORS and os.getppid() != parent:
        os._exit(0)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if there is none, or without /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
