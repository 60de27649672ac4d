"""In a real GIMP with a real window: the dialog, the preview, one step of undo, every way out."""

import contextlib
import os
import re
import signal
import time

import pytest

from gimp.choice import VARIABLE
from gimp.test_endings import jobs, newest, running_job
from gimp.window import BATCH, OPEN, SECONDS, Window
from ldrps.v1 import restoration_pb2 as pb
from scripts.gimp_root import find_root
from support.daemon import wait_until

PREVIEW = "Preview of what is coming"
CLOSE = "keep['display'].delete()"
SELECT = """
image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 60, 90, 70)
Gimp.Selection.feather(image, 9)
answer = state(image)
"""
# Of a process that is gone, and of the tests' own: they ask for names while a preview goes away.
COMPLAINTS = {"ldrps-restore-dialog", "gimp-item-get-name"}
REPLACE = "restore(keep['image'].get_layers()[0], output='replace')"
AGAIN = """
image = keep["image"]
answer = call("ldrps-restore-again", image, image.get_layers()[:1], "INTERACTIVE")[0]
"""
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


@pytest.fixture(autouse=True)
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


def begin(opened, daemon):
    """Start, and wait for the preview on the canvas."""
    opened.press("Return", until=lambda: newest(daemon).state == RUNNING)
    running_job(daemon)
    assert wait_until(lambda: PREVIEW in opened.layers(), SECONDS), "no preview came"


def test_from_the_menu_to_the_result_and_one_step_back(opened, daemon):
    opened.shot("dialog")
    restore(opened)
    assert opened.layers() == ["photo (restored: noise 3)", "photo"]
    opened.shot("result")
    opened.key("ctrl+z", until=lambda: opened.layers() == ["photo"])
    assert opened.state()[0] == opened.before[0]
    opened.key("ctrl+y", until=lambda: len(opened.layers()) == 2)


def test_replaced_pixels_and_the_selection_come_back_in_one_step(window, daemon):
    window.open(OPEN + SELECT)
    window.do(REPLACE)
    after = window.state()
    assert after[0] != window.before[0]
    assert after[1:3] == window.before[1:3], "channels and selection stay"
    window.key("ctrl+z", until=lambda: window.state()[:3] == window.before[:3])
    window.key("ctrl+y", until=lambda: window.state()[:3] == after[:3])
    end(window)


@slowly
def test_cancel_leaves_nothing_and_the_dialog_open(opened, daemon):
    begin(opened, daemon)
    opened.shot("running")
    assert opened.state()[4] == opened.before[4], "the preview made the image unsaved"
    for visible in (False, True):
        opened.press("alt+b")
        assert wait_until(lambda v=visible: opened.state()[0][0][4] is v), "before and after"
    opened.press("alt+c")
    # As a cancel, and not because nobody watches any more.
    assert wait_until(lambda: newest(daemon).state == CANCELLED, SECONDS)
    assert opened.is_as_before(), (opened.before, opened.state())
    assert opened.has_dialog(), "the dialog stays for another try"
    opened.press("Escape", until=lambda: not opened.has_dialog())
    assert opened.is_as_before()
    opened.key("ctrl+z")
    assert opened.is_as_before(), "there was something to undo"


@slowly
@pytest.mark.parametrize("which", [0, 1], ids=["waiting", "working"])
def test_a_process_that_is_killed_leaves_no_preview(opened, daemon, which):
    begin(opened, daemon)
    os.kill(opened.processes()[which], signal.SIGKILL)
    if which == 0:
        # The dialog goes on by itself; the user ends it.
        opened.press("Escape", until=lambda: not opened.has_dialog())
    assert wait_until(lambda: not opened.has_dialog(), SECONDS)
    assert opened.is_as_before(), (opened.before, opened.state())


@slowly
def test_a_daemon_that_is_killed_is_told_in_the_dialog(opened, daemon):
    begin(opened, daemon)
    daemon.stop(signal.SIGKILL)
    assert opened.is_as_before(), (opened.before, opened.state())
    assert opened.has_dialog()
    time.sleep(0.5)
    opened.shot("error")
    opened.press("Escape", until=lambda: not opened.has_dialog())


def test_without_a_daemon_the_dialog_waits_for_one(window, make_daemon):
    window.open()
    window.choose()
    window.press("Return")
    time.sleep(1)
    assert window.has_dialog(), "the dialog stays open with the reason"
    window.shot("no-daemon")
    assert window.layers() == ["photo"]
    daemon = make_daemon(window.app)
    restore(window)
    assert window.layers() == ["photo (restored: noise 3)", "photo"]
    daemon.stop()
    end(window)


@slowly
def test_reset_stops_nothing(opened, daemon):
    begin(opened, daemon)
    opened.press("alt+r")
    step = newest(daemon).step
    assert wait_until(lambda: newest(daemon).step > step + 3, SECONDS), "the work was stopped"
    assert newest(daemon).state == RUNNING
    opened.shot("reset-while-running")
    opened.press("alt+c")
    assert wait_until(lambda: newest(daemon).state == CANCELLED, SECONDS)
    assert opened.is_as_before()


