"""A photo's samples come back as they went in, whatever their depth and channels."""

import numpy as np
import pytest

from ldrps_engine.errors import LimitError, PhotoError
from ldrps_engine.photo import Depth, Photo, check_size

DEPTHS = ["uint8", "uint16", "float16", "float32"]


def all_values(dtype, channels):
    """Samples that hold every value of 8 and 16 bits, and floats well outside [0, 1]."""
    kind = np.dtype(dtype)
    shape = (256, 257, channels)
    count = int(np.prod(shape))
    if kind.kind == "u":
        return (np.arange(count) % (np.iinfo(kind).max + 1)).astype(kind).reshape(shape)
    return np.random.default_rng(0).normal(0.5, 3, shape).astype(kind)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_samples_come_back_to_the_bit(dtype, channels):
    samples = all_values(dtype, channels)
    photo = Photo.from_samples(samples, b"profile")
    back = photo.to_samples()
    assert back.dtype == np.dtype(dtype)
    assert np.array_equal(back, samples)
    assert photo.icc_profile == b"profile"
    assert photo.is_grey == (channels < 3)
    assert (photo.alpha is not None) == (channels in (2, 4))
    assert (photo.width, photo.height) == (257, 256)


def test_a_plain_grey_raster_has_one_channel():
    photo = Photo.from_samples(np.full((16, 20), 51, np.uint8))
    assert photo.pixels.shape == (16, 20, 1)
    assert photo.pixels.max() == np.float32(0.2)


def test_the_other_byte_order_means_the_same():
    samples = all_values("uint16", 3)
    photo = Photo.from_samples(samples.astype(">u2"))
    assert np.array_equal(photo.to_samples(), samples)


@pytest.mark.parametrize("depth", Depth)
def test_peak_means_white(depth):
    white = np.full((16, 16, 3), depth.peak).astype(depth.dtype)
    assert np.all(Photo.from_samples(white).pixels == 1.0)


def test_integers_are_rounded_and_held_to_their_range():
    photo = Photo(np.array([-1, 0.4 / 255, 0.6 / 255, 2], np.float32).reshape(2, 2, 1))
    assert photo.to_samples().flatten().tolist() == [0, 0, 1, 255]


def test_with_pixels_keeps_everything_else():
    photo = Photo.from_samples(all_values("uint16", 4), b"profile")
    other = photo.with_pixels(photo.pixels * 0)
    assert other.to_samples()[..., :3].max() == 0
    assert np.array_equal(other.to_samples()[..., 3], photo.to_samples()[..., 3])
    assert (other.depth, other.icc_profile) == (Depth.U16, b"profile")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_pixels_that_are_not_numbers_are_refused(dtype, value):
    samples = np.zeros((16, 16, 3), dtype)
    samples[7, 9, 1] = value
    with pytest.raises(PhotoError, match="NaN or infinity"):
        Photo.from_samples(samples)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "float64", "bool", "complex64"])
def test_other_sample_types_are_refused_by_name(dtype):
    with pytest.raises(PhotoError, match=f"samples are {dtype}"):
        Photo.from_samples(np.zeros((16, 16, 3), dtype))


@pytest.mark.parametrize("shape", [(16,), (16, 16, 0), (16, 16, 5), (2, 16, 16, 3)])
def test_other_layouts_are_refused(shape):
    with pytest.raises(PhotoError, match="give 1 to 4 channels"):
        Photo.from_samples(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "size",
    [(1, 1), (15, 16), (16, 15), (0, 40), (1, 5000), (65_536, 2000), (10_001, 10_000), (1025, 16)],
)
def test_sizes_that_cannot_be_restored_are_refused_with_the_size(size):
    with pytest.raises(LimitError, match=f"{size[0]}x{size[1]}"):
        check_size(*size)


@pytest.mark.parametrize("size", [(16, 16), (1024, 16), (16, 1024), (10_000, 10_000)])
def test_sizes_at_the_limits_are_taken(size):
    check_size(*size)


def test_a_raster_is_measured_before_it_is_converted():
    endless = np.broadcast_to(np.uint8(0), (60_000, 60_000, 3))
    with pytest.raises(LimitError):
        Photo.from_samples(endless)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("value", "stored"), [(65504, 65504), (65520, 65504), (3e38, 65504)])
def test_half_floats_beyond_the_largest_become_the_largest(value, stored, sign):
    photo = Photo(np.full((16, 16, 3), sign * value, np.float32), Depth.F16)
    assert (photo.to_samples() == sign * stored).all()
