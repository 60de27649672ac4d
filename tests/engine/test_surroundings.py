"""Rooms, and things at arm's length, are told by classes of the semantic encoder."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis import haze
from ldrps_engine.analysis.haze import haze_of
from ldrps_engine.analysis.haze_field import HazeField
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.surroundings import in_hand, indoors, within_reach

WARDROBE, BEE, VALLEY, SCREW = 894, 309, 979, 783
"""Classes of ImageNet-1k."""


@pytest.fixture(scope="module")
def seen():
    return recognise(np.random.default_rng(0).random((160, 160, 3), dtype=np.float32)).seen


def of(seen, *classes):
    """The same findings, sure of these classes alone."""
    logits = np.where(np.isin(np.arange(1000), classes), 9.0, 0.0).astype(np.float32)
    return replace(seen, logits=logits)


@pytest.mark.parametrize(
    ("shown", "inside", "near"), [(WARDROBE, 1, 0), (BEE, 0, 1), (VALLEY, 0, 0)]
)
def test_what_is_shown_tells_where_it_is(seen, shown, inside, near):
    reported = of(seen, shown)
    assert (indoors(reported), within_reach(reported)) == (inside, near)


def test_a_tool_is_in_a_hand_and_counts_against_haze_alone(seen):
    reported = of(seen, SCREW)
    assert (indoors(reported), within_reach(reported), in_hand(reported)) == (0, 0, 1)
    assert in_hand(of(seen, BEE)) == 0


def test_both_are_certain_by_degrees(seen):
    reported = of(seen, WARDROBE, BEE, VALLEY, VALLEY - 1)
    assert 0 < indoors(reported) < 1
    assert 0 < within_reach(reported) < 1


def test_haze_in_a_room_is_deeper_where_it_is_thick(natural):
    depth = np.linspace(0.1, 1.0, natural.shape[1], dtype=np.float32)[None, :, None]
    hazy = 0.9 - (0.9 - natural) * np.exp(-depth)
    outside, inside = (-np.log(haze_of(hazy, where)[0][..., 0]) for where in (0.0, 1.0))
    assert inside.mean() > outside.mean()
    assert np.ptp(inside) > np.ptp(outside)


def test_black_things_in_a_room_hold_the_haze_before_them_alone():
    """Air of 1 that adds no more than 0.1 leaves 0.9; it may have added 0.7 to the other half."""
    rgb = np.full((160, 240, 3), 0.7, np.float32)
    rgb[:, :120] = 0.1
    depth = np.full((40, 60), 0.8, np.float32)
    beyond = haze._beyond_dark_channel(depth, rgb, np.ones(3, np.float32))
    assert beyond.shape == depth.shape
    np.testing.assert_allclose(depth[:, :20] - beyond[:, :20], -np.log(0.88), atol=0.01)
    np.testing.assert_allclose(beyond[:, 40:], 0, atol=0.01)


def test_the_air_of_a_room_is_what_the_brighter_judge_takes_it_for(natural, monkeypatch):
    hazy = 0.95 - (0.95 - natural) * np.float32(0.6)
    for shown in (0.7, 0.9):
        reported = np.full((48, 64), 0.6, np.float32), np.full(3, shown, np.float32)
        field = HazeField(np.full((32, 32), 0.5, np.float32), np.full(3, 0.8, np.float32))
        monkeypatch.setattr(haze, "_by_statistics", lambda _, reported=reported: reported)
        monkeypatch.setattr(haze, "haze_field", lambda _, field=field: field)
        for inside, air in ((1.0, max(shown, 0.8)), (0.0, (shown + 0.8) / 2)):
            gain, offset = haze_of(hazy, inside)
            np.testing.assert_allclose(offset / (1 - gain), air, rtol=1e-4)
