"""Photos made worse are worse by what was asked for."""

import numpy as np
import pytest

from support import pictures
from training.degradations import as_jpeg, grained, grey, sharpened, stored


@pytest.fixture
def natural():
    return pictures.natural()


@pytest.mark.parametrize("seed", range(8))
def test_grain_has_the_sigma_asked_for_whatever_its_kind(natural, seed):
    noise = grained(natural, 12.0, np.random.default_rng(seed)) - natural
    assert noise.dtype == np.float32
    assert noise.std() * 255 == pytest.approx(12, rel=0.03)


def test_grain_is_of_three_kinds(natural):
    noises = [grained(natural, 12.0, np.random.default_rng(k)) - natural for k in range(20)]
    same = {bool(np.ptp(noise, axis=2).max() < 1e-5) for noise in noises}
    alike = [np.corrcoef(n[:, 1:, 0].ravel(), n[:, :-1, 0].ravel())[0, 1] for n in noises]
    assert same == {True, False}
    # White noise has no neighbours that are alike; resized noise may have had overshoot.
    assert max(alike) > 0.15
    assert min(np.abs(alike)) < 0.05


@pytest.mark.parametrize("seed", range(8))
def test_a_grey_photo_stays_grey(natural, seed):
    assert np.ptp(grained(grey(natural), 12.0, np.random.default_rng(seed)), axis=2).max() < 1e-5


def test_sharpening_steepens_edges_and_a_jpeg_moves_what_it_stores(natural):
    rng = np.random.default_rng(1)
    sharp = sharpened(natural, rng)
    assert np.abs(np.diff(sharp, axis=0)).mean() > 1.05 * np.abs(np.diff(natural, axis=0)).mean()
    saved = as_jpeg(natural, rng)
    assert 0.5 < np.abs(saved - stored(natural)).mean() * 255 < 8
    for picture in (sharp, saved):
        assert picture.dtype == np.float32
        assert picture.shape == natural.shape
        np.testing.assert_array_equal(stored(picture), picture)
