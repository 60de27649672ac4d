"""Restart of the daemon's process in its own place, where gRPC has given up.

A call whose method is no UTF-8 ends the loop in which grpc.aio takes calls, for good, and before
anybody could ask who calls. What follows in gRPC reads memory that it has freed already. So not
one step further is taken: the process becomes the same command once more, as after a crash, but
keeps its id and its socket, at which clients wait meanwhile. Where a process cannot become another
one that easily, it ends, and the next client that needs it starts it, as after a crash too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldrps_daemon import systemd
from ldrps_daemon.systemd import Listener
from ldrps_engine.errors import InternalError
from ldrps_wire.system import CONFINES

log = logging.getLogger("ldrps.server")
_GRPC = "grpc._cython.cygrpc"


@contextmanager
def restarted_when_broken(listener: Listener | None) -> Iterator[None]:
    """Restart this process if gRPC gives up while the block runs."""
    alarm, logger = _Alarm(listener), logging.getLogger(_GRPC)
    logger.addHandler(alarm)
    try:
        yield
    finally:
        logger.removeHandler(alarm)


class _Alarm(logging.Handler):
    """Hears gRPC report the end of its loop, the one sign before its next step."""

    def __init__(self, listener: Listener | None) -> None:
        super().__init__()
        self._listener = listener

    def emit(self, record: logging.LogRecord) -> None:
        """Restart where gRPC logs the error itself in the place of a message."""
        if isinstance(record.msg, BaseException):
            kind = type(record.msg).__name__
            if not CONFINES:
                log.error("gRPC gave up at a call (%s); start the daemon again, jobs go on", kind)
                os._exit(InternalError.exit_code)
            log.warning("gRPC gave up at a call (%s); the daemon restarts itself", kind)
            _restart(self._listener)


def _restart(listener: Listener | None) -> None:
    _end_workers()
    for name in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            os.set_inheritable(int(name.name), int(name.name) <= 2)
    if listener:
        systemd.hand_on(listener)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _end_workers() -> None:
    """Kill the children and wait for them, as they would be left as zombies otherwise."""
    for file in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, file.read_text().split()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
