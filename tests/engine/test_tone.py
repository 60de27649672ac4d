"""What the tones of a photo are judged to be, and how deep its shade should be."""

import numpy as np
import pytest

from ldrps_engine.analysis.haze_prior import airlight_contrast, expected_airlight_contrast
from ldrps_engine.analysis.midtone import expected_midtone, shape_of_tones
from ldrps_engine.analysis.regression import frame, load_model, quadratic, save_model
from ldrps_engine.analysis.tone import judge_tone, tone_features
from support import pictures

AIR = np.array([0.9, 0.9, 0.9], np.float32)


def judged(rgb):
    tone = judge_tone(rgb)
    return max(("fine", "dark", "veiled"), key=lambda name: getattr(tone, name))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("degrade", "expected"),
    [
        (np.asarray, "fine"),
        (pictures.darkened, "dark"),
        (pictures.hazed, "veiled"),
        (lambda rgb: pictures.noisy(rgb, 30), "fine"),
        (lambda rgb: pictures.grey(pictures.darkened(rgb)), "dark"),
    ],
)
def test_tones_are_told_apart_with_noise_and_without_colour(degrade, expected, seed):
    assert judged(degrade(pictures.natural(seed=seed))) == expected


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 16), (130, 70)])
def test_a_photo_of_any_size_is_judged_with_shares_that_sum_to_one(size):
    tone = judge_tone(np.full((*size, 3), 0.4, np.float32))
    assert tone.fine + tone.dark + tone.veiled == pytest.approx(1)
    assert np.isfinite(tone_features(np.full((*size, 3), 0.4, np.float32))).all()


@pytest.mark.parametrize("through", [0.9, 0.5, 0.3])
def test_an_even_veil_takes_shade_away_and_leaves_its_shape(natural, through):
    clear = np.minimum(natural, AIR)
    veiled = clear * through + AIR * (1 - through)
    level, shape = airlight_contrast(clear, AIR)
    less, same = airlight_contrast(veiled, AIR)
    np.testing.assert_allclose(less - level, np.log(through), atol=1e-3)
    np.testing.assert_allclose(same, shape, atol=5e-3)


def test_how_deep_the_shade_should_be_does_not_depend_on_the_veil(natural):
    clear = np.minimum(natural, AIR)
    _, expected = expected_airlight_contrast(clear, AIR)
    level, still = expected_airlight_contrast(clear * 0.4 + AIR * 0.6, AIR)
    assert still == pytest.approx(expected, abs=0.02)
    assert level < still


@pytest.mark.parametrize("through", [0.9, 0.5, 0.3])
def test_a_grey_veil_moves_the_middle_and_leaves_the_shape_of_tones(natural, through):
    veiled = natural * through + AIR * (1 - through)
    middle, shape = shape_of_tones(natural)
    moved, same = shape_of_tones(veiled)
    assert moved == pytest.approx(middle * through + AIR[0] * (1 - through), abs=1e-3)
    np.testing.assert_allclose(same, shape, atol=0.05)
    assert expected_midtone(veiled) == pytest.approx(expected_midtone(natural), abs=0.01)
    # These are drawn, and darker than photos are.
    assert expected_midtone(natural) == pytest.approx(middle, abs=0.15)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 16), (1000, 2)])
def test_a_photo_of_any_size_has_an_expected_middle(size):
    assert 0.05 <= expected_midtone(np.full((*size, 3), 0.4, np.float32)) <= 0.95


def test_a_model_comes_back_as_it_was_saved_and_holds_outliers(tmp_path):
    features = np.random.default_rng(1).normal(size=(200, 3))
    model = dict(frame(features, outside=1.0))
    save_model(tmp_path / "model.json", model)
    loaded = load_model(tmp_path / "model.json")
    far, edge = np.full((1, 3), 1e9), np.full((1, 3), 50.0)
    np.testing.assert_array_equal(quadratic(far, loaded), quadratic(edge, loaded))
    np.testing.assert_allclose(quadratic(features, loaded), quadratic(features, model), atol=1e-3)
