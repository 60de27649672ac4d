"""The camera makes the noise that it says, and nothing else."""

import numpy as np
import pytest

from ldrps_engine.colour.srgb import to_linear
from support import pictures
from training.camera import Camera, demosaic, film, saved


def test_a_neutral_camera_changes_nothing_but_rounding():
    picture = pictures.natural()
    taken = Camera().take(picture, np.random.default_rng(0))
    np.testing.assert_allclose(taken, picture, atol=0.51 / 255 + 1e-4)


@pytest.mark.parametrize("value", [0.2, 0.5, 0.8])
def test_noise_in_light_is_poisson_and_gaussian_behind_white_balance(value):
    camera = Camera(shot=1e-4, read=0.002, balance=(2.0, 1.0, 1.5))
    flat = np.full((200, 200, 3), value, np.float32)
    light = to_linear(camera.take(flat, np.random.default_rng(0)))
    expected = camera.raw_deviation(to_linear(flat[0, 0]))
    # 40,000 samples; rounding to eight bits adds a few per cent.
    np.testing.assert_allclose(light.std((0, 1)), expected, rtol=0.08)
    assert expected[0] ** 2 == pytest.approx(1e-4 * to_linear(flat)[0, 0, 0] * 2 + (0.002 * 2) ** 2)


def test_the_tone_curve_moves_noise_and_keeps_the_scene():
    picture = pictures.natural()
    taken = Camera(contrast=0.7).take(picture, np.random.default_rng(0))
    np.testing.assert_allclose(taken, picture, atol=1.5 / 255)
    noisy = Camera(shot=2e-4, contrast=0.7)
    plain = Camera(shot=2e-4)
    middle = np.full((200, 200, 3), 0.5, np.float32)
    stds = [c.take(middle, np.random.default_rng(0)).std() for c in (noisy, plain)]
    # The S is steeper than one in the middle: 1 + 0.7 / 2.
    assert stds[0] / stds[1] == pytest.approx(1.35, rel=0.05)


def test_demosaicing_keeps_what_changes_slowly_and_blurs_noise():
    y, x = np.mgrid[:40, :60]
    ramp = np.stack([0.2 + 0.004 * x, 0.3 + 0.005 * y, 0.1 + 0.002 * (x + y)], -1)
    np.testing.assert_allclose(demosaic(ramp)[4:-4, 4:-4], ramp[4:-4, 4:-4], atol=0.02)
    white = np.random.default_rng(0).standard_normal((128, 128, 3))
    spectrum = np.abs(np.fft.fft2(demosaic(white)[..., 0])) ** 2
    low, high = spectrum[1:8, 1:8].mean(), spectrum[60:68, 60:68].mean()
    assert low > 2 * high


def test_jpeg_and_rounding():
    picture = pictures.natural()
    assert np.array_equal(saved(picture, 0) * 255, np.rint(picture * 255))
    assert 0 < np.abs(saved(picture, 60) - picture).mean() < 0.03


def test_drawn_cameras_are_noisy_and_keep_the_size():
    rng = np.random.default_rng(0)
    picture = pictures.natural()
    for _ in range(8):
        camera = Camera.drawn(rng)
        taken = camera.take(picture, rng)
        assert taken.shape == picture.shape
        assert camera.take(picture, rng).std() > 0
        assert np.abs(taken - camera.take(picture, rng)).mean() > 0.2 / 255


def test_grain_of_film_is_coarse_and_mostly_in_luminance():
    flat = np.full((128, 128, 3), 0.5, np.float32)
    grain = film(flat, np.random.default_rng(0)) - flat
    assert 3 / 255 < grain.std() < 30 / 255
    between = grain[:, 1:] - grain[:, :-1]
    # White noise differs between neighbours by the square root of two.
    assert between.std() < 1.3 * grain.std()
