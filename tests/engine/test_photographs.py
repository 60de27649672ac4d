"""Photos as photographers have them, through the whole engine: colour, depth, alpha, grey."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from ldrps_engine.colour.colour_space import colour_space, from_srgb
from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import Depth, Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures, profiles

RECIPES = ["low-light", "haze", "noise"]
DEGRADED = {
    "low-light": lambda clean: pictures.noisy(pictures.darkened(clean), 1),
    "haze": pictures.hazed,
    "noise": lambda clean: pictures.noisy(clean, 20),
}


def quick(recipe, **changes):
    plain = {"recipe": recipe, "steps": 2, "recurrences": 0}
    return Settings(**plain | changes)


@pytest.fixture(scope="module")
def clean():
    return pictures.natural(64, 96)


def in_space(picture, name, depth):
    """A photo of an sRGB picture in another space, rounded to its depth."""
    profile = profiles.KNOWN[name]
    values = from_srgb(picture, colour_space(profile, grey=False), np.zeros_like(picture))
    samples = np.clip(values, 0, 1) * depth.peak
    return Photo.from_samples(np.rint(samples).astype(depth.dtype), profile)


@pytest.mark.parametrize("name", ["adobe-rgb", "display-p3", "prophoto", "linear"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_photo_in_another_space_is_restored_alike(models, clean, recipe, name):
    degraded = np.clip(DEGRADED[recipe](clean), 0, 1)
    results = []
    for space in ("srgb", name):
        photo = in_space(degraded, space, Depth.U16)
        done = restore(photo, quick(recipe), models).photo
        assert done.icc_profile == profiles.KNOWN[space]
        results.append(rgb2lab(np.clip(to_working(done), 0, 1)))
    assert deltaE_ciede2000(*results).mean() < 1


def test_a_smooth_gradient_in_16_bits_keeps_more_than_ten_thousand_levels(models):
    y, x = np.mgrid[:120, :160]
    ramp = np.rint((x / 159 + y / (119 * 160)) / (1 + 1 / 160) * 65535).astype(np.uint16)
    samples = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1)
    assert len(np.unique(samples[..., 0])) > 19_000
    for recipe in ("low-light", "haze"):
        photo = Photo.from_samples(samples, profiles.KNOWN["adobe-rgb"])
        done = restore(photo, quick(recipe, noise_sigma=0.0), models).photo.to_samples()
        assert done.dtype == np.uint16
        assert len(np.unique(done)) > 10_000, recipe


@pytest.mark.parametrize("profile", [b"", profiles.KNOWN["linear"]], ids=["plain", "linear"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_highlights_above_white_survive(models, clean, recipe, profile):
    degraded = DEGRADED[recipe](clean).astype(np.float32)
    degraded[10:20, 10:20] = [3.0, 2.5, 2.0]
    photo = Photo.from_samples(degraded, profile)
    done = restore(photo, quick(recipe), models).photo.pixels
    inside = done[12:18, 12:18]
    assert inside.min() > 1
    # Their order is kept: they are brighter than all else, and red is most.
    assert inside[..., 0].min() > inside[..., 2].max()
    assert inside.mean() > np.delete(done.mean(2), np.s_[8:22], axis=0).max()


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_cannot_be_seen_plays_no_part(models, clean, recipe):
    alpha = np.full(clean.shape[:2], 255, np.uint8)
    alpha[20:50, 30:70] = 0
    alpha[:, 80:] = 100
    degraded = np.clip(DEGRADED[recipe](clean), 0, 1).astype(np.float32)
    results = []
    for fill in ([0, 0, 0], [1, 0, 1]):
        pixels = np.where(alpha[..., None] > 0, degraded, np.float32(fill)).astype(np.float32)
        photo = Photo(pixels, Depth.U8, alpha)
        results.append(restore(photo, quick(recipe), models).photo)
        assert np.array_equal(results[-1].alpha, alpha)
        assert np.array_equal(results[-1].pixels[alpha == 0], pixels[alpha == 0])
    seen = [done.to_samples()[alpha > 0] for done in results]
    assert np.array_equal(*seen)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("recipe", [*RECIPES, "auto", "old-photo"])
def test_a_grey_photo_stays_grey(models, clean, recipe, channels):
    degraded = DEGRADED.get(recipe, DEGRADED["low-light"])(pictures.grey(clean))
    photo = Photo.from_samples(pictures.samples(degraded[..., :channels], np.uint16))
    if channels == 3:
        photo = photo.with_pixels(np.repeat(photo.pixels[..., :1], 3, axis=2))
    done = restore(photo, quick(recipe), models).photo
    assert done.pixels.shape == photo.pixels.shape
    assert np.ptp(done.to_samples().astype(int), axis=2).max() == 0


def test_a_grey_photo_is_given_colour_where_that_is_asked_for(models, clean):
    grey = pictures.samples(pictures.grey(clean)[..., :1], np.uint8)
    photo = Photo.from_samples(grey, profiles.GREYS["grey-gamma-2.2"])
    done = restore(photo, quick("colour"), models).photo
    assert done.pixels.shape == (64, 96, 3)
    assert done.icc_profile == b""
