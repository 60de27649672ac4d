"""A real GIMP for each version whose root can be made; the daemon's socket is where it looks."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from gimp.choice import VARIABLE
from gimp.gimp_app import GimpApp
from scripts.gimp_root import SUITES, find_root
from support.daemon import Daemon

SECONDS = 600
"""A GIMP takes minutes to start for the first time on a machine that has other work."""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(SECONDS))


def suites():
    return os.environ.get(VARIABLE, SUITES[0]).split(",")


@pytest.fixture(scope="session", params=suites())
def suite(request):
    if not find_root(request.param):
        pytest.skip(f"no GIMP of {request.param} to test with; 'make test-gimp' makes one as root")
    return request.param


@pytest.fixture(scope="session")
def gimp(suite):
    """A GIMP without a window, kept for all tests of a version."""
    made = GimpApp(suite)
    yield made
    made.close()


@pytest.fixture(scope="session")
def make_daemon():
    """Starts daemons with the no-op engine where a GIMP looks for its user's own."""
    folders = []

    def start(app, **options):
        folders.append(Path(tempfile.mkdtemp(prefix="ldrps-")))
        address = f"unix:{app.shared}/run/ldrps/ldrps.sock"
        return Daemon(folders[-1], address=address, **options)

    yield start
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_daemon(gimp, make_daemon):
    made = make_daemon(gimp)
    yield made
    made.stop()


@pytest.fixture
def served(gimp, shared_daemon):
    """A GIMP whose daemon answers."""
    assert shared_daemon.process.poll() is None
    return gimp
