"""In a real GIMP with a real window: the dialog, the preview, one step of undo, every way out."""

import os
import signal
import time

import pytest

from gimp.dialog import SETTINGS, end, restore, slowly
from gimp.jobs import CANCELLED, DONE, QUEUED, RUNNING, newest, running_job
from gimp.window import BATCH, OPEN, SECONDS
from support.daemon import wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_complained_of")

PREVIEW = "Preview of what is coming"
# In the dialog: the switch of the last finding.
MISSING_COLOUR = (742, 220)
SELECT = """
image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 60, 90, 70)
Gimp.Selection.feather(image, 9)
answer = state(image)
"""
REPLACE = "restore(keep['image'].get_layers()[0], output='replace')"
AGAIN = """
image = keep["image"]
answer = call("ldrps-restore-again", image, image.get_layers()[:1], "INTERACTIVE")[0]
"""


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
def test_a_daemon_that_is_killed_is_reported_in_the_dialog(opened, daemon):
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
def test_another_try_after_a_crash_does_not_wait_behind_the_lost_one(opened, daemon, make_daemon):
    begin(opened, daemon)
    lost = newest(daemon).job_id
    daemon.stop(signal.SIGKILL)
    assert opened.is_as_before(), (opened.before, opened.state())
    # What it had, it takes up again where it comes back.
    again = make_daemon(opened.app, engine="gimp.slow_engine", spool=daemon.spool)
    assert again.job(lost).state in (QUEUED, RUNNING)
    opened.press("Return", until=lambda: newest(again).job_id != lost)
    assert wait_until(lambda: newest(again).state == RUNNING, SECONDS), "it waits"
    assert again.job(lost).state == CANCELLED
    opened.press("alt+c")
    assert wait_until(lambda: newest(again).state == CANCELLED, SECONDS)
    assert opened.is_as_before()
    again.stop()


@slowly
def test_a_diagnosis_does_not_wait_behind_what_is_restored(window, daemon):
    other = daemon.submit(settings={"description": "forever"}, detached=True).job_id
    assert wait_until(lambda: daemon.job(other).state == RUNNING, SECONDS)
    window.open()
    window.choose()
    assert wait_until(lambda: newest(daemon).job_id != other, SECONDS), "it was not looked at"
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS), "the diagnosis waits"
    assert daemon.job(other).state == RUNNING
    time.sleep(0.5)
    window.shot("diagnosis-beside-a-run")
    daemon.cancel(other)
    end(window)


GREY = """
image, layer = new_image(400, 300, "GRAY")
image.undo_disable()
image.undo_enable()
image.clean_all()
keep["image"], keep["display"] = image, Gimp.Display.new(image)
answer = state(image)
"""
# The sixth of the recipes.
WITHOUT_COLOUR = ["alt+i", *["Down"] * 5]


@pytest.mark.parametrize("way", ["recipe", "finding"])
def test_colours_for_a_grey_image_are_refused_before_anything_is_sent(window, daemon, way):
    window.open(GREY)
    window.choose()
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS), "it was not looked at"
    looked = newest(daemon).job_id
    time.sleep(0.5)
    if way == "recipe":
        window.press(*WITHOUT_COLOUR)
    else:
        window.point(*MISSING_COLOUR, "xdotool click 1")
    window.press("alt+o")
    time.sleep(2)
    window.shot(f"grey-and-colour-by-{way}")
    assert window.has_dialog()
    assert newest(daemon).job_id == looked
    window.press("Escape", until=lambda: not window.has_dialog())
    assert window.is_as_before()
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


def test_effects_are_reported_and_what_is_seen_can_be_restored_instead(window, daemon):
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


def test_a_photo_that_needs_nothing_is_reported_in_the_dialog(opened, daemon):
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
