"""In a real GIMP: what is said of the time left is about right, whatever was restored before."""

import re

import pytest

RUN = """
import glob, sys, time
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.progress import stage_text
from ldrps_gimp.restoration import Restoration

class Clock:
    def __init__(self):
        self.reported = []
    def stage(self, text):
        pass
    def fraction(self, done):
        pass
    def event(self, kind, event):
        if kind == "step":
            self.reported.append([time.monotonic(), stage_text(kind, event)])

image, layer = new_image(300, 200)
daemon = Daemon(default_endpoint())
# Photos in which nothing is wrong are done at once.
for _ in range(4):
    assert not Restoration(layer, Choices(description="same"), daemon, Clock()).run().changed
answer = []
for _ in range(2):
    clock = Clock()
    made = Restoration(layer, Choices(output="new-image"), daemon, clock).run().layer.get_image()
    ended = time.monotonic()
    made.delete()
    answer.append([[ended - at, text] for at, text in clock.reported])
daemon.close()
image.delete()
"""
LEFT = re.compile(r"about (\d+) (s|min) left")
NEWS = 2.0
"""Seconds from which on they should be reported; GIMP's own part comes on top of the daemon's."""


@pytest.fixture(scope="module")
def daemon(gimp, shared_daemon, make_daemon):
    """A photo that needs nothing takes no time there, and any other one takes six seconds."""
    shared_daemon.stop()
    made = make_daemon(gimp, engine="gimp.quick_end_engine")
    yield made
    made.stop()
    shared_daemon.__init__(shared_daemon.folder, address=shared_daemon.address)


def test_photos_that_needed_nothing_teach_nothing_about_those_that_do(gimp, daemon):
    first, second = gimp.do(RUN)
    # Of the first one of its kind, only its own steps are known.
    for reported in (first[2:], second):
        early = [(left, text) for left, text in reported if left > NEWS]
        assert len(early) > 10
        for left, text in early:
            found = LEFT.search(text)
            assert found, (left, text)
            assert found[2] == "s", (left, text)
            assert left / 3 < int(found[1]) < 3 * left, (left, text)
