"""Time for expiry: it goes on while the machine sleeps, and never jumps when a clock is set.

The wall's time, `time.time()`, is for people to read and for what must outlive a reboot.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now() -> float:
    """Return the seconds since the machine's start; comparable between processes of one `boot`."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@cache
def boot() -> str:
    """Name the current boot of the machine; empty on systems that do not identify it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def is_of_this_boot(name: str) -> bool:
    """Tell whether times noted during the boot `name` can be compared with `now`."""
    return bool(name) and name == boot()
