"""Visible part of a photo while a user zooms, drags and splits the preview."""

import random

import pytest

from ldrps_gimp.viewing import CROP_SIDE, MOST_ENLARGED, Box, Viewing, crop_around

WIDE = Viewing((6000, 4000)).resized(600, 600)


def test_at_first_all_of_it_is_seen_in_the_middle():
    assert WIDE.scale == 0.1
    assert WIDE.corner == (0, 100)
    assert WIDE.seen == Box(0, 0, 6000, 4000)
    assert WIDE.place(300, 300) == (3000, 2000)
    assert WIDE.shows(300, 101)
    assert not WIDE.shows(300, 99)


def test_a_small_photo_is_not_enlarged_unless_somebody_asks():
    small = Viewing((100, 50)).resized(600, 600)
    assert small.scale == 1
    assert small.corner == (250, 275)
    assert small.zoomed(3, 300, 300).scale == 3


def test_what_is_under_the_pointer_stays_there():
    chance = random.Random(0)
    view = WIDE.at(1.0, 300, 300)
    for _ in range(200):
        x, y = chance.uniform(0, 600), chance.uniform(0, 600)
        before = view.place(x, y)
        view = view.zoomed(chance.choice([0.8, 1.25, 1.25]), x, y)
        seen, moved = view.seen, view.place(x, y)
        assert seen.x >= 0
        assert seen.x + seen.width <= 6000
        assert view.scale <= MOST_ENLARGED
        inside = 100 < seen.x < 5900 - seen.width and 100 < seen.y < 3900 - seen.height
        if inside and view.zoom:
            # A pixel of the window.
            assert moved == pytest.approx(before, abs=1.01 / view.scale)
        view = view if view.zoom else WIDE.at(1.0, 300, 300)


def test_zooming_out_ends_where_all_is_seen():
    view = WIDE.at(2.0, 10, 300)
    for _ in range(60):
        view = view.zoomed(0.8, 10, 300)
    assert view.zoom == 0
    assert view.seen == WIDE.seen


def test_dragging_moves_the_photo_with_the_pointer_and_ends_at_its_sides():
    view = WIDE.at(1.0, 300, 300)
    x, y = view.place(50, 60)
    assert view.dragged(20, -30).place(70, 30) == pytest.approx((x, y))
    assert view.dragged(1e6, 1e6).seen == Box(0, 0, 601, 601)
    far = view.dragged(-1e6, -1e6)
    assert far.seen.x + far.seen.width == 6000
    # Nothing is stored up at a side.
    assert far.dragged(30, 0).corner[0] == pytest.approx(far.corner[0] + 30)


def test_the_line_follows_the_pointer_and_stays_on_the_photo():
    tall = Viewing((1000, 2000)).resized(600, 600)
    assert tall.line == 300
    assert tall.split_at(200).line == pytest.approx(200)
    assert tall.split_at(0).line == pytest.approx(150)
    assert tall.split_at(599).line == pytest.approx(450)


@pytest.mark.parametrize("place", [(0, 0), (3000, 2000), (5999, 3999), (100, 3990)])
def test_a_crop_lies_around_a_place_within_the_photo(place):
    box = crop_around((6000, 4000), *place)
    assert (box.width, box.height) == (CROP_SIDE, CROP_SIDE)
    assert Box(0, 0, 6000, 4000).common(box) == box
    assert box.holds(*place)
    small = crop_around((300, 700), 10, 699)
    assert (small.x, small.y, small.width, small.height) == (0, 188, 300, 512)
