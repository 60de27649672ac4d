"""Colours for photos that have none: nearer to the truth, along edges, one seed one colouring."""

import numpy as np
import pytest
from skimage import data

from ldrps_engine.analysis.monochrome import grey_of, is_monochrome, mean_chroma
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.diffusion.colouring import Colouring, along_edges, colour
from ldrps_engine.photo import Photo
from ldrps_engine.priors.scene_expert import scene_size
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures
from training.metrics import psnr

MEAN = Colouring(commitment=0)


def photographs():
    """Photos that nothing was trained on, 256 pixels high."""
    for samples in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()):
        values = samples[..., :3].astype(np.float32) / 255
        yield resize(values, (256, round(256 * values.shape[1] / values.shape[0])), smooth=True)


@pytest.fixture(scope="module")
def cat():
    """A ginger cat."""
    return resize(data.chelsea().astype(np.float32) / 255, (192, 288), smooth=True)


def toned(rgb):
    """A sepia print of it."""
    luma = grey_of(rgb)
    return luma ** np.array([0.8, 1.0, 1.35], np.float32)


def test_colours_are_nearer_to_the_truth_than_none():
    gains = [psnr(colour(x, 0, MEAN), x) - psnr(grey_of(x), x) for x in photographs()]
    assert np.mean(gains) > 0.5, gains


def test_light_stays_as_it_is(cat):
    coloured = colour(cat, 0, Colouring())
    assert np.abs(grey_of(coloured) - grey_of(cat)).mean() < 0.004
    assert mean_chroma(coloured) > 0.01


def test_a_seed_gives_one_colouring_and_another_seed_another_as_rich(cat):
    first, again, other = (colour(cat, seed, Colouring()) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.004
    assert mean_chroma(other) == pytest.approx(mean_chroma(first), rel=0.35)


def test_chroma_follows_the_edges_of_luma():
    luma = np.full((64, 96), 0.2, np.float32)
    luma[:, 41:] = 0.8
    chroma = np.zeros((8, 12, 2), np.float32)
    chroma[:, 5:, 0] = 0.2
    full = along_edges(luma, chroma)[..., 0]
    # The step of chroma lay at column 40, between those of luma's cells.
    assert np.abs(full[8:-8, 30:40]).max() < 0.07
    assert np.abs(full[8:-8, 43:52] - 0.2).max() < 0.07


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(256, 256, (64, 64)), (400, 600, (64, 96)), (4000, 6000, (64, 96)), (50, 5000, (64, 192))],
)
def test_a_scene_has_64_pixels_on_its_short_side(height, width, size):
    assert scene_size(height, width) == size


def test_a_toned_print_is_of_one_hue_and_a_photo_is_not(cat):
    assert is_monochrome(grey_of(cat))
    assert is_monochrome(toned(cat))
    assert not is_monochrome(cat)


def test_a_toned_print_is_coloured_as_what_it_shows(models, cat):
    photo = Photo.from_samples(pictures.samples(toned(cat), np.uint8))
    done = restore(photo, Settings(recipe="colour"), models).photo
    values = done.to_samples().astype(np.float32) / 255
    assert psnr(values, toned(cat)) < 40
    assert psnr(values, cat) > psnr(toned(cat), cat)


def test_a_photo_with_colours_keeps_them_and_says_so(models, cat):
    photo = Photo.from_samples(pictures.samples(cat, np.uint8))
    reported = []
    done = restore(photo, Settings(recipe="colour"), models, reported.append).photo
    assert psnr(done.pixels, photo.pixels) > 40
    remarks = [remark for event in reported for remark in getattr(event, "remarks", ())]
    assert "the photo has colours of its own and keeps them" in remarks


def test_seed_0_gives_the_most_likely_colours_and_others_differ(models, cat):
    grey = Photo.from_samples(pictures.samples(grey_of(cat), np.uint8))
    likely, sampled, again = (
        restore(grey, Settings(recipe="colour", seed=seed), models).photo.pixels
        for seed in (0, 5, 5)
    )
    assert np.array_equal(sampled, again)
    assert np.abs(likely - sampled).mean() > 0.002
    assert min(psnr(likely, cat), psnr(sampled, cat)) > psnr(grey_of(cat), cat) + 3
