"""A real darktable with a daemon behind it, for each version that can be had."""

import os
from pathlib import Path

import pytest

from darktable.app import Darktable, is_installed
from scripts.darktable_root import find_root
from support.daemon import running_daemon

VARIABLE = "LDRPS_DARKTABLE"
"""Versions to test in, comma-separated: `system`, or suites. Unset: the one of this system."""
SECONDS = 600
"""A darktable takes minutes to start for the first time on a machine that has other work."""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session", params=os.environ.get(VARIABLE, "system").split(","))
def suite(request):
    found = is_installed() if request.param == "system" else find_root(request.param)
    if not found:
        pytest.skip(f"no darktable of {request.param} to test with; see 'make test-darktable'")
    return request.param


@pytest.fixture(scope="session")
def daemon_of_darktable():
    with running_daemon() as running:
        yield running


@pytest.fixture
def slow_daemon(start_daemon):
    """A daemon whose jobs last until they are cancelled."""
    return start_daemon(engine="gimp.slow_engine")


@pytest.fixture(scope="session")
def app(suite, daemon_of_darktable):
    made = Darktable(suite, daemon_of_darktable.address)
    try:
        yield made.start()
    finally:
        made.close()
