"""In a real GIMP: however a restoration ends, the image is as it was, or whole."""

import contextlib
import os
import random
import signal
import time

import pytest

from gimp.jobs import PATIENCE, newest, running_job
from support.daemon import wait_until

PLUG_IN = "plug-ins/ldrps/ldrps.py"
START = """
image, layer = new_image(200, 150)
keep["image"], keep["wanted"] = image, inverted(pixels(layer), layer)
answer = state(image)
"""
STATE = "answer = state(keep['image'])"
IS_WHOLE = "answer = keep['wanted'] in [pixels(each) for each in keep['image'].get_layers()]"


@pytest.fixture
def daemon(gimp, shared_daemon, make_daemon):
    """A daemon that may be killed. The shared one has the address; it makes room meanwhile."""
    shared_daemon.stop()
    made = make_daemon(gimp)
    yield made
    made.stop()
    shared_daemon.__init__(shared_daemon.folder, address=shared_daemon.address)


def begin(gimp, **settings):
    """Start a restoration; returns the image's state before it."""
    # The last one's process may still be on its way out after its answer.
    assert wait_until(lambda: not gimp.processes(PLUG_IN), PATIENCE)
    before = gimp.do(START)
    words = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    gimp.send(
        "image = keep['image']\n"
        f"answer = call('ldrps-restore', image, image.get_layers(), {words})[0]"
    )
    return before


def plug_in(gimp):
    """The restoring process of a GIMP; None if it has answered before it was seen."""
    found = []
    assert wait_until(lambda: found or found.extend(gimp.processes(PLUG_IN)) or gimp.has_answered())
    return found[0] if found else None


@pytest.mark.parametrize("output", ["new-layer", "stages", "replace", "new-image"])
def test_the_plug_in_is_killed_while_the_daemon_works(gimp, daemon, output):
    before = begin(gimp, description="forever", output=output)
    running_job(daemon)
    os.kill(plug_in(gimp), signal.SIGKILL)
    assert gimp.receive() != "success"
    assert gimp.do(STATE) == before
    assert wait_until(lambda: newest(daemon).state == 5), "a lost watcher cancels the job"
    assert daemon.restores()


def seconds_of(gimp, **settings):
    """Measure a whole restoration in seconds."""
    begin(gimp, **settings)
    started = time.monotonic()
    assert gimp.receive() == "success"
    return time.monotonic() - started


@pytest.mark.parametrize("output", ["new-layer", "replace"])
def test_the_plug_in_is_killed_at_any_moment(gimp, daemon, output):
    settings = {"steps": 30, "output": output}
    # The first one also waits for a worker's start.
    usual = min(seconds_of(gimp, **settings) for _ in range(2))
    chance = random.Random(output)
    moments = [0.0, *(usual * (part + chance.random()) / 7 for part in range(9))]
    ends = []
    for moment in moments:
        before = begin(gimp, **settings)
        victim = plug_in(gimp)
        time.sleep(moment)
        if victim:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        ends.append(gimp.receive())
        if ends[-1] == "success" or gimp.do(STATE) != before:
            # It may be killed between the result's arrival and GIMP's being told of the success.
            assert gimp.do(IS_WHOLE)
    assert set(ends) != {"success"}, "no moment was before the end"


def test_the_daemon_is_killed(gimp, daemon):
    before = begin(gimp, description="forever")
    running_job(daemon)
    daemon.stop(signal.SIGKILL)
    assert gimp.receive() == "execution-error"
    assert gimp.do(STATE) == before


def test_the_worker_is_killed_again_and_again(gimp, daemon):
    before = begin(gimp, description="forever")
    worker = None
    for _ in range(2):
        worker = running_job(daemon, but=worker)
        os.kill(worker, signal.SIGKILL)
    assert gimp.receive() == "execution-error"
    assert gimp.do(STATE) == before
    assert daemon.restores()


