"""Noise that black and white cut off: how much is left, and what the photo was before."""

import numpy as np
import pytest

from ldrps_engine.analysis.clipping import distance_to_bound, unclip, variance_left
from ldrps_engine.analysis.noise_spectrum import noise_sigma, noise_spectrum, sigma_before_clipping

RNG = np.random.default_rng(5)


def clipped(mean, sigma, count=200_000):
    return np.clip(mean + RNG.normal(0, sigma, count), 0, 1)


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_the_table_is_what_clipping_does(mean, sigma):
    samples = clipped(mean, sigma)
    left = variance_left(np.array([samples.mean()]), sigma)[0]
    assert left == pytest.approx(samples.var() / sigma**2, rel=0.03)
    if left < 0.9:
        assert distance_to_bound(np.array([left]))[0] * sigma == pytest.approx(
            samples.mean(), rel=0.05
        )


@pytest.mark.parametrize("mean", [0.0, 0.03, 0.2, 0.5, 0.8, 0.97, 1.0])
@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_a_mean_comes_back_from_behind_black_and_white(mean, sigma):
    found = unclip(np.array([clipped(mean, sigma).mean()], np.float32), sigma)[0]
    assert found == pytest.approx(mean, abs=0.04 * sigma)


def test_values_well_inside_and_beyond_stay():
    values = np.array([-0.2, 0.45, 0.6, 1.0, 1.4], np.float32)
    np.testing.assert_allclose(unclip(values, 0.02), values, atol=1e-6)
    np.testing.assert_array_equal(unclip(values, 0.0), values)


def scene(sigma, reduced):
    """White, greys and black with noise that was clipped, and then perhaps reduced."""
    # Of its own: tests that run beside one another share no stream of random numbers.
    rng = np.random.default_rng(1)
    size = 256 * reduced
    ramp = np.interp(np.arange(size) / size, (0, 0.25, 0.75, 1), (0, 0, 1, 1))
    picture = np.broadcast_to(ramp[:, None, None], (size, size, 3))
    noisy = np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 1)
    small = noisy.reshape(256, reduced, 256, reduced, 3).mean((1, 3))
    return small.astype(np.float32)


@pytest.mark.parametrize(("sigma", "reduced"), [(0.05, 1), (0.1, 1), (0.1, 2)])
def test_the_noise_before_it_was_clipped_and_reduced_is_found(sigma, reduced):
    noisy = scene(sigma, reduced)
    spectrum = noise_spectrum(noisy)
    assert noise_sigma(spectrum) == pytest.approx(sigma / reduced, rel=0.05)
    assert sigma_before_clipping(noisy, spectrum) == pytest.approx(sigma, rel=0.1)


def test_without_black_or_white_the_noise_was_never_clipped():
    grey = (0.5 + RNG.normal(0, 0.05, (128, 128, 3))).astype(np.float32)
    spectrum = noise_spectrum(grey)
    assert sigma_before_clipping(grey, spectrum) == noise_sigma(spectrum)


@pytest.mark.parametrize("size", [(4, 4, 3), (16, 16, 1), (200, 12, 3)])
def test_small_and_flat_photos_have_nothing_to_tell(size):
    flat = np.ones(size, np.float32)
    spectrum = noise_spectrum(np.ones((64, 64, size[2]), np.float32))
    assert sigma_before_clipping(flat, spectrum) < 1e-6
