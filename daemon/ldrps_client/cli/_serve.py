"""`ldrps serve`: the daemon in this terminal."""

from __future__ import annotations

import os
import runpy
import sys
from typing import NoReturn

from ldrps_wire.system import PASSES_DESCRIPTORS


def serve(arguments: list[str]) -> NoReturn:
    """Become the daemon: it is not ours to import, and signals should reach it directly."""
    if PASSES_DESCRIPTORS:
        os.execv(sys.executable, [sys.executable, "-m", "ldrps_daemon", *arguments])
    # Windows starts another process instead, which the terminal would not wait for.
    sys.argv = ["ldrps serve", *arguments]
    runpy.run_module("ldrps_daemon", run_name="__main__", alter_sys=True)
    sys.exit(0)