def test_the_worker_is_killed_once_and_nobody_notices(gimp, daemon):
    before = begin(gimp, description="linger")
    worker = running_job(daemon)
    assert wait_until(lambda: list(daemon.spool.glob("*/*/checkpoint")), PATIENCE)
    os.kill(worker, signal.SIGKILL)
    assert gimp.receive() == "success"
    assert len(gimp.do(STATE)[0]) == len(before[0]) + 1


def test_the_job_is_cancelled_from_elsewhere(gimp, daemon):
    before = begin(gimp, description="forever")
    running_job(daemon)
    daemon.cancel(newest(daemon).job_id)
    assert gimp.receive() == "cancel"
    assert gimp.do(STATE) == before


@pytest.mark.parametrize("word", ["die", "raise", "refuse", "memory"])
def test_the_engine_fails(gimp, daemon, word):
    found = gimp.do(f"""
image, layer = new_image()
before = state(image)
answer = [refusal([layer], description={word!r}), state(image) == before]
image.delete()
""")
    (status, sentence), same = found
    assert status == "execution-error"
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    assert same


def test_no_daemon_and_none_to_start(gimp, daemon):
    daemon.stop()
    status, sentence = gimp.do("""
image, layer = new_image()
answer = refusal([layer])
image.delete()
""")
    assert status == "execution-error"
    assert "ldrps serve" in sentence


MEANWHILE = """
import glob, sys
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.restoration import Restoration

class Meddling:
    def __init__(self):
        self.over = False
    def stage(self, text):
        pass
    def fraction(self, done):
        pass
    def event(self, kind, event):
        if kind == "step" and not self.over:
            self.over = True
            {change}

image, layer = new_image(200, 150)
other = add_layer(image, 20, 20, name="other")
wanted, daemon = inverted(pixels(layer), layer), Daemon(default_endpoint())
try:
    choices = Choices(output={output!r}, generated={generated})
    made = Restoration(layer, choices, daemon, Meddling()).run().layer
    answer = [pixels(made) == wanted, list(made.get_offsets())[1:]]
    if {output!r} == NEW_IMAGE:
        made.get_image().delete()
except RestoreError as error:
    answer = [error.reason, str(error)]
finally:
    daemon.close()
layers = image.get_layers() if image.is_valid() else []
answer.append([each.get_name() for each in layers])
if image.is_valid():
    image.delete()
"""
CHANGES = {
    "layer.resize(50, 50, 0, 0)": "size changed",
    "image.remove_layer(layer)": "deleted",
    "image.delete()": "closed",
    "image.convert_precision(Gimp.Precision.FLOAT_LINEAR)": "converted",
    "image.convert_grayscale()": "converted",
    "image.convert_color_profile(Gimp.ColorProfile.new_rgb_adobe(), 0, False)": "converted",
    "layer.add_alpha()": "converted",
}


@pytest.mark.parametrize("generated", [False, True])
@pytest.mark.parametrize("output", ["new-layer", "stages", "replace", "new-image"])
def test_what_the_user_does_to_the_layer_meanwhile_is_reported(served, output, generated):
    """GIMP would end a process that writes to what is no more."""
    for change, words in CHANGES.items():
        reported = served.do(MEANWHILE.format(change=change, output=output, generated=generated))
        if output == "new-image":
            assert reported[:2] == [True, [0, 0]], (change, reported)
            continue
        assert reported[0] == "photo", (change, reported)
        assert words in reported[1], (change, reported)
        assert not {"photo (restored: noise 3)", "photo (generated)"} & set(reported[2]), (
            change,
            reported,
        )


@pytest.mark.parametrize("maps", [[], ["photo (generated)"]])
def test_a_layer_that_is_moved_meanwhile_gets_the_result_where_it_is(served, maps):
    change, generated = "layer.set_offsets(5, 7)", bool(maps)
    reported = served.do(MEANWHILE.format(change=change, output="new-layer", generated=generated))
    assert reported == [True, [5, 7], ["other", *maps, "photo (restored: noise 3)", "photo"]]
