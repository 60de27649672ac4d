"""Folders that results cannot be written to: found before any work, and waited for."""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ldrps_client.files import check_folder
from ldrps_client.hotfolder.work._retry import GIVE_UP, Backoff
from ldrps_engine.errors import OutputError


def place_trouble(target: Path, inside: str, room: int = 0) -> OutputError | None:
    """Return the error that a result of `room` bytes would meet in a folder inside `target`.

    None if it could be written. Nothing is made: a folder that is not there yet is tested where
    it would be.
    """
    folder = target / inside
    while folder != target and not os.path.lexists(folder):
        folder = folder.parent
    try:
        if not os.path.isdir(folder):
            raise OutputError(
                f"{folder} is not a folder, so no result can be written to it; move it away"
            ) from OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        check_folder(folder, room)
    except OutputError as error:
        return error
    return None


@dataclass
class _Wait:
    error: OutputError
    until: float
    backoff: Backoff = field(default_factory=Backoff)


class Blocked:
    """Folders or photos that wait because results cannot be written there; others go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[bytes, _Wait] = {}

    def add(self, name: bytes, error: OutputError) -> float:
        """Add one that waits, each time longer; returns the seconds."""
        with self._lock:
            wait = self._waits.setdefault(name, _Wait(error, 0.0))
            now = time.monotonic()
            if wait.until <= now:
                # Two threads at one folder are one failure.
                wait.until = now + wait.backoff.next()
            wait.error = error
            return wait.until - now

    def remove(self, name: bytes) -> None:
        """Remove one: a result can be written there."""
        with self._lock:
            self._waits.pop(name, None)

    def names(self) -> list[bytes]:
        """Return all that are waited for."""
        with self._lock:
            return list(self._waits)

    def held(self) -> dict[bytes, float]:
        """Return all not to be tried yet, each with its time by the monotonic clock."""
        now = time.monotonic()
        with self._lock:
            return {name: wait.until for name, wait in self._waits.items() if wait.until > now}

    def given_up(self) -> OutputError | None:
        """Return the error for which a single run gives up: each was waited for long enough."""
        with self._lock:
            waits = list(self._waits.values())
        is_long = waits and all(wait.backoff.failures >= GIVE_UP for wait in waits)
        return waits[0].error if is_long else None
