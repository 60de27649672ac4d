"""Noise is measured blind: right for noise that we added, nothing where there is none."""

import numpy as np
import pytest

from ldrps_engine.analysis.noise_spectrum import (
    OPPONENT,
    PATCH,
    dct_matrix,
    is_white,
    noise_sigma,
    noise_spectrum,
    raw_spectrum,
)
from support import pictures


def measured(picture):
    return noise_sigma(noise_spectrum(picture)) * 255


@pytest.mark.parametrize("sigma", [5, 10, 15, 20, 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_sigma_of_white_noise_is_found(sigma, seed):
    # A filter set 20 % too strong or too weak loses about 0.2 dB: nobody sees that.
    noisy = pictures.noisy(pictures.natural(seed=seed), sigma)
    assert measured(noisy) == pytest.approx(sigma, rel=0.2)


@pytest.mark.parametrize("sigma", [15, 25])
def test_sigma_of_a_grey_raster_is_found(natural, sigma):
    noisy = pictures.noisy(natural[..., :1], sigma)
    assert noise_spectrum(noisy).shape == (1, PATCH, PATCH)
    assert measured(noisy) == pytest.approx(sigma, rel=0.2)


def test_a_clean_picture_has_less_noise_than_a_person_sees(natural):
    assert measured(natural) < 2


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_flat_picture_has_no_noise(value):
    # Up to the rounding of single floats.
    assert measured(np.full((64, 80, 3), value, np.float32)) < 1e-3


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 300), (17, 23)])
def test_the_smallest_photos_can_be_measured(height, width):
    noisy = pictures.noisy(np.full((height, width, 3), 0.5, np.float32), 10)
    # 81 overlapping patches at worst: the median of so few is not exact.
    assert measured(noisy) == pytest.approx(10, rel=0.5)


def test_white_noise_has_a_flat_spectrum():
    spectrum = noise_spectrum(pictures.noisy(np.full((128, 128, 3), 0.5, np.float32), 10)) * 255
    assert spectrum.shape == (3, PATCH, PATCH)
    # Medians of some 300 flattest patches are within 20 % or so; the largest of 192 of them.
    assert np.all((spectrum > 6.5) & (spectrum < 14))


@pytest.mark.parametrize("make", [pictures.natural, pictures.textured])
@pytest.mark.parametrize("seed", [1, 2])
def test_texture_is_not_as_strong_in_its_finest_details_as_white_noise(make, seed):
    assert not is_white(raw_spectrum(pictures.grey(make(seed=seed))[..., :1]))
    flat = pictures.grey(pictures.natural(seed=seed))[..., :1]
    assert is_white(raw_spectrum(pictures.noisy(flat, 15)))


def test_noise_that_was_resized_has_a_falling_spectrum(natural):
    white = np.random.default_rng(0).normal(0, 20 / 255, (98, 130, 3))
    smooth = sum(
        weight_y * weight_x * white[y : y + 96, x : x + 128]
        for y, weight_y in enumerate((0.25, 0.5, 0.25))
        for x, weight_x in enumerate((0.25, 0.5, 0.25))
    )
    spectrum = noise_spectrum((natural + smooth).astype(np.float32))
    low, high = spectrum[:, 1:3, 1:3].mean(), spectrum[:, 6:, 6:].mean()
    # The kernel passes 0.9 there and 0.01 here; texture and edges leave a little more.
    assert low > 5 * high
    assert not is_white(spectrum)


def test_black_and_white_that_cut_noise_off_do_not_hide_it():
    half = np.where(np.arange(128)[None, :, None] < 80, 0.0, 0.5)
    noisy = np.clip(pictures.noisy(np.broadcast_to(half, (96, 128, 3)), 15), 0, 1)
    assert measured(noisy) == pytest.approx(15, rel=0.2)


def test_transforms_are_orthonormal():
    # White noise keeps its sigma only so.
    assert np.allclose(OPPONENT @ OPPONENT.T, np.eye(3), atol=1e-6)
    for size in (8, 16):
        assert np.allclose(dct_matrix(size) @ dct_matrix(size).T, np.eye(size), atol=1e-6)