@slowly
def test_what_the_user_does_meanwhile_can_be_undone(opened, daemon):
    begin(opened, daemon)
    opened.do("add_layer(keep['image'], 50, 50, name='meanwhile')")
    opened.press("Escape")
    assert wait_until(lambda: opened.layers() == ["meanwhile", "photo"], SECONDS)
    opened.key("ctrl+z", until=lambda: opened.layers() == ["photo"])


def test_repeat_uses_the_last_settings(opened, daemon):
    opened.press("alt+d")
    opened.write("a bridge")
    restore(opened)
    opened.key("ctrl+f", until=lambda: len(opened.layers()) >= 3)
    first, *more = opened.do(SETTINGS)
    assert first["description"] == "a bridge"
    assert more
    assert all(each == first for each in more)


def test_restoring_again_asks_with_the_settings_of_the_layer(window, daemon):
    window.open()
    window.do(REPLACE.replace("'replace'", "'new-layer', recipe='haze', seed=5"))
    made = newest(daemon).job_id
    window.app.send(AGAIN)
    assert wait_until(lambda: newest(daemon).job_id != made, SECONDS), "the photo is not looked at"
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    time.sleep(0.5)
    window.shot("again")
    window.press("Return", until=window.app.has_answered)
    assert window.app.receive() == "success"
    newer, older = window.do(SETTINGS)
    assert newer == older
    assert (newer["recipe"], newer["seed"]) == ("haze", 5)
    end(window)


EFFECT = """
layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert", "inverted"))
answer = state(image)
"""


def test_effects_are_told_and_what_is_seen_can_be_restored_instead(window, daemon):
    window.open(OPEN + EFFECT)
    window.choose()
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    looked = newest(daemon).job_id
    time.sleep(0.5)
    window.shot("effects")
    window.press("alt+n", until=lambda: len(window.layers()) == 2)
    assert wait_until(lambda: newest(daemon).job_id != looked, SECONDS), "it was not looked at"
    window.shot("as-seen")
    restore(window)
    assert window.layers() == ["photo (as seen) (restored: noise 3)", "photo (as seen)", "photo"]
    end(window)


def test_a_photo_that_needs_nothing_is_told_in_the_dialog(opened, daemon):
    opened.press("alt+d")
    opened.write("same")
    before = newest(daemon).job_id
    opened.press("Return", until=lambda: newest(daemon).job_id != before)
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    time.sleep(1)
    assert opened.has_dialog()
    opened.shot("nothing-to-do")
    assert opened.is_as_before()
    opened.press("Escape", until=lambda: not opened.has_dialog())


# In the dialog: places of the photo when all of it is seen, and the switch of noise.
PLACE = (300, 250)
MIDDLE = (310, 265)
LARGE = OPEN.replace("400, 300", "1800, 1400")
NOISE = (690, 75)


def ask_for_place(window, daemon, place=PLACE):
    """Click on a place, and wait for what is asked for."""
    before = newest(daemon).job_id
    window.point(*place, "xdotool click 1")
    assert wait_until(lambda: newest(daemon).job_id != before, SECONDS), "nothing was asked for"
    return newest(daemon)


def test_a_place_that_is_clicked_on_is_restored_once_and_compared(opened, daemon):
    job = ask_for_place(opened, daemon)
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    time.sleep(1)
    opened.shot("place")
    # Known already; then the line is moved, the wheel zooms, and the photo is dragged.
    opened.point(*PLACE, "xdotool click 1")
    drag = "xdotool mousedown 1; {0}; {0}; xdotool mouseup 1"
    opened.point(
        *(385, 250),
        drag.format("xdotool mousemove_relative 40 0"),
        "xdotool click --repeat 4 4",
        drag.format("xdotool mousemove_relative -- -20 15"),
    )
    time.sleep(1.5)
    opened.shot("place-zoomed")
    assert newest(daemon).job_id == job.job_id
    assert opened.is_as_before()


@slowly
def test_a_place_makes_way_for_another_and_for_the_whole(window, daemon):
    window.open(LARGE)
    window.choose()
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    time.sleep(0.5)
    first = ask_for_place(window, daemon)
    assert wait_until(lambda: daemon.job(first.job_id).state == RUNNING, SECONDS)
    window.shot("place-coming")
    # Outside of what the first click asked for.
    second = ask_for_place(window, daemon, (80, 80))
    assert wait_until(lambda: daemon.job(first.job_id).state == CANCELLED, SECONDS)
    window.press("Return", until=lambda: newest(daemon).job_id != second.job_id)
    assert wait_until(lambda: daemon.job(second.job_id).state == CANCELLED, SECONDS)
    assert wait_until(lambda: newest(daemon).state == RUNNING, SECONDS)
    window.press("alt+c")
    assert wait_until(lambda: newest(daemon).state == CANCELLED, SECONDS)
    end(window)


