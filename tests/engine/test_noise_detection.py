"""Texture is told from noise, in photos of any size and kind."""

import numpy as np
import pytest
from PIL import Image

from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.noise_detection import MODEL, noise_features, shows_noise
from ldrps_engine.analysis.noise_spectrum import noise_sigma, noise_spectrum
from ldrps_engine.analysis.regression import load_model, quadratic
from support import pictures

VISIBLE = 4.5
FEATURES = 39


def judged(picture):
    return shows_noise(picture, noise_spectrum(picture))


def saved_as_jpeg(picture, quality):
    image = Image.fromarray(pictures.samples(picture, np.uint8))
    return pictures.photo_of(pictures.as_jpeg(image, quality), (0, 0, *image.size))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_texture_that_is_measured_as_noise_is_not_called_so(seed):
    picture = pictures.textured(seed=seed)
    assert noise_sigma(noise_spectrum(picture)) * 255 > VISIBLE
    assert judged(picture) < 0.5
    found = diagnose(picture)
    assert found.noise_sigma == VISIBLE
    assert not found.is_noisy


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sigma", [8, 25])
@pytest.mark.parametrize("make", [pictures.natural, pictures.textured])
def test_noise_is_called_so_with_its_figure_on_texture_as_well(make, sigma, seed):
    picture = np.clip(pictures.noisy(make(seed=seed), sigma), 0, 1)
    found = diagnose(picture)
    assert found.is_noisy
    assert found.noise_sigma == noise_sigma(noise_spectrum(picture)) * 255


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sigma", [10, 25])
def test_noise_of_a_grey_photo_is_judged_to_be_noise(sigma, seed):
    grey = pictures.noisy(pictures.grey(pictures.natural(seed=seed))[..., :1], sigma)
    assert judged(grey) > 0.5
    assert diagnose(np.repeat(grey, 3, axis=2)).is_noisy


def test_who_judges_noise_of_cameras_is_not_heard_on_white_noise(natural, monkeypatch):
    monkeypatch.setattr("ldrps_engine.analysis.diagnosis.all_is_noise", lambda *_: 1e-9)
    grey = pictures.grey(natural)[..., :1]
    assert diagnose(np.repeat(pictures.noisy(grey, 10), 3, axis=2)).is_noisy
    # Noise whose neighbours are alike is not white.
    white = pictures.noisy(np.zeros_like(grey), 20)
    smooth = (white + np.roll(white, 1, 0) + np.roll(white, 1, 1) + np.roll(white, 1, (0, 1))) / 2
    assert not diagnose(np.repeat(grey + smooth, 3, axis=2)).is_noisy


def test_noise_that_chroma_shows_is_not_doubted(natural, monkeypatch):
    monkeypatch.setattr("ldrps_engine.analysis.diagnosis.shows_noise", lambda *_: 0.0)
    assert diagnose(pictures.noisy(natural, 10)).is_noisy
    grey = pictures.noisy(pictures.grey(natural)[..., :1], 10)
    assert not diagnose(grey).is_noisy


@pytest.mark.parametrize(("sigma", "quality"), [(25, 60), (15, 80), (25, 80)])
def test_noise_is_still_seen_after_a_jpeg_has_taken_its_chroma(sigma, quality):
    noisy = pictures.noisy(pictures.natural(192, 256), sigma)
    assert diagnose(saved_as_jpeg(noisy, quality)).is_noisy


def test_a_person_who_says_noise_is_believed():
    picture = pictures.textured()
    measured = noise_sigma(noise_spectrum(picture)) * 255
    assert diagnose(picture, "noise").noise_sigma == measured
    assert diagnose(picture, noise=9.0).noise_sigma == 9.0


def test_noise_too_weak_to_be_called_so_keeps_its_figure(monkeypatch):
    # Light may be brought back to it, and the judge has learnt from none so weak.
    monkeypatch.setattr("ldrps_engine.analysis.diagnosis.shows_noise", lambda *_: 0.0)
    weak = pictures.noisy(pictures.natural(), 3)
    assert diagnose(weak).noise_sigma == noise_sigma(noise_spectrum(weak)) * 255


@pytest.mark.parametrize("size", [(16, 16), (16, 300), (17, 23), (300, 8), (131, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_photos_of_any_size_have_features(size, channels):
    shape = (*size, channels)
    rng = np.random.default_rng(1)
    for picture in (
        np.zeros(shape),
        np.full(shape, 0.5),
        np.ones(shape),
        rng.normal(0.5, 0.5, shape),
        rng.normal(0, 50, shape),
    ):
        picture = picture.astype(np.float32)
        with np.errstate(all="raise"):
            features = noise_features(picture, noise_spectrum(picture))
        assert features.shape == (FEATURES,)
        assert np.isfinite(features).all()
        assert 0 <= judged(picture) <= 1


def test_one_channel_is_judged_as_three_that_are_the_same():
    grey = pictures.noisy(pictures.grey(pictures.natural())[..., :1], 12)
    three = np.repeat(grey, 3, axis=2)
    one = noise_features(grey, noise_spectrum(grey))
    np.testing.assert_allclose(one, noise_features(three, noise_spectrum(three)), atol=1e-3)
    assert judged(grey) > 0.5


def test_a_large_photo_is_reduced_in_bands(monkeypatch):
    picture = pictures.noisy(np.full((1024, 64, 3), 0.5, np.float32), 10)
    spectrum = noise_spectrum(picture)
    whole = noise_features(picture, spectrum)
    monkeypatch.setattr("ldrps_engine.analysis.noise_detection._MOST_PIXELS", 1024 * 64 // 4)
    # Of even noise a quarter tells as much.
    np.testing.assert_allclose(noise_features(picture, spectrum), whole, atol=0.15)


def test_the_model_fits_the_features():
    model = load_model(MODEL)
    assert len(model["mean"]) == FEATURES
    assert model["weights"].shape == (quadratic(np.zeros((1, FEATURES)), model).shape[1],)
