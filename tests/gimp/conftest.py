"""A real GIMP for each version whose root can be made; the daemon's socket is where it looks."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from gimp.choice import VARIABLE
from gimp.dialog import end
from gimp.gimp_app import GimpApp
from gimp.jobs import DONE, newest
from gimp.window import SECONDS as PATIENCE
from gimp.window import Window
from scripts.gimp_root import SUITES, find_root
from support.daemon import Daemon, wait_until

SECONDS = 600
"""A GIMP takes minutes to start for the first time on a machine that has other work."""
# Of a process that is gone, and of the tests' own: they ask for names while a preview goes away.
COMPLAINTS = {"ldrps-restore-dialog", "gimp-item-get-name"}


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


@pytest.fixture(scope="module")
def window(suite):
    if VARIABLE not in os.environ or not find_root(suite, window=True):
        pytest.skip("'make test-gimp' tests in a real window, as root")
    made = Window(suite)
    yield made
    made.app.close()


@pytest.fixture
def nothing_is_complained_of(window):
    """GIMP says of a process that was killed that it is gone, and must have nothing else to say."""
    before = len(window.app.log())
    yield
    said = window.app.log()[before:]
    assert not set(re.findall("Calling error for procedure '(.+)'", said)) - COMPLAINTS, said
    assert "inconsistent state" not in said, said


@pytest.fixture
def daemon(window, make_daemon, request):
    """The daemon of the window's GIMP. Its engine is slow where a test asks for that."""
    engine = getattr(request, "param", "support.noop_engine")
    made = make_daemon(window.app, engine=engine)
    yield made
    made.stop()


@pytest.fixture
def opened(window, daemon, request):
    """A photo in GIMP, the dialog over it, and the daemon asked already."""
    window.open()
    window.choose()
    assert wait_until(lambda: newest(daemon).state == DONE, PATIENCE), "the photo was not looked at"
    time.sleep(0.5)
    yield window
    window.shot(f"end-of-{request.node.name}")
    end(window)
