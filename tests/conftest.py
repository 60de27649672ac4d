"""Fixtures that tests of every room may use, and what a run in parallel needs to know."""

import os

import pytest

# Before torch is imported, here and in every process that a test starts: workers beside each other
# share the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from support import parallel, plugin

if os.name == "posix":  # elsewhere tests/portable alone is run, which starts its own daemons
    from support.daemon import daemon, start_daemon

    __all__ = ["daemon", "start_daemon"]

plugin.load()


def pytest_collection_modifyitems(items):
    """Let the slowest begin first."""
    parallel.arrange(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Say which tests share a process."""
    return parallel.scheduler(config, log) if config.getvalue("dist") == "loadscope" else None
