"""Measurements of a photo's own bytes are those of their display values."""

from dataclasses import asdict

import numpy as np
import pytest

from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.inset import diagnose_photo
from ldrps_engine.analysis.known import Known
from ldrps_engine.analysis.resampling import means_of_squares, reduce, reduce_part
from ldrps_engine.analysis.samples import display, highest, in_steps, lowest
from ldrps_engine.colour.working import plain_bytes, to_working
from ldrps_engine.photo import Photo
from support import pictures


@pytest.fixture(scope="module")
def noisy():
    """Bytes (240, 320, 3) of a noisy photo with a hot pixel."""
    samples = np.rint(np.clip(pictures.noisy(pictures.natural(240, 320), 12), 0, 1) * 255)
    samples[120, 160] = (250, 10, 10)
    return samples.astype(np.uint8)


def test_bytes_and_display_values_are_the_same_to_every_caller(noisy):
    values = noisy / np.float32(255)
    np.testing.assert_array_equal(display(noisy), values)
    assert display(values) is values
    np.testing.assert_allclose(in_steps(values), in_steps(noisy), rtol=1e-6)
    np.testing.assert_allclose(means_of_squares(noisy, 3), means_of_squares(values, 3), rtol=1e-5)


def test_both_are_measured_alike(noisy):
    (found, mended), (of_values, also) = (
        Known.of(samples) for samples in (noisy, noisy / np.float32(255))
    )
    assert mended.dtype == np.uint8
    assert np.abs(display(mended) - also).max() <= 0.5001 / 255
    assert (found.hot_pixels, found.blocks) == (of_values.hot_pixels, of_values.blocks)
    assert found.noise.sigma == pytest.approx(of_values.noise.sigma, rel=1e-3)


def test_a_photo_is_diagnosed_from_its_bytes_as_from_its_values(noisy):
    photo = Photo.from_samples(noisy)
    of_bytes = diagnose_photo(photo)
    of_values = diagnose(to_working(photo))
    assert of_bytes.words() == of_values.words()
    for name, share in of_values.probabilities.items():
        assert of_bytes.probabilities[name] == pytest.approx(share, abs=1e-3), name
    assert asdict(of_bytes)["noise_sigma"] == pytest.approx(of_values.noise_sigma, rel=1e-3)


def test_only_bytes_that_say_all_are_taken_for_the_photo(noisy):
    opaque, hidden = (np.dstack([noisy, np.full((240, 320), 255, np.uint8)]) for _ in range(2))
    hidden[:9, :, 3] = 0
    np.testing.assert_array_equal(plain_bytes(Photo.from_samples(opaque)), noisy)
    made_of_values = Photo.from_samples(noisy).with_pixels(noisy / np.float32(255))
    for photo in (
        Photo.from_samples(hidden),
        Photo.from_samples(noisy[..., :1]),
        Photo.from_samples(noisy.astype(np.uint16)),
        made_of_values,
    ):
        assert plain_bytes(photo) is None


@pytest.mark.parametrize("size", [(30, 40), (200, 250)])
def test_a_part_of_a_reduced_photo_is_what_the_whole_has_there(noisy, size):
    part = slice(3, 17), slice(8, 31)
    np.testing.assert_allclose(
        reduce_part(noisy, size, part, smooth=True),
        reduce(noisy, size, smooth=True)[part],
        rtol=1e-5,
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_highest_and_the_lowest_channel_are_numpys(channels):
    values = np.random.default_rng(channels).normal(size=(5, 4, channels)).astype(np.float32)
    np.testing.assert_array_equal(highest(values), values.max(-1))
    np.testing.assert_array_equal(lowest(values), values.min(-1))
