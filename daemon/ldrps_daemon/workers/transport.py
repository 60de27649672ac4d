"""The line between the front and one worker, wherever that worker runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ldrps_daemon.workers.pipe import Report


class Transport(Protocol):
    """Bytes to a worker; its reports come to the `OnReport` that it was launched with.

    Everything is called in the front's event loop, and nothing but `kill` may wait there.
    """

    @property
    def pid(self) -> int:
        """Process id where the worker runs; 0 while not known."""

    def send_bytes(self, data: bytes, /) -> None:
        """Send one message without waiting; OSError if the worker is known to be gone."""

    def end(self) -> None:
        """End the worker at once; its end is reported as None."""

    async def kill(self) -> int:
        """End the worker at once and return its exit code when it is gone."""

    def memory_bytes(self) -> int:
        """Return the resident set of the worker in bytes; 0: not known. Called from any thread."""


OnReport = Callable[[Transport, Report | None], None]
"""Receiver of all messages of a worker, in its order, and at last None: it is gone."""
Options = Mapping[str, object]
"""Command line of `worker.py`, without what the transport itself adds."""
Launch = Callable[[Options, OnReport], Transport]
"""Function that starts a worker; OSError if there is no room for one."""
