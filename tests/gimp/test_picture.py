"""In a real GIMP with a real window: what is to be seen of the photo, in the dialog and in GIMP."""

import numpy as np
import pytest

from gimp.dialog import end
from gimp.jobs import DONE, newest, running_job
from gimp.window import SECONDS
from support.daemon import wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_complained_of")

ORANGE, RESTORED, MARK = (250, 120, 0), (5, 135, 255), (0, 90, 30)
MARK_SIDE = 100
PLAIN = """
image, layer = new_image({width}, {height})
def fill(x, y, width, height, colour):
    place = Gegl.Rectangle.new(x, y, width, height)
    layer.get_buffer().set(place, "R'G'B' u8", bytes(colour) * (width * height))
fill(0, 0, {width}, {height}, {orange})
fill(({width} - {side}) // 2, ({height} - {side}) // 2, {side}, {side}, {mark})
layer.update(0, 0, {width}, {height})
image.undo_disable()
image.undo_enable()
image.clean_all()
keep["image"], keep["display"] = image, Gimp.Display.new(image)
answer = state(image)
"""
CLICK = (250, 150)
"""A place in the dialog that lies on the photo."""
DRAG = "xdotool mousedown 1; {0}; {0}; xdotool mouseup 1"


class Seen:
    """Places of a plain photo's colours in the dialog's picture."""

    def __init__(self, window):
        self.picture = window.picture()
        if (self.picture == RESTORED).all(axis=2).any():
            # What is below are small pictures of tries.
            self.picture = self.picture[: round(0.62 * self.picture.shape[0])]

    def box(self, colour):
        """Left, top, right and bottom of all pixels of a colour, the last two outside of it."""
        rows, columns = np.nonzero((self.picture == colour).all(axis=2))
        assert rows.size, f"{colour} is not to be seen"
        return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1

    def size(self, colour):
        left, top, right, bottom = self.box(colour)
        return right - left, bottom - top

    def has(self, colour):
        return bool((self.picture == colour).all(axis=2).any())


@pytest.fixture
def shown(window, daemon, request):
    """The dialog over a plain photo with a mark in its middle, of the size that a test asks for."""
    width, height = request.param
    window.open(PLAIN.format(width=width, height=height, side=MARK_SIDE, orange=ORANGE, mark=MARK))
    window.choose()
    assert wait_until(lambda: newest(daemon).state == DONE, SECONDS)
    assert wait_until(lambda: Seen(window).has(MARK), SECONDS)
    yield window
    window.shot(f"end-of-{request.node.name}")
    end(window)


def of_size(width, height):
    return pytest.mark.parametrize("shown", [(width, height)], indirect=True, ids=["photo"])


def settled(window, condition):
    """Return what is seen once it is as it should be."""
    found = []

    def look():
        found[:] = [Seen(window)]
        return condition(found[0])

    assert wait_until(look, 20), "it does not look so"
    return found[0]


@of_size(1800, 1400)
def test_the_picture_grows_and_shrinks_with_the_window(shown):
    small = Seen(shown).size(ORANGE)
    shown.resize(1390, 860)
    large = settled(shown, lambda seen: seen.size(ORANGE)[0] > 1.2 * small[0]).size(ORANGE)
    assert large[1] > 1.1 * small[1]
    assert large[0] / large[1] == pytest.approx(1800 / 1400, rel=0.01)
    shown.resize(1160, 724)
    settled(shown, lambda seen: seen.size(ORANGE) == small)


@of_size(1800, 1400)
def test_its_own_pixels_are_shown_one_to_one_and_move_with_the_pointer(shown):
    fitting = Seen(shown).size(MARK)[0]
    assert fitting < 0.5 * MARK_SIDE
    shown.press("alt+1")
    whole = settled(shown, lambda seen: seen.size(MARK) == (MARK_SIDE, MARK_SIDE))
    shown.point(*CLICK, DRAG.format("xdotool mousemove_relative -- -30 20"))
    # Twice so far, with the first few pixels not counted as a drag.
    moved = np.subtract(
        settled(shown, lambda seen: seen.box(MARK) != whole.box(MARK)).box(MARK), whole.box(MARK)
    )
    assert moved[0] == moved[2] == pytest.approx(-60, abs=4)
    assert moved[1] == moved[3] == pytest.approx(40, abs=4)
    # The wheel enlarges what is under the pointer, which stays there.
    left, top, *_ = Seen(shown).box(MARK)
    shown.point(left + 1, top + 1, "xdotool click 4")
    larger = settled(shown, lambda seen: seen.size(MARK)[0] > 1.2 * MARK_SIDE)
    assert larger.box(MARK)[:2] == (pytest.approx(left, abs=2), pytest.approx(top, abs=2))
    shown.press("alt+f")
    settled(shown, lambda seen: seen.size(MARK)[0] == fitting)


@of_size(400, 300)
def test_a_line_that_can_be_dragged_lies_between_before_and_after(shown, daemon):
    assert Seen(shown).size(ORANGE) == (400, 300)
    assert not Seen(shown).has(RESTORED)
    shown.point(*CLICK, "xdotool click 1")
    seen = settled(shown, lambda seen: seen.has(RESTORED))
    before, after = seen.box(ORANGE), seen.box(RESTORED)
    line = before[2]
    assert after[0] - line <= 4, "something lies between the two"
    assert line - before[0] == pytest.approx(200, abs=3)
    assert after[2] - after[0] == pytest.approx(200, abs=3)
    shown.point(line + 1, CLICK[1], DRAG.format("xdotool mousemove_relative 45 0"))
    moved = settled(shown, lambda seen: seen.box(ORANGE)[2] > line + 40)
    assert moved.box(ORANGE)[2] == pytest.approx(line + 90, abs=4)
    assert moved.box(RESTORED)[0] == pytest.approx(line + 90, abs=4)
    # Before alone, and both again.
    shown.press("alt+b")
    settled(shown, lambda seen: seen.size(ORANGE) == (400, 300) and not seen.has(RESTORED))
    shown.press("alt+b")
    settled(shown, lambda seen: seen.box(RESTORED) == moved.box(RESTORED))


PREVIEW = """
(layer,) = [each for each in keep["image"].get_layers() if "Preview" in each.get_name()]
place = Gegl.Rectangle.new(0, 0, 400, 300)
data = bytes(layer.get_buffer().get(place, 1.0, "R'G'B' u8", 0))
answer = sum(abs(data[at] - data[at + 3]) for at in range(0, len(data) - 3, 3))
"""


@pytest.mark.parametrize("daemon", ["gimp.sharpening_engine"], indirect=True)
def test_what_is_coming_sharpens_on_the_canvas(opened, daemon):
    opened.press("Return")
    running_job(daemon)
    assert wait_until(lambda: len(opened.layers()) == 2, SECONDS), "no preview came"
    first = opened.do(PREVIEW)
    assert wait_until(lambda: opened.do(PREVIEW) > 10 * first, SECONDS), "it stays blurred"
    opened.press("alt+c")
    assert opened.is_as_before()
