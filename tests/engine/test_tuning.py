"""The prior gets to know one photo's noise, and a photo that it knows it denoises better."""

import copy

import numpy as np
import pytest

from ldrps_engine.analysis.clipping import clip, unclip
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.noise_spectrum import PATCH, noise_sigma, noise_spectrum
from ldrps_engine.diffusion.recipes import make_plan
from ldrps_engine.errors import CancelledError
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.tuning import Noise, Tuned, blend, is_tunable, new_noise, tune, ways_for
from support import pictures
from training.metrics import psnr

STEPS = 24
SIGMA = 20 / 255


def steep(sigma):
    """The spectrum of noise that was resized with its photo."""
    order = np.add.outer(np.arange(PATCH), np.arange(PATCH))
    shape = np.broadcast_to(np.exp(-order / 10), (3, PATCH, PATCH))
    return (shape * sigma / np.sqrt((shape**2).mean())).astype(np.float32)


@pytest.fixture(scope="module")
def noise():
    return Noise(steep(SIGMA), SIGMA, SIGMA)


@pytest.fixture(scope="module")
def noisy(natural, noise):
    rng = np.random.default_rng(5)
    return (natural + new_noise(noise.spectrum, 128, rng)[:96]).astype(np.float32)


@pytest.fixture(scope="module")
def tuned(bundled, natural, noise):
    learner = bundled.learner()
    tune(bundled, learner, natural, noise, STEPS, 0, lambda _: None)
    return Tuned(bundled, learner, noise)


def look():
    """Nobody stops it."""


@pytest.mark.parametrize("side", [64, 96])
def test_new_noise_has_the_spectrum_that_was_asked_for(side):
    wanted = steep(SIGMA)
    flat = np.float32(0.5) + new_noise(wanted, side, np.random.default_rng(0))
    found = noise_spectrum(flat)
    assert noise_sigma(found) == pytest.approx(SIGMA, rel=0.2)
    # As the spectrum that was asked for: falling by so much from low to high frequencies.
    low, high = ((slice(None), slice(*at), slice(*at)) for at in ((1, 3), (5, 8)))
    ratio = (found[low].mean() / found[high].mean()) / (wanted[low].mean() / wanted[high].mean())
    assert ratio == pytest.approx(1, rel=0.5)


def test_noise_of_a_grey_photo_is_the_same_in_all_channels():
    spectrum = steep(SIGMA) * np.array([1, 0, 0], np.float32)[:, None, None]
    found = new_noise(spectrum, 64, np.random.default_rng(0))
    assert np.abs(np.ptp(found, axis=2)).max() < 1e-6
    assert found.std() > 0.01


def test_a_prior_that_knows_the_noise_denoises_better(bundled, natural, noise, noisy, tuned):
    stranger = Tuned(bundled, bundled.learner(), noise)
    assert psnr(tuned.part(noisy, look), natural) > psnr(stranger.part(noisy, look), natural) + 0.4


def test_the_prior_itself_stays_as_it_was(bundled, natural, noise):
    unet = bundled._parts.use("unet")
    before = copy.deepcopy(unet.state_dict())
    tune(bundled, bundled.learner(), natural, noise, 2, 0, lambda _: None)
    after = unet.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_only_the_finest_layers_learn(bundled, natural, noise):
    learner = bundled.learner()
    before = [weights.detach().clone() for weights in learner.parameters]
    tune(bundled, learner, natural, noise, 2, 0, lambda _: None)
    total = sum(weights.numel() for weights in bundled._parts.use("unet").parameters())
    assert sum(weights.numel() for weights in learner.parameters) < total / 5
    moved = [
        not np.array_equal(a, b.detach()) for a, b in zip(before, learner.parameters, strict=True)
    ]
    assert all(moved)


def test_the_same_seed_learns_the_same(bundled, natural, noise, noisy):
    def found(seed):
        learner = bundled.learner()
        tune(bundled, learner, natural, noise, 3, seed, lambda _: None)
        return Tuned(bundled, learner, noise).part(noisy, look)

    assert np.array_equal(found(0), found(0))
    assert not np.array_equal(found(0), found(1))


