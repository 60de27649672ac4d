"""A subject in the shadow before a bright sky is told from dark things and from light ones."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.subject import Subject
from ldrps_engine.analysis.verdicts import lacks_light

CELLS = (10, 10)
SKY, LIT, DARK, BLACK = 0.9, 0.45, 0.12, 0.02
"""Display values."""


@pytest.fixture(scope="module")
def nothing():
    return recognise(np.full((160, 160, 3), 0.5, np.float32))


def photo(lower):
    """A sky above, and something of one shade below."""
    rgb = np.full((160, 160, 3), SKY, np.float32)
    rgb[80:] = lower
    return rgb


def scene(nothing, about="below", sky=-0.5, lower=-3.0):
    """Scene with places that excite the encoder, and the log of light that is expected."""
    coarse = np.full((10, 10, 8), 0.05, np.float32)
    coarse[6 : 9 if about == "below" else 6, 3:7] = 2.0
    coarse[1 : 1 if about == "below" else 4, 3:7] = 2.0
    expected = np.full(CELLS, sky, np.float32)
    expected[5:] = lower
    seen = replace(nothing.seen, coarse=coarse)
    return replace(nothing, seen=seen, expected_light=expected)


def test_a_subject_darker_than_such_a_scene_before_the_sky_lacks_light(nothing):
    seen = scene(nothing)
    assert Subject.of(photo(DARK), seen).before_sky
    assert lacks_light(photo(DARK), seen)


@pytest.mark.parametrize(
    ("lower", "changed"),
    [
        (LIT, {}),
        (DARK, {"about": "above"}),
        (DARK, {"lower": -4.2}),
        (DARK, {"sky": -1.6}),
        (BLACK, {}),
    ],
    ids=["lit", "about the sky", "as dark as it should be", "on a bright wall", "black"],
)
def test_what_is_meant_to_be_dark_stays(nothing, lower, changed):
    assert not Subject.of(photo(lower), scene(nothing, **changed)).before_sky


@pytest.mark.parametrize(("about", "expected"), [("below", True), ("above", False)])
def test_what_a_flash_has_lit_is_not_short_of_light_for_the_dark_behind_it(
    nothing, about, expected
):
    odds = dict.fromkeys(nothing.probabilities, 0.0) | {"dark": 0.7}
    seen = replace(scene(nothing, about, lower=-4.2), probabilities=odds, shortfall=1.5)
    assert lacks_light(photo(DARK), seen) is expected


def test_a_dark_photo_with_little_that_is_bright_is_no_subject_before_the_light(nothing):
    rgb = photo(DARK)
    rgb[:65] = DARK
    assert not Subject.of(rgb, scene(nothing)).before_sky
