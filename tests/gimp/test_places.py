"""In a real GIMP with a real window: places of the photo in the dialog's picture, and tries."""

import time

import pytest

from gimp.dialog import SETTINGS, end, restore, slowly
from gimp.jobs import CANCELLED, DONE, RUNNING, jobs, newest
from gimp.window import OPEN, SECONDS
from ldrps.v1 import restoration_pb2 as pb
from support.daemon import wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_complained_of")

# In the dialog: places of the photo when all of it is seen, and the switch of noise.
PLACE = (300, 250)
MIDDLE = (367, 265)
CORNER = (130, 90)
LARGE = OPEN.replace("400, 300", "1800, 1400")
NOISE = (742, 75)
NOISE_AMOUNT = NOISE[0] + 230, NOISE[1]
"""Near the middle of its slider."""
DRAG_LEFT = "xdotool mousedown 1; xdotool mousemove_relative -- -40 0; xdotool mouseup 1"


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
        *(367, 250),
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
    second = ask_for_place(window, daemon, CORNER)
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
    other = ask_for_place(window, daemon, CORNER)
    assert other.submitted_at > ahead.submitted_at
    assert wait_until(lambda: daemon.status().done == 4, SECONDS)
    time.sleep(0.5)
    assert daemon.status().done == 4
    window.shot("ahead-and-a-place")
    end(window)


@pytest.mark.parametrize("daemon", ["gimp.staring_engine"], indirect=True)
def test_tones_of_a_large_photo_are_reported_first_and_a_click_need_not_wait_for_the_rest(
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
    place = ask_for_place(window, daemon, CORNER)
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


def test_an_amount_that_is_dragged_is_used_for_the_place_and_the_result(opened, daemon):
    job = ask_for_place(opened, daemon)
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    opened.point(*NOISE_AMOUNT, DRAG_LEFT)
    assert wait_until(lambda: newest(daemon).job_id != job.job_id, SECONDS), "it is not tried again"
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    amounts = newest(daemon).settings.amounts
    assert 0 < amounts.noise < 1
    assert amounts == pb.Amounts(noise=amounts.noise)
    time.sleep(0.5)
    opened.shot("finding-less")
    restore(opened)
    (settings,) = opened.do(SETTINGS)
    assert settings["amount_noise"] == amounts.noise


# The newest of the last tries, below the picture.
FIRST_TRY = 130, 537


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
