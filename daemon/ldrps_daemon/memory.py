"""Memory that a crowd of calls took at its height, given back to the system.

glibc keeps what was freed for allocations to come, in each thread's arena, for as long as the
process lives: ten thousand broken connections leave a front 30 MiB larger that holds nothing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from ldrps_daemon.workers.process import resident_bytes

# Growth since the last time for which it is worth a look into all arenas, some milliseconds.
_GROWTH_BYTES = 4 << 20


class MemoryTrimmer:
    """Watches this process's memory; `give_back` is called now and then."""

    def __init__(self) -> None:
        self._trim = _malloc_trim()
        self._kept = 0

    def give_back(self) -> None:
        """Return unused memory to the system if there has been growth; not in the event loop."""
        if self._trim and resident_bytes(os.getpid()) > self._kept + _GROWTH_BYTES:
            self._trim(0)
            self._kept = resident_bytes(os.getpid())


def _malloc_trim() -> Callable[[int], int] | None:
    """Find glibc's function; other C libraries have none, and need none as much."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim
