"""Fixtures that tests of every room may use, and what a run in parallel needs to know."""

import os

import pytest

# Before torch is imported, here and in every process that a test starts: workers beside each other
# share the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from support import parallel, plugin

if os.name == "posix":  # elsewhere there are no daemons, and tests/portable alone is run
    from support.daemon import daemon, start_daemon

    __all__ = ["daemon", "start_daemon"]

plugin.load()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Say what belongs to one worker (`--dist loadgroup`), before xdist reads it."""
    parallel.arrange(items)
