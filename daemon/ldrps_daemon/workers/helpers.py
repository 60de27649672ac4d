"""Processes that a worker starts for one file each, locked in; watched from here."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

from ldrps_daemon.workers.confined import DISK_FULL
from ldrps_daemon.workers.process import environment
from ldrps_daemon.workers.sandbox import ONE_THREAD
from ldrps_engine.errors import InternalError, OutputError
from ldrps_wire.system import HAS_OWNERS, KILLED, exit_status

_POLL_SECONDS = 0.05
TOO_LONG = KILLED
"""Exit status of a process that was killed because its time was up."""
SCARCE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN)
"""Errors for what the machine has too little of for the moment, whatever is asked of it."""


_NAMES = {"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ"}
if not HAS_OWNERS:
    # Without which no program starts on Windows.
    _NAMES |= {"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "USERPROFILE"}
_BEGINNINGS = ("LC_", "MALLOC_", "PYTHON")


class UnableError(Exception):
    """Lack of something on the machine that any photo needs; says what."""


def run(
    module: str,
    given: Mapping[str, object],
    streams: tuple[BinaryIO, BinaryIO],
    check: Callable[[], None],
    *,
    seconds: float,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run a process with standard input and output; returns its exit status, negative for a signal.

    `check` is called now and then, and ends it by raising. UnableError if none can be started.
    """
    options = [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, "-P", "-m", module, f"--parent={os.getpid()}", *options]
    process = _started(command, streams, pass_fds)
    deadline = time.monotonic() + seconds
    try:
        while process.poll() is None:
            check()
            if time.monotonic() > deadline:
                return TOO_LONG
            time.sleep(_POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return exit_status(process.returncode)


def _started(
    command: Sequence[str], streams: tuple[BinaryIO, BinaryIO], pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=streams[0],
            stdout=streams[1],
            env=_harmless_environment() | ONE_THREAD,
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise UnableError(f"no process can be started ({error.strerror})") from error


def _harmless_environment() -> dict[str, str]:
    """Return the environment of a process that a photo may take over: it holds no token.

    It can reach nothing, but what it returns goes to the client.
    """
    return {
        name: value
        for name, value in environment().items()
        if name in _NAMES or name.startswith(_BEGINNINGS)
    }


def check_status(what: str, status: int) -> None:
    """Raise unless a process ended in order or by a signal: it refuses photos in words."""
    if status == DISK_FULL:
        raise OutputError("the daemon's disk is full; make room on it and hand the photo in again")
    if status > 0:
        # Says something about the installation, and nothing about the photo.
        raise InternalError(f"the {what} could not be run; the daemon's log says why")
