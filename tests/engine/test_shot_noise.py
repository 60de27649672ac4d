"""Noise that grows with light is filtered as strongly as it is, before it is brought to light."""

import numpy as np
import pytest

from ldrps_engine.colour.srgb import to_display, to_linear
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures
from training.metrics import psnr


def shot(picture, electrons, seed=0):
    """The picture with Poisson noise of so many electrons at white."""
    rng = np.random.default_rng(seed)
    light = rng.poisson(to_linear(np.clip(picture, 0, 1)) * electrons) / electrons
    return np.clip(to_display(light.astype(np.float32)), 0, 1)


def photo_of(picture):
    return Photo.from_samples(pictures.samples(picture, np.uint8))


def test_shot_noise_of_a_dark_photo_is_not_brought_to_light(models):
    dark = pictures.darkened(pictures.natural(128, 160), 0.08)
    settings = Settings(recipe="low-light", steps=2, recurrences=0)
    noisy = photo_of(shot(dark, 2000))
    found = restore(noisy, settings, models)
    plain = Settings(recipe="low-light", steps=2, recurrences=0, noise_sigma=0.0)
    truth = restore(photo_of(dark), plain, models).photo.pixels
    unfiltered = restore(noisy, plain, models).photo.pixels
    assert found.diagnosis.noise_sigma > 2
    assert psnr(found.photo.pixels, truth) > psnr(unfiltered, truth) + 4


@pytest.mark.parametrize("recipe", ["auto", "fast"])
def test_noise_that_grows_with_brightness_is_filtered_everywhere(models, recipe):
    clean = pictures.natural(128, 192)
    deviation = 0.01 + 0.13 * clean**1.5
    noise = deviation * np.random.default_rng(0).standard_normal(clean.shape)
    noisy = np.clip(clean + noise, 0, 1).astype(np.float32)
    result = restore(photo_of(noisy), Settings(recipe=recipe), models)
    assert result.diagnosis.is_noisy
    for part in (clean.mean(-1) < 0.35, clean.mean(-1) > 0.55):
        assert part.mean() > 0.1
        left = np.square(result.photo.pixels - clean)[part].mean()
        # 4 dB and more, where it is weak as well as where it is strong.
        assert left < 0.4 * np.square(noisy - clean)[part].mean()