def test_of_a_large_photo_the_middle_is_restored_before_anybody_asks(window, daemon):
    window.open(OPEN.replace("400, 300", "2600, 1800"))
    window.choose()
    # After a glance and a look.
    assert wait_until(lambda: daemon.status().done == 3, SECONDS), "nothing was done ahead"
    ahead = newest(daemon)
    assert ahead.state == DONE
    time.sleep(1)
    window.shot("ahead")
    # What was done ahead is known; another place is asked for.
    window.point(*MIDDLE, "xdotool click 1")
    other = ask_for_place(window, daemon, (80, 80))
    assert other.submitted_at > ahead.submitted_at
    assert wait_until(lambda: daemon.status().done == 4, SECONDS)
    time.sleep(0.5)
    assert daemon.status().done == 4
    window.shot("ahead-and-a-place")
    end(window)


@pytest.mark.parametrize("daemon", ["gimp.staring_engine"], indirect=True)
def test_tones_of_a_large_photo_are_told_first_and_a_click_need_not_wait_for_the_rest(
    window, daemon
):
    window.open(OPEN.replace("400, 300", "2600, 1800"))
    window.choose()
    assert wait_until(lambda: newest(daemon).width == 2600, SECONDS), "it was not looked at closely"
    look = newest(daemon)
    assert wait_until(lambda: daemon.job(look.job_id).state == RUNNING, SECONDS)
    (glance,) = [job for job in jobs(daemon) if job.job_id != look.job_id]
    assert (glance.width, glance.height, glance.state) == (650, 450, DONE)
    window.shot("glance")
    place = ask_for_place(window, daemon, (80, 80))
    assert wait_until(lambda: daemon.job(place.job_id).state == DONE, SECONDS)
    assert daemon.job(look.job_id).state == CANCELLED
    time.sleep(1)
    window.shot("glance-and-a-place")
    end(window)


def test_a_finding_that_is_switched_off_is_left_in_the_place_and_in_the_result(opened, daemon):
    job = ask_for_place(opened, daemon)
    assert not job.settings.HasField("amounts")
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    # What was looked at comes again with the new settings, by itself.
    opened.point(*NOISE, "xdotool click 1")
    assert wait_until(lambda: newest(daemon).job_id != job.job_id, SECONDS), "it is not tried again"
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    assert newest(daemon).settings.amounts == pb.Amounts(noise=0.0)
    time.sleep(0.5)
    opened.shot("finding-off")
    restore(opened)
    assert opened.layers() == ["photo (restored)", "photo"]
    (settings,) = opened.do(SETTINGS)
    assert settings["amount_noise"] == 0
    assert settings["amount_haze"] == -1


# The newest of the last tries, below the picture.
FIRST_TRY = 130, 500


def test_a_try_comes_back_with_a_click_in_the_next_dialog_too(opened, daemon):
    ask_for_place(opened, daemon)
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    opened.point(*NOISE, "xdotool click 1")
    assert wait_until(lambda: newest(daemon).settings.HasField("amounts"), SECONDS)
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    time.sleep(1)
    opened.press("Escape", until=lambda: not opened.has_dialog())
    looked = newest(daemon).job_id
    opened.choose()
    assert wait_until(lambda: newest(daemon).job_id != looked, SECONDS)
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    time.sleep(1)
    opened.shot("tries")
    opened.point(*FIRST_TRY, "xdotool click 1")
    time.sleep(1)
    opened.shot("try-taken")
    restore(opened)
    assert newest(daemon).settings.amounts == pb.Amounts(noise=0.0)


ALL = """
image = keep["image"]
procedure = PDB.lookup_procedure("ldrps-restore-all")
status, rest = call("ldrps-restore-all", image, image.get_layers()[:1], "INTERACTIVE")
answer = [status, rest]
"""
MORE = """
other, layer = new_image(300, 400)
group = Gimp.GroupLayer.new(other, "group")
other.insert_layer(group, None, 0)
other.set_selected_layers([group])
keep["third"] = new_image(90, 60)[0]
keep["other"] = other
"""


def test_all_open_images_from_the_dialog(window, daemon):
    window.open()
    window.do(MORE)
    window.app.send(ALL)
    assert wait_until(lambda: window.titles(BATCH), SECONDS)
    time.sleep(1)
    window.shot("batch")
    assert not window.app.has_answered()
    window.key("Return", to=BATCH, until=lambda: newest_ended(daemon, 2))
    time.sleep(2)
    window.shot("batch-done")
    window.key("Escape", to=BATCH, until=window.app.has_answered)
    status, (restored, unchanged, failed, summary) = window.app.receive()
    assert (status, restored, unchanged, failed) == ("success", 2, 0, 0), summary
    assert window.layers() == ["photo (restored: noise 3)", "photo"]
    window.do("keep['other'].delete(); keep['third'].delete()")
    end(window)


def newest_ended(daemon, count):
    """Tell whether so many jobs were done, and nothing is left to do."""
    status = daemon.status()
    return (status.done, status.queued, status.running) == (count, 0, 0)
