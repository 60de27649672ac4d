"""How long a device is left alone after no worker could be started on it.

What keeps a process from starting, too few descriptors or too little memory, is the machine's
affair and passes; it is no job's fault, so jobs wait.
"""

from __future__ import annotations

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0


class StartBackoff:
    """One device's failures in a row."""

    def __init__(self, start_seconds: float, most_seconds: float) -> None:
        """`start_seconds`: what a start may take; doubled after each that hung, up to the other."""
        self.trouble = ""
        """Why there is no worker now; empty: nothing is known against one."""
        self.failures = 0
        self._limit = min(start_seconds, most_seconds)
        self._most = max(start_seconds, most_seconds)

    def failed(self, why: str) -> None:
        """No worker could do anything."""
        self.failures += 1
        self.trouble = why

    def started(self) -> None:
        """There is a worker again; it has yet to show that it can work."""
        self.trouble = ""

    def worked(self) -> None:
        """A worker has done a job."""
        self.trouble, self.failures = "", 0

    def hung(self) -> None:
        """A start took too long; it may be this machine that is slow."""
        self._limit = min(2 * self._limit, self._most)

    def start_seconds(self) -> float:
        """What the next start may take."""
        return self._limit

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        return min(_FIRST_PAUSE * 2.0 ** min(max(0, self.failures - 1), 32), _LONGEST_PAUSE)
