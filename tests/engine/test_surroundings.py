"""Rooms, and things at arm's length, are told by classes of the semantic encoder."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.haze import haze_of
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.surroundings import indoors, within_reach

WARDROBE, BEE, VALLEY = 894, 309, 979
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
    told = of(seen, shown)
    assert (indoors(told), within_reach(told)) == (inside, near)


def test_both_are_certain_by_degrees(seen):
    told = of(seen, WARDROBE, BEE, VALLEY, VALLEY - 1)
    assert 0 < indoors(told) < 1
    assert 0 < within_reach(told) < 1


def test_haze_in_a_room_is_deeper_where_it_is_thick(natural):
    depth = np.linspace(0.1, 1.0, natural.shape[1], dtype=np.float32)[None, :, None]
    hazy = 0.9 - (0.9 - natural) * np.exp(-depth)
    outside, inside = (-np.log(haze_of(hazy, where)[0][..., 0]) for where in (0.0, 1.0))
    assert inside.mean() > outside.mean()
    assert np.ptp(inside) > np.ptp(outside)


def test_black_things_in_a_room_hold_the_haze_before_them_alone(natural):
    """Dark things to the left show how thin haze is there; what is far, to the right, keeps its."""
    height, width = natural.shape[:2]
    depth = np.linspace(0.1, 1.2, width, dtype=np.float32)[None, :, None]
    scene = np.clip(0.25 + 0.75 * natural, 0, 1)
    scene[:, : width // 4] = 0.0
    hazy = (0.95 - (0.95 - scene) * np.exp(-depth)).astype(np.float32)
    (gain, offset), (outside, _) = (haze_of(hazy, where) for where in (1.0, 0.0))
    near, far = gain.shape[1] // 5, 3 * gain.shape[1] // 4
    size = (height, width)
    undone = (hazy - resize(offset, size, smooth=True)) / resize(gain, size, smooth=True)
    assert np.median(undone[:, : width // 5]) > -0.03
    assert gain[:, far:].mean() < outside[:, far:].mean()
    assert gain[:, :near].mean() > gain[:, far:].mean() + 0.2
