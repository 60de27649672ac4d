"""Fixtures that tests of every room may use, and what a run in parallel needs to know."""

import os
from pathlib import Path

import pytest

# Before torch and numba are imported, here and in every process that a test starts: workers beside
# each other share the cores already, and compiled kernels are for all of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / ".numba_cache"))

from support import plugin

if os.name == "posix":  # elsewhere there are no daemons, and tests/portable alone is run
    from support.daemon import daemon, start_daemon

    __all__ = ["daemon", "start_daemon"]

TESTS = Path(__file__).parent
TOGETHER = {
    "gimp": "one GIMP, which listens at one place for all tests of a version",
    "installed": "one wheel, built once",
    "chaos": "measures how long answers take",
}
"""Folders whose tests run in one worker, one after the other. Elsewhere a file is such a group, so
that its fixtures are made once."""
APART = ("hotfolder/test_kills.py",)
"""Files whose tests take a minute each and share nothing: any worker takes any of them."""
FIRST = ("installed", "gimp", "training", "chaos", "engine", "hotfolder", "e2e")
"""What takes longest begins first, so that at the end no worker waits long for the others."""

plugin.load()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Say what belongs to one worker (`--dist loadgroup`), before xdist reads it."""
    ours = [item for item in items if TESTS in item.path.parents]
    for item in ours:
        name = item.path.relative_to(TESTS).as_posix()
        folder = name.partition("/")[0]
        if name not in APART:
            item.add_marker(pytest.mark.xdist_group(folder if folder in TOGETHER else name))
    items.sort(key=_rank)


def _rank(item):
    if TESTS not in item.path.parents:
        return len(FIRST) + 1
    name = item.path.relative_to(TESTS).as_posix()
    folder = name.partition("/")[0]
    if name in APART:
        return 0
    return FIRST.index(folder) + 1 if folder in FIRST else len(FIRST) + 1
