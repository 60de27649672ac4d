"""Verdicts hear more than one judge, and pale things are no veil."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.verdicts import is_hazy, is_high_key, is_pale

SIZE = (160, 160, 3)


@pytest.fixture(scope="module")
def seen():
    return recognise(np.random.default_rng(0).random(SIZE, dtype=np.float32))


def judged(seen, hazy, faded, depth):
    odds = {**seen.probabilities, "hazy": hazy, "faded": faded}
    field = replace(seen.haze, depth=np.full((32, 32), depth, np.float32))
    return replace(seen, probabilities=odds, haze=field)


@pytest.mark.parametrize(("hazy", "depth"), [(0.75, 0.03), (0.02, 0.18), (0.3, 0.1)])
def test_one_judge_alone_makes_no_haze(seen, hazy, depth):
    assert not is_hazy(0.1, judged(seen, hazy, 0.0, depth))


@pytest.mark.parametrize(("hazy", "depth"), [(0.75, 0.2), (0.05, 0.3), (0.99, 0.12)])
def test_judges_that_agree_make_haze(seen, hazy, depth):
    assert is_hazy(0.3, judged(seen, hazy, 0.0, depth))


def test_fading_alone_is_no_haze_over_colours_but_pale_in_a_print_of_one_hue(seen):
    print_ = judged(seen, 0.01, 0.7, 0.1)
    assert not is_hazy(0.3, print_)
    assert is_pale(0.3, print_)


def test_things_on_white_paper_are_meant_to_be_pale():
    page = np.ones(SIZE, np.float32)
    page[40:110, 30:130] = 0.5
    assert is_high_key(page)


def test_a_veiled_scene_is_not_meant_to_be_pale():
    scene = np.random.default_rng(1).random(SIZE, dtype=np.float32)
    assert not is_high_key(0.4 * scene + 0.5)
