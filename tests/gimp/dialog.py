"""Dialog over a photo in a real window: what its tests have in common beside their fixtures."""

import contextlib
import os
import signal

import pytest

from gimp.window import SECONDS
from support.daemon import wait_until

CLOSE = "keep['display'].delete()"
SETTINGS = """
import json
kept = [each.get_parasite("ldrps-provenance") for each in keep["image"].get_layers()[:-1]]
answer = [json.loads(bytes(each.get_data()))["settings"] for each in kept]
"""


slowly = pytest.mark.parametrize("daemon", ["gimp.slow_engine"], indirect=True)


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
