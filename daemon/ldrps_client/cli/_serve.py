"""`ldrps serve`: the daemon in this terminal."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def serve(arguments: list[str]) -> NoReturn:
    """Become the daemon: it is not ours to import, and signals should reach it directly."""
    os.execv(sys.executable, [sys.executable, "-m", "ldrps_daemon", *arguments])
