"""Time for what expires: it goes on in a suspended machine and no clock that is set makes it jump.

The wall's time, `time.time()`, is for people to read and for what must outlive a reboot.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now() -> float:
    """Seconds since the machine was started; comparable between processes of one `boot`."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@cache
def boot() -> str:
    """Name of the time since the machine was last started; empty where systems do not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def is_of_this_boot(name: str) -> bool:
    """Whether times that were noted in that boot can be compared with `now`."""
    return bool(name) and name == boot()
