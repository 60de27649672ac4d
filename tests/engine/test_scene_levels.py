"""Levels that a scene should have: told by the shape of its values, whatever their level is."""

import numpy as np
import pytest

from ldrps_engine.analysis.scene_levels import (
    airlight_contrast,
    expected_airlight_contrast,
    expected_level,
    expected_midtone,
    shape_of_light,
    shape_of_tones,
)
from ldrps_engine.colour.srgb import to_linear
from support import pictures

AIR = np.array([0.9, 0.9, 0.9], np.float32)
LEVELS = {
    1: (0.26914814994957814, -0.8973053590143998, -0.9609090143182091, 0.4973759331604706),
    2: (0.23106603459217542, -0.7964580709464925, -0.8840024736984008, 0.44377333294113364),
    3: (0.21296459077553556, -0.777130995634173, -0.9129383382118308, 0.42387698325629514),
}
"""Levels of pictures by their seed, from the shipped models when each had code of its own."""


@pytest.mark.parametrize("seed", LEVELS)
def test_the_three_levels_are_those_that_the_shipped_models_always_had(seed):
    rgb = pictures.natural(seed=seed)
    level, contrast = expected_level(to_linear(rgb)), expected_airlight_contrast(rgb, AIR)
    # Equal to the bit where they were noted; features are sums of single precision, whose order
    # is each machine's own.
    assert (level, *contrast, expected_midtone(rgb)) == pytest.approx(LEVELS[seed], rel=1e-6)


def test_the_shape_of_light_does_not_know_its_level(natural):
    light = to_linear(natural)
    (level, shape), (lower, same) = shape_of_light(light), shape_of_light(light / 4)
    assert level - lower == pytest.approx(np.log(4), abs=1e-3)
    # 1e-6 is added to the level, so that black has a logarithm.
    assert np.allclose(shape, same, atol=1e-3)


def test_the_expected_level_is_that_of_a_photo_and_not_that_of_the_light_there_is(natural):
    light = to_linear(natural)
    assert 0.05 < expected_level(light) < 0.4
    assert expected_level(light / 50) == pytest.approx(expected_level(light), rel=0.02)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_even_black_and_white_have_an_expected_level(value):
    assert 0.03 <= expected_level(np.full((16, 1024, 3), value, np.float32)) <= 0.6


@pytest.mark.parametrize("through", [0.9, 0.5, 0.3])
def test_an_even_haze_takes_contrast_to_the_airlight_away_and_leaves_its_shape(natural, through):
    clear = np.minimum(natural, AIR)
    hazed = clear * through + AIR * (1 - through)
    level, shape = airlight_contrast(clear, AIR)
    less, same = airlight_contrast(hazed, AIR)
    np.testing.assert_allclose(less - level, np.log(through), atol=1e-3)
    np.testing.assert_allclose(same, shape, atol=5e-3)


def test_the_contrast_that_a_scene_should_have_does_not_depend_on_the_haze(natural):
    clear = np.minimum(natural, AIR)
    _, expected = expected_airlight_contrast(clear, AIR)
    level, still = expected_airlight_contrast(clear * 0.4 + AIR * 0.6, AIR)
    assert still == pytest.approx(expected, abs=0.02)
    assert level < still


@pytest.mark.parametrize("through", [0.9, 0.5, 0.3])
def test_a_grey_haze_moves_the_middle_and_leaves_the_shape_of_tones(natural, through):
    hazed = natural * through + AIR * (1 - through)
    middle, shape = shape_of_tones(natural)
    moved, same = shape_of_tones(hazed)
    assert moved == pytest.approx(middle * through + AIR[0] * (1 - through), abs=1e-3)
    np.testing.assert_allclose(same, shape, atol=0.05)
    assert expected_midtone(hazed) == pytest.approx(expected_midtone(natural), abs=0.01)
    # These are drawn, and darker than photos are.
    assert expected_midtone(natural) == pytest.approx(middle, abs=0.15)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 16), (1000, 2)])
def test_a_photo_of_any_size_has_an_expected_middle(size):
    assert 0.05 <= expected_midtone(np.full((*size, 3), 0.4, np.float32)) <= 0.95
