"""Haze that something in the photo contradicts: nothing seen through air is darker than the air."""

import numpy as np
import pytest

from ldrps_engine.analysis import recognition
from ldrps_engine.analysis.airlight import contradiction
from ldrps_engine.analysis.recognition import recognise
from support import pictures

DEPTH = 0.8


@pytest.fixture
def clear():
    """A scene with black and white in it."""
    return np.clip(pictures.natural(160, 160, seed=3), 0, 1)


def hazed(rgb, depth=DEPTH, air=0.9, *, in_light=False):
    through = np.exp(-depth)
    if in_light:
        return (rgb**2.2 * through + air**2.2 * (1 - through)) ** (1 / 2.2)
    return rgb * through + air * (1 - through)


def reported(depth):
    return np.full((10, 10), depth, np.float32)


@pytest.mark.parametrize("in_light", [False, True])
@pytest.mark.parametrize("air", [0.7, 0.9, 1.0])
def test_real_haze_is_never_contradicted(clear, air, in_light):
    assert contradiction(hazed(clear, air=air, in_light=in_light), reported(DEPTH)) == 0


def test_haze_that_is_judged_half_too_thick_is_not_contradicted(clear):
    assert contradiction(hazed(clear), reported(1.5 * DEPTH)) == 0


def test_a_black_thing_on_snow_contradicts_haze_where_it_stands():
    snow = np.full((160, 160, 3), 0.85, np.float32)
    snow[64:96, 48:80] = 0.05
    assert contradiction(snow, reported(DEPTH)) == pytest.approx(4 / 100)


def test_clear_ground_before_a_hazy_distance_contradicts_nothing(clear):
    depth = reported(0.02)
    depth[:5] = 1.5
    view = clear.copy()
    view[:80] = hazed(clear[:80], 1.5)
    assert contradiction(view, depth) == 0


def test_what_is_contradicted_is_hardly_likely(clear, monkeypatch):
    given = {"hazed": hazed(clear), "clear": clear}
    with_doubt = {name: recognise(rgb).probabilities for name, rgb in given.items()}
    monkeypatch.setattr(recognition, "DOUBTED", 0.0)
    without = {name: recognise(rgb).probabilities for name, rgb in given.items()}
    assert with_doubt["hazed"] == without["hazed"]
    monkeypatch.setattr(recognition, "DOUBTED", 40.0)
    monkeypatch.setattr(recognition, "contradiction", lambda *_: 0.05)
    doubted = recognise(given["hazed"]).probabilities
    odds = [p["hazy"] / (1 - p["hazy"]) for p in (without["hazed"], doubted)]
    assert odds[0] / odds[1] == pytest.approx(np.exp(2), rel=0.02)
    others = [{k: v for k, v in p.items() if k != "hazy"} for p in (without["hazed"], doubted)]
    assert others[0] == others[1]
