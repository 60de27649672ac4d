"""Verdicts on the tones of a photo."""

import numpy as np
import pytest

from ldrps_engine.analysis.regression import frame, load_model, quadratic, save_model
from ldrps_engine.analysis.tone import judge_tone, tone_features
from support import pictures


def judged(rgb):
    tone = judge_tone(rgb)
    return max(("fine", "dark", "hazy"), key=lambda name: getattr(tone, name))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("degrade", "expected"),
    [
        (np.asarray, "fine"),
        (pictures.darkened, "dark"),
        (pictures.hazed, "hazy"),
        (lambda rgb: pictures.noisy(rgb, 30), "fine"),
        (lambda rgb: pictures.grey(pictures.darkened(rgb)), "dark"),
    ],
)
def test_tones_are_distinguished_with_noise_and_without_colour(degrade, expected, seed):
    assert judged(degrade(pictures.natural(seed=seed))) == expected


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 16), (130, 70)])
def test_a_photo_of_any_size_is_judged_with_shares_that_sum_to_one(size):
    tone = judge_tone(np.full((*size, 3), 0.4, np.float32))
    assert tone.fine + tone.dark + tone.hazy == pytest.approx(1)
    assert np.isfinite(tone_features(np.full((*size, 3), 0.4, np.float32))).all()


def test_a_model_comes_back_as_it_was_saved_and_holds_outliers(tmp_path):
    features = np.random.default_rng(1).normal(size=(200, 3))
    model = dict(frame(features, outside=1.0))
    save_model(tmp_path / "model.json", model)
    loaded = load_model(tmp_path / "model.json")
    far, edge = np.full((1, 3), 1e9), np.full((1, 3), 50.0)
    np.testing.assert_array_equal(quadratic(far, loaded), quadratic(edge, loaded))
    np.testing.assert_allclose(quadratic(features, loaded), quadratic(features, model), atol=1e-3)