def test_learning_can_be_stopped(bundled, natural, noise):
    seen = []

    def stop(done):
        seen.append(done)
        if done == 3:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        tune(bundled, bundled.learner(), natural, noise, STEPS, 0, stop)
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("ways", [1, 4, 8])
def test_parts_of_any_size_can_be_denoised(tuned, noisy, ways):
    part = noisy[:37, :53]
    found = Tuned(tuned.prior, tuned.learner, tuned.noise, ways).part(part, look)
    assert found.shape == part.shape
    assert psnr(found, part) > 20


def test_the_mean_of_all_ways_to_see_a_photo_is_better_than_one(tuned, natural, noisy):
    eight = Tuned(tuned.prior, tuned.learner, tuned.noise, 8).part(noisy, look)
    assert psnr(eight, natural) > psnr(tuned.part(noisy, look), natural)


def test_nobody_waits_for_photos_of_very_many_pixels():
    assert is_tunable((1500, 2000))
    assert not is_tunable((3000, 4000))


def test_the_more_pixels_the_fewer_ways():
    assert [ways_for((side, side)) for side in (256, 1000)] == [8, 4]


def test_blending_brings_a_filtered_photo_nearer_to_the_truth(tuned, natural, noisy):
    blurred = (noisy + np.roll(noisy, 1, 0) + np.roll(noisy, 1, 1)) / 3
    better = blurred.copy()
    done = []
    blend(noisy, better, tuned, done.append)
    assert done[-1] == 1
    assert psnr(better, natural) > psnr(blurred, natural)


class _AskedError(Exception):
    """The prior was asked for a copy that can learn."""


def test_what_is_too_small_to_learn_from_is_left_alone(models, bundled, monkeypatch):
    def learner(self):
        raise _AskedError

    def restored(height):
        clean = pictures.natural(height, 200)
        noisy = pictures.samples(pictures.noisy(clean, 25), np.uint8)
        found = restore(Photo.from_samples(noisy), Settings(), models)
        assert found.diagnosis.is_noisy
        return clean, noisy / np.float32(255), found.photo.pixels

    monkeypatch.setattr(type(bundled), "learner", learner)
    clean, noisy, found = restored(24)
    # It is freed from noise all the same.
    assert psnr(found, clean) > psnr(noisy, clean) + 2
    with pytest.raises(_AskedError):
        restored(40)


@pytest.mark.parametrize(("size", "learns"), [((32, 500), True), ((31, 500), False)])
def test_the_smallest_side_to_learn_from(size, learns):
    assert is_tunable(size) is learns


@pytest.mark.parametrize("size", [(32, 40), (33, 200)])
def test_the_smallest_photos_can_be_learnt_from(bundled, noise, size):
    filtered = pictures.natural(*size)
    tune(bundled, bundled.learner(), filtered, noise, 2, 0, lambda _: None)


def test_clipping_is_the_way_back_from_unclipping():
    # Clipped noise of that sigma has no mean nearer to black than 0.4 of it.
    values = np.linspace(0.021, 0.979, 300, dtype=np.float32)
    assert np.allclose(clip(unclip(values, 0.05), 0.05), values, atol=2e-3)
    beyond = np.array([-0.5, 1.5], np.float32)
    assert np.array_equal(clip(beyond, 0.05), beyond)
    assert np.array_equal(clip(values, 0), values)


def test_a_published_model_has_nothing_to_tune(tiny):
    assert tiny.learner() is None


def test_whoever_is_in_a_hurry_waits_less_for_it(noisy):
    def steps(**settings):
        return make_plan(Settings(**settings), diagnose(noisy), SIGMA, toned=False).tuning

    assert steps() > steps(steps=3) > 0
    assert steps(recipe="fast") == steps(recipe="paper") == 0


def test_a_fast_sample_has_fewer_steps_where_the_prior_knows_no_scenes(noisy):
    auto, fast, blind = (
        make_plan(Settings(recipe=recipe), diagnose(noisy), SIGMA, toned=True, knows_scenes=knows)
        for recipe, knows in (("auto", True), ("fast", True), ("fast", False))
    )
    assert auto.steps > fast.steps > blind.steps
