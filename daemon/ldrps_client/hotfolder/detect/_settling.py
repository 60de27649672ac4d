"""Settling, so that nothing is taken too early: a file must be closed and still for a while."""

from __future__ import annotations

import heapq
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldrps_client.hotfolder.store._entry import Identity
from ldrps_wire.system import WITHOUT_WAITING, is_leased_to_a_writer


@dataclass(slots=True)
class _Pending:
    identity: Identity | None
    since: float


class Settler:
    """Files that have appeared or changed, until they are still. Only uses a monotonic clock."""

    def __init__(self, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the `period` in seconds."""
        self._period = period
        self._clock = clock
        self._pending: dict[Path, _Pending] = {}
        self._due: list[tuple[float, Path]] = []

    def __len__(self) -> int:
        return len(self._pending)

    def note(self, path: Path) -> None:
        """Note that something happened to a file; it is checked when it may have settled."""
        if path not in self._pending:
            now = self._clock()
            self._pending[path] = _Pending(identity_of(path), now)
            heapq.heappush(self._due, (now + self._period, path))

    def next_due(self) -> float | None:
        """Return the time, by the clock, of the next check; None: nothing is pending."""
        return self._due[0][0] if self._due else None

    def settled(self) -> Iterator[Path]:
        """Return the files that are still and closed now; they are no longer pending."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, path = heapq.heappop(self._due)
            if self._is_settled(path, self._pending[path], now):
                del self._pending[path]
                yield path

    def _is_settled(self, path: Path, pending: _Pending, now: float) -> bool:
        identity = identity_of(path)
        if identity is None:
            # Gone, or not to be seen just now: a scan finds it when it is back.
            del self._pending[path]
            return False
        if identity == pending.identity and not is_being_written(path):
            return True
        pending.identity, pending.since = identity, now
        heapq.heappush(self._due, (now + self._period, path))
        return False


def identity_of(path: Path) -> Identity | None:
    """Return the size and times of a regular file; None if there is none.

    It is opened rather than looked up, because network file systems only then ask the server.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | WITHOUT_WAITING)
    except FileNotFoundError:
        return None
    except OSError:
        return _looked_up(path)
    try:
        return _regular(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _looked_up(path: Path) -> Identity | None:
    """Return those of a file that may not be opened: it will be listed as failed."""
    try:
        return _regular(os.stat(path))
    except OSError:
        return None


def _regular(status: os.stat_result) -> Identity | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return Identity(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_being_written(path: Path) -> bool:
    """Tell whether the file is open for writing; False where that cannot be asked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | WITHOUT_WAITING)
    except OSError:
        return False
    try:
        return is_leased_to_a_writer(descriptor)
    finally:
        os.close(descriptor)


def ignore_lease_breaks() -> None:
    """Ignore the SIGIO that the kernel sends if a file is opened during the instant of our lease.

    It would end the process. To be called in the main thread.
    """
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)
