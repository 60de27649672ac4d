"""Working copy of a photo for the engine, and the way back to the photo."""

import numpy as np
import pytest

from ldrps_engine.analysis.noise_spectrum import noise_sigma, noise_spectrum
from ldrps_engine.colour.colour_space import colour_space, from_srgb
from ldrps_engine.colour.srgb import to_linear
from ldrps_engine.colour.working import from_working, neutral, to_working
from ldrps_engine.photo import Depth, Photo
from support import pictures, profiles


def in_space(picture, name):
    """A photo of an sRGB picture (H, W, 3) in another space, unrounded."""
    profile = profiles.KNOWN[name]
    white = np.zeros_like(picture)
    values = from_srgb(picture, colour_space(profile, grey=False), white)
    return Photo(values, Depth.F32, None, profile)


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("profile", ["", *profiles.KNOWN])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_nothing_done_is_nothing_changed(depth, profile, channels):
    rng = np.random.default_rng(channels)
    samples = (rng.random((20, 30, channels)) * depth.peak).astype(depth.dtype)
    photo = Photo.from_samples(samples, profiles.KNOWN.get(profile, b""))
    rgb = to_working(photo)
    assert rgb.shape == (20, 30, 3)
    assert np.array_equal(from_working(rgb, photo).to_samples(), samples)


@pytest.mark.parametrize("name", profiles.KNOWN)
def test_the_same_photo_in_any_space_is_one_picture(name):
    picture = pictures.natural(48, 64)
    limit = 5 / 255 if name.endswith("-tables") else 1e-4
    assert np.abs(to_working(in_space(picture, name)) - picture).max() < limit


def test_grey_in_a_grey_space():
    photo = Photo(
        np.full((16, 16, 1), 0.5, np.float32), Depth.F32, None, profiles.GREYS["grey-linear"]
    )
    assert to_linear(to_working(photo)) == pytest.approx(0.5, abs=1e-3)
    brighter = from_working(to_working(photo) + np.float32(0.1), photo)
    assert brighter.pixels.shape == (16, 16, 1)
    assert brighter.pixels.min() > 0.6


def test_highlights_above_white_survive():
    pixels = np.full((16, 16, 3), 7.5, np.float32)
    for profile in (b"", profiles.KNOWN["linear"], profiles.KNOWN["prophoto"]):
        photo = Photo(pixels, Depth.F32, None, profile)
        brighter = from_working(to_working(photo) * np.float32(1.1), photo)
        assert brighter.pixels.min() > 7.5


def test_a_smooth_gradient_in_16_bits_keeps_its_levels():
    ramp = np.linspace(0, 65535, 16_000).astype(np.uint16).reshape(100, 160)
    samples = np.stack([ramp] * 3, axis=-1)
    for profile in ("", "adobe-rgb", "prophoto", "display-p3"):
        photo = Photo.from_samples(samples, profiles.KNOWN.get(profile, b""))
        darker = from_working(to_working(photo) * np.float32(0.9), photo).to_samples()
        assert len(np.unique(darker[..., 1])) > 10_000


def hidden(picture, fill):
    """A photo whose middle cannot be seen, with something else in there."""
    pixels = picture.copy()
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[20:70, 30:100] = 0
    alpha[5:10] = 0
    alpha[80:90, 10:20] = 128
    pixels[alpha == 0] = fill
    return Photo(pixels, Depth.U8, alpha, b"")


def test_invisible_pixels_do_not_leak():
    picture = pictures.natural()
    black, pink = (to_working(hidden(picture, fill)) for fill in (0.0, (1.0, 0.0, 1.0)))
    assert np.array_equal(black, pink)
    visible = hidden(picture, 0.0).alpha > 0
    assert np.array_equal(black[visible], picture[visible])


def test_the_shadow_that_a_mount_leaves_at_the_edge_is_not_mirrored():
    rows, columns = np.mgrid[-192:192, -192:192]
    far = np.hypot(rows, columns)
    pixels = pictures.natural(384, 384)
    edge = (far < 180) & (far > 178)
    pixels[edge] = 0, 0, 0
    alpha = np.where(far < 180, 255, 0).astype(np.uint8)
    seen = to_working(Photo(pixels, Depth.U8, alpha, b""))
    assert (seen[edge] == 0).all()
    assert seen[far >= 180].min() > 0


def test_invisible_pixels_and_alpha_are_what_they_were():
    photo = hidden(pictures.natural(), (0.2, 0.4, 0.6))
    done = from_working(1 - to_working(photo), photo)
    invisible = photo.alpha == 0
    assert np.array_equal(done.alpha, photo.alpha)
    assert np.array_equal(done.pixels[invisible], photo.pixels[invisible])
    assert not np.array_equal(done.pixels[~invisible], photo.pixels[~invisible])


def test_noise_is_measured_as_if_all_were_visible():
    """A cut-out's empty surroundings are neither clean nor black."""
    picture = pictures.noisy(pictures.natural(192, 256), 20)
    alpha = np.zeros(picture.shape[:2], np.uint8)
    alpha[48:144, 64:192] = 255
    rgb = to_working(Photo(np.where(alpha[..., None] > 0, picture, 0), Depth.U8, alpha, b""))
    measured = noise_sigma(noise_spectrum(rgb)) * 255
    assert measured == pytest.approx(20, rel=0.2)


@pytest.mark.parametrize("alpha", [np.zeros((96, 128), np.uint8), np.full((96, 128), 9, np.uint8)])
def test_all_or_nothing_visible(alpha):
    photo = Photo(hidden(pictures.natural(), 0.5).pixels, Depth.U8, alpha)
    assert np.array_equal(to_working(photo), photo.pixels)


def test_a_photo_that_stays_grey_keeps_its_own_tint():
    grey = pictures.grey(pictures.natural())
    tinted = grey + np.array([0.004, 0, -0.004], np.float32)
    done = neutral(np.clip(tinted * np.array([1.3, 1.1, 1.0], np.float32), 0, 1), tinted)
    assert np.abs((done[..., 0] - done[..., 2]) - 0.008).max() < 1e-6
    assert done.mean() > tinted.mean()


def test_a_grey_photo_that_was_given_colour_is_srgb():
    photo = Photo.from_samples(np.full((16, 16, 2), 99, np.uint8), profiles.GREYS["grey-gamma-2.2"])
    done = from_working(to_working(photo) * np.array([1, 0.5, 0], np.float32), photo, coloured=True)
    assert done.pixels.shape == (16, 16, 3)
    assert done.icc_profile == b""
    assert np.array_equal(done.alpha, photo.alpha)
