"""Processes on other systems: on Linux a stand-in takes their place (standin.py), there none is
needed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SYSTEMS = ["windows", "macos"] if sys.platform == "linux" else [sys.platform]
_PATHS = [Path(__file__).parent, *(ROOT / name for name in ("tests", ".", "proto", "daemon"))]


def environment(system, home):
    """Return the environment of a process on a system, whose user lives in `home`."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("LDRPS_", "XDG_"))}
    paths = {"PYTHONPATH": os.pathsep.join(str(path.resolve()) for path in _PATHS)}
    if sys.platform == "linux":
        return kept | paths | {"PYTHON_STANDS_FOR": system, "HOME": str(home)}
    # The true home alone is closed to others there; no test leaves anything in it.
    return kept | paths | {"XDG_STATE_HOME": str(home)}


def run(system, home, code, *arguments, **variables):
    """Run Python code there to its end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(system, home) | variables,
    )
