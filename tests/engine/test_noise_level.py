"""Noise is measured at every brightness and in each channel, and made the same everywhere."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.noise_level import EVEN, KNOTS, Level, growth, measure_noise, noise_level
from ldrps_engine.analysis.noise_spectrum import noise_sigma
from support import pictures

# A filter set 20 % too strong or too weak loses about 0.2 dB; the issue asks for 15 % on the mean.
CLOSE = 0.15
PLACES = np.linspace(0.15, 0.85, 8)


def ramp(height=192, width=256):
    """Brightness from black to white with edges in it, as a chart has."""
    steps = np.repeat(np.linspace(0.08, 0.92, 16), width // 16)
    return np.broadcast_to(steps[None, :, None], (height, width, 3)).astype(np.float32)


def noisy(picture, deviation, seed=0):
    """Noise whose standard deviation (same shape, or a function of values) is not one figure."""
    rng = np.random.default_rng(seed)
    sigma = deviation(picture)
    return np.clip(picture + sigma * rng.standard_normal(picture.shape), 0, 1).astype(np.float32)


def grows(values):
    """Noise as in a linear picture: Poisson and Gaussian."""
    return np.sqrt(0.004**2 + 0.008 * values)


def falls(values):
    """Noise as after a steep tone curve: strongest in the shadows."""
    return 0.05 * np.exp(-1.6 * values)


def in_places(noise, deviation):
    """Ratio of measured to true deviation at several brightnesses, (8, 3)."""
    values = np.repeat(PLACES[:, None], 3, axis=1).astype(np.float32)
    return noise.at(values) / deviation(values)


@pytest.mark.parametrize("deviation", [grows, falls])
@pytest.mark.parametrize("make", [ramp, lambda: pictures.natural(192, 256)])
def test_the_level_is_right_at_each_brightness(make, deviation):
    found = measure_noise(noisy(make(), deviation))
    assert not found.level.is_even
    ratio = in_places(found, deviation)
    assert np.sqrt(np.mean(np.log(ratio) ** 2)) < CLOSE


@pytest.mark.parametrize(
    ("power", "made"), [(1.0, lambda v: 0.09 * v), (0.5, lambda v: 0.07 * v**0.5), (-0.8, falls)]
)
def test_growth_is_the_power_of_brightness_in_which_noise_grows(power, made):
    """Texture is a share of the light it is seen in; a camera's noise grows by less than none."""
    picture = ramp()
    assert growth(picture, measure_noise(noisy(picture, made)).level) == pytest.approx(
        power, abs=0.25
    )


def test_growth_of_even_noise_and_in_black_alone_is_none():
    assert growth(ramp(), Level.even(3)) == 0
    black = np.full((64, 64, 3), 0.01, np.float32)
    assert growth(black, Level(np.linspace(1, 4, 17)[None].repeat(3, 0), np.ones(3))) == 0


def test_the_level_is_each_channels_own():
    strength = np.array([1.0, 0.5, 2.0], np.float32)
    found = measure_noise(noisy(ramp(), lambda values: strength * grows(values)))
    red, green, blue = found.at(np.full((1, 3), 0.5, np.float32))[0]
    assert red / green == pytest.approx(2, rel=0.2)
    assert blue / green == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sigma", [5, 12, 25])
def test_white_noise_stays_what_it_was(sigma, seed):
    # Whatever is not shown to be otherwise goes the way it always went, to the bit.
    picture = np.clip(pictures.noisy(pictures.natural(seed=seed), sigma), 0, 1)
    level = noise_level(picture)
    assert level.is_even
    assert level.stabilise(picture) is picture


def test_a_photo_without_noise_has_an_even_level():
    assert noise_level(np.full((64, 80, 3), 0.5, np.float32)).is_even


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_have_an_even_level(value):
    found = measure_noise(np.full((64, 80, 3), value, np.float32))
    assert found.level.is_even
    assert found.sigma < 1e-5


@pytest.mark.parametrize("size", [(16, 16), (16, 300), (17, 23)])
def test_the_smallest_photos_can_be_measured(size):
    picture = noisy(np.full((*size, 3), 0.5, np.float32), lambda values: 0.04 + 0 * values)
    assert measure_noise(picture).sigma == pytest.approx(0.04, rel=0.5)


def test_a_grey_raster_has_one_level():
    found = measure_noise(noisy(ramp()[..., :1], grows))
    assert found.level.curve.shape == (1, len(KNOTS))
    assert found.spectrum.shape[0] == 1


@pytest.fixture
def uneven():
    return Level(np.stack([0.2 + 2 * KNOTS, 1.5 - KNOTS, 0.5 + KNOTS]), np.ones(3))


def test_stabilised_values_are_those_on_the_curve_and_go_on_as_steep_beyond_it():
    level = Level(np.stack([1 + np.arange(17.0)] * 3), np.ones(3))
    values = np.linspace(0, 1, 70_000, dtype=np.float32)
    found = level.stabilise(np.stack([values] * 3, axis=-1))
    wanted = np.interp(values, np.linspace(0, 1, 1025), level._stabilised[0])
    assert np.array_equal(found[:, 0], wanted.astype(np.float32))
    below, black, white, beyond = level.stabilise(np.float32([[-0.001, 0, 1, 1.001]]).T)[:, 0]
    near = level.stabilise(np.float32([[0.0009, 0.9991]]).T)[:, 0]
    assert black - below == pytest.approx((near[0] - black) / 0.9, rel=1e-3)
    assert beyond - white == pytest.approx((white - near[1]) / 0.9, rel=1e-3)


def test_stabilised_noise_is_equally_strong_everywhere(uneven):
    picture = ramp()
    relative = uneven.relative(picture)
    stabilised = uneven.stabilise(
        picture + 0.01 * relative * np.random.default_rng(0).standard_normal(picture.shape)
    )
    sigmas = stabilised.reshape(192, 16, 16, 3)[:, :, 2:-2].std((0, 2))
    # Each is of 2304 samples: within 3 % or so.
    assert np.all(np.abs(sigmas / sigmas.mean(0) - 1) < 0.1)


def test_the_sigma_of_a_photo_is_the_root_mean_square_of_its_levels():
    picture = ramp()
    found = measure_noise(noisy(picture, grows))
    true = np.sqrt((grows(picture) ** 2).mean())
    assert found.sigma == pytest.approx(true, rel=CLOSE)
    assert replace(found, level=EVEN, relative_rms=1.0).sigma == noise_sigma(found.spectrum)


def test_channels_whose_noise_black_has_cut_off_are_taken_to_be_as_strong_as_the_rest():
    # Red and green lie at black, where nothing is left that tells how strong their noise was.
    flat = np.broadcast_to(np.float32([0.0, 0.0, 0.4]), (128, 192, 3))
    grain = np.random.default_rng(3).standard_normal(flat.shape).astype(np.float32)
    found = measure_noise(np.clip(flat + np.float32(0.1) * grain, 0, 1))
    assert found.level.strength == pytest.approx([1, 1, 1], abs=0.25)
