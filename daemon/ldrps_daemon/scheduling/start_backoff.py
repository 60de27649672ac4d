"""Pause before a device is tried again on which no worker could be started.

What keeps a process from starting, too few descriptors or too little memory, is the machine's
affair and passes; it is no job's fault, so jobs wait.
"""

from __future__ import annotations

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
# Seconds within which any start is taken for a usual one.
_USUAL_SECONDS = 10.0


class StartBackoff:
    """Failures in a row on one device."""

    def __init__(self, start_seconds: float, most_seconds: float) -> None:
        """Take the seconds a start may take; each that hung doubles them, up to `most_seconds`."""
        self.trouble = ""
        """Reason why there is no worker now; empty: nothing is known against one."""
        self.failures = 0
        self._usual = _USUAL_SECONDS
        self._limit = min(start_seconds, most_seconds)
        self._most = max(start_seconds, most_seconds)

    def failed(self, why: str) -> None:
        """Note that no worker could do anything."""
        self.failures += 1
        self.trouble = why

    def started(self, seconds: float) -> None:
        """Note that there is a worker again; it has yet to show that it can work."""
        self.trouble = ""
        self._usual = max(self._usual, 2 * seconds)

    def worked(self) -> None:
        """Note that a worker has done a job."""
        self.trouble, self.failures = "", 0

    def hung(self) -> None:
        """Note that a start took too long; this machine may be slow."""
        self._limit = min(2 * self._limit, self._most)

    def is_suspect(self, seconds: float) -> bool:
        """Tell whether a start that has taken so long is likely to hang."""
        return seconds > self._usual

    def suspected(self) -> None:
        """Note that such a start was ended; if it was slow only, the next one has more time."""
        self._usual *= 2

    def start_seconds(self) -> float:
        """Return the seconds the next start may take."""
        return self._limit

    def pause(self) -> float:
        """Return the seconds to wait before the next try."""
        return min(_FIRST_PAUSE * 2.0 ** min(max(0, self.failures - 1), 32), _LONGEST_PAUSE)
