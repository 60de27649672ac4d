"""Dialog over a photo in a real window, for tests of the dialog and of places in its picture."""

import contextlib
import os
import re
import signal
import time

import pytest

from gimp.choice import VARIABLE
from gimp.test_endings import newest
from gimp.window import SECONDS, Window
from ldrps.v1 import restoration_pb2 as pb
from scripts.gimp_root import find_root
from support.daemon import wait_until

CLOSE = "keep['display'].delete()"
# Of a process that is gone, and of the tests' own: they ask for names while a preview goes away.
COMPLAINTS = {"ldrps-restore-dialog", "gimp-item-get-name"}
SETTINGS = """
import json
kept = [each.get_parasite("ldrps-provenance") for each in keep["image"].get_layers()[:-1]]
answer = [json.loads(bytes(each.get_data()))["settings"] for each in kept]
"""
RUNNING, DONE, CANCELLED = pb.JOB_STATE_RUNNING, pb.JOB_STATE_DONE, pb.JOB_STATE_CANCELLED


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
    """Its engine is slow where a test asks for that."""
    engine = getattr(request, "param", "support.noop_engine")
    made = make_daemon(window.app, engine=engine)
    yield made
    made.stop()


slowly = pytest.mark.parametrize("daemon", ["gimp.slow_engine"], indirect=True)


@pytest.fixture
def opened(window, daemon, request):
    """A photo in GIMP, the dialog over it, and the daemon asked already."""
    window.open()
    window.choose()
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS), "the photo was not looked at"
    time.sleep(0.5)
    yield window
    window.shot(f"end-of-{request.node.name}")
    end(window)


def end(window):
    """No dialog, and no image."""
    for pid in window.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    window.key("Escape")
    window.do(CLOSE)


def restore(opened):
    """From the press of the button to the result."""
    opened.press("Return", until=lambda: not opened.has_dialog())
    # GIMP takes no next one before the processes have gone.
    assert wait_until(lambda: not opened.processes(), SECONDS)
