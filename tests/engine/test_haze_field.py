"""The network that judges haze: how thick, where, and the colour of the air."""

import numpy as np
import pytest

from ldrps_engine.analysis.haze import haze_of
from ldrps_engine.analysis.haze_field import CELL, cell_statistics, haze_field
from support import pictures


@pytest.fixture(scope="module")
def scene():
    return pictures.natural(128, 176, 5)


def hazed(picture, depth, air):
    through = np.exp(-np.float32(depth))
    return (picture * through + np.float32(air) * (1 - through)).astype(np.float32)


def test_thicker_haze_is_judged_thicker(scene):
    judged = [float(haze_field(hazed(scene, d, 0.9)).depth.mean()) for d in (0.2, 0.5, 0.9)]
    assert judged[0] < judged[1] < judged[2]
    assert judged[2] > 0.5


def test_haze_that_thickens_to_one_side_is_judged_so(scene):
    ramp = np.linspace(0.1, 1.1, scene.shape[1])[None, :, None]
    for depth in (ramp, ramp[:, ::-1]):
        judged = haze_field(hazed(scene, depth, 0.9)).depth
        half = judged.shape[1] // 2
        further = judged[:, half:].mean() - judged[:, :half].mean()
        assert np.sign(further) == np.sign(depth[0, -1, 0] - depth[0, 0, 0])
        assert abs(further) > 0.1


def test_dim_air_is_distinguished_from_bright_air(scene):
    dim, bright = (haze_field(hazed(scene, 0.9, air)).air.mean() for air in (0.65, 0.95))
    assert dim < bright - 0.08


def test_a_mirrored_photo_has_the_mirrored_haze(scene):
    picture = hazed(scene, np.linspace(0.1, 0.8, 176)[None, :, None], 0.9)
    plain, mirrored = haze_field(picture), haze_field(np.ascontiguousarray(picture[:, ::-1]))
    assert np.allclose(plain.depth, mirrored.depth[:, ::-1], atol=1e-4)
    assert np.allclose(plain.air, mirrored.air, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (300, 40)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_any_size_and_any_grey_have_a_finite_answer(size, value):
    flat = np.full((*size, 3), value, np.float32)
    found = haze_field(flat)
    assert np.isfinite(found.depth).all()
    assert (found.depth >= 0).all()
    assert ((found.air > 0) & (found.air < 1)).all()
    gain, offset = haze_of(flat)
    assert np.isfinite(offset).all()
    # Rounding at black may leave a little more than there was.
    assert ((gain > 0) & (gain < 1.01)).all()


def test_statistics_of_a_cell_are_those_of_its_pixels(scene):
    reported = cell_statistics(scene)
    cell = scene[CELL : 2 * CELL, 2 * CELL : 3 * CELL]
    assert reported.shape == (32, 44, 10)
    wanted = [*cell.mean((0, 1)), *cell.min((0, 1)), *cell.max((0, 1)), cell.mean(-1).std()]
    assert reported[1, 2] == pytest.approx(wanted, abs=1e-5)


def test_even_haze_changes_statistics_as_it_does_pixels(scene):
    """Training relies on it: haze is drawn over cells there."""
    through, air = 0.6, np.float32([0.9, 0.85, 0.8])
    before, after = cell_statistics(scene), cell_statistics(scene * 0.6 + air * 0.4)
    assert np.allclose(after[..., :9], through * before[..., :9] + np.tile(0.4 * air, 3), atol=1e-5)
    assert np.allclose(after[..., 9], through * before[..., 9], atol=2e-3)
