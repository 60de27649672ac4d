"""The field of light that is brought back to what stands before a bright sky or window."""

import numpy as np
import pytest

from ldrps_engine.analysis.backlight import backlight_gain
from ldrps_engine.analysis.guided_filter import box, guided
from ldrps_engine.colour.srgb import to_display, to_linear
from support import pictures

STOPS = 3.0


@pytest.fixture(scope="module")
def backlit():
    """A dark ground before a bright sky, and the log of the light that the ground is short of."""
    light = to_linear(pictures.natural(192, 256))
    ground = np.arange(192) >= 96
    light[ground] *= 0.5**STOPS
    missing = np.zeros((12, 16), np.float32)
    missing[6:] = STOPS * np.log(2)
    return to_display(light), missing, ground


def test_nowhere_is_light_taken(backlit):
    rgb, missing, _ = backlit
    share = backlight_gain(rgb, missing)
    assert share.shape == (192, 256)
    assert share.dtype == np.float32
    assert share.max() <= 1
    assert share.min() > 0


def test_the_ground_gets_most_of_its_light_and_the_sky_none(backlit):
    rgb, missing, ground = backlit
    stops = -np.log2(backlight_gain(rgb, missing))
    assert np.median(stops[ground]) == pytest.approx(0.8 * STOPS, abs=0.5)
    assert np.median(stops[~ground]) < 0.3


def test_nothing_is_brought_above_white(backlit):
    rgb, missing, _ = backlit
    lit = to_linear(rgb) / backlight_gain(rgb, 3 * missing)[..., None]
    assert lit.max() <= max(0.8, to_linear(rgb).max()) + 1e-3


def test_the_field_follows_edges_finer_than_the_grid():
    """Merlons of 32 x 12 pixels where the grid's cells are 16: the grid alone tells none apart."""
    row, column = np.mgrid[:192, :256]
    ground = row >= 96 + np.where((column // 32) % 2 == 0, 6, -6)
    light = to_linear(pictures.natural(192, 256))
    light[ground] *= 0.5**STOPS
    missing = np.zeros((12, 16), np.float32)
    missing[6:] = STOPS * np.log(2)
    stops = -np.log2(backlight_gain(to_display(light), missing))
    band = (row >= 90) & (row < 102)
    assert stops[band & ground].mean() > stops[band & ~ground].mean() + 0.4


def test_where_nothing_is_missing_nothing_changes(backlit):
    rgb, missing, _ = backlit
    assert (backlight_gain(rgb, 0 * missing) == 1).all()


def test_a_box_is_the_mean_of_the_square_with_edges_repeated():
    values = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
    padded = np.pad(values, 2, mode="edge")
    expected = [[padded[y : y + 5, x : x + 5].mean() for x in range(7)] for y in range(9)]
    np.testing.assert_allclose(box(values, 2), expected, atol=1e-5)


def test_a_guide_filters_itself_to_itself_and_a_flat_one_to_means():
    guide = pictures.natural(48, 64).mean(-1)
    np.testing.assert_allclose(guided(guide, 2 * guide, 5, 1e-6), 2 * guide, atol=0.02)
    flat = guided(np.zeros_like(guide), guide, 3, 0.1)
    np.testing.assert_allclose(flat, box(box(guide, 3), 3), atol=1e-5)
