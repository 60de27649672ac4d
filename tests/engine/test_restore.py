"""The main path with the bundled model on small photos: what comes back, and how."""

import numpy as np
import pytest
import torch

from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described
from ldrps_engine.restore import ModelCache, restore
from ldrps_engine.settings import Settings
from support import pictures
from training.metrics import psnr

SIZE = (48, 64)


def photo_of(picture, dtype=np.uint8):
    return Photo.from_samples(pictures.samples(picture, dtype))


def quick(**changes):
    """Few steps, no filtering of noise: what is tested does not depend on them."""
    plain = {"recipe": "low-light", "steps": 2, "recurrences": 0, "noise_sigma": 0.0}
    return Settings(**plain | changes)


def progress_of(photo, settings, models):
    seen = []
    restore(photo, settings, models, seen.append)
    return seen


def test_a_dark_photo_becomes_brighter_and_comes_nearer_to_the_truth(models, small, dark):
    found = restore(dark, Settings(), models)
    assert found.diagnosis.is_dark
    assert found.photo.pixels.mean() > 2 * dark.pixels.mean()
    # 6 dB is half the distance.
    assert psnr(found.photo.pixels, small) > psnr(dark.pixels, small) + 6


def test_a_noisy_photo_comes_nearer_to_the_truth(models):
    natural = pictures.natural(64, 96)
    noisy = photo_of(pictures.noisy(natural, 25))
    found = restore(noisy, Settings(), models)
    assert found.diagnosis.is_noisy
    assert psnr(found.photo.pixels, natural) > psnr(noisy.pixels, natural) + 5


def test_a_hazy_photo_comes_nearer_to_the_truth(models, small):
    hazy = photo_of(pictures.hazed(small, 0.5))
    found = restore(hazy, Settings(recipe="haze"), models)
    assert psnr(found.photo.pixels, small) > psnr(hazy.pixels, small)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_clean_photo_is_not_touched(models, natural, dtype):
    samples = pictures.samples(natural, dtype)
    found = restore(Photo.from_samples(samples), Settings(), models)
    assert found.diagnosis.words() == "nothing found"
    assert np.array_equal(found.photo.to_samples(), samples)


def test_the_same_seed_gives_the_same_bits_whatever_ran_before(models, dark):
    settings = Settings(steps=3)
    first = restore(dark, settings, models).photo.pixels
    torch.manual_seed(99)
    restore(dark, quick(), models)
    second = restore(dark, settings, models).photo.pixels
    assert np.array_equal(first, second)


def test_restoring_leaves_the_callers_random_numbers_alone(models, dark):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    restore(dark, quick(steps=1), models)
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_gives_another_pilot(models, dim):
    pilots = [
        restore(dim, quick(seed=n, noise_sigma=8.0, layers=("pilot",)), models).photo
        for n in (1, 2)
    ]
    assert not np.array_equal(pilots[0].pixels, pilots[1].pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_size_depth_channels_alpha_and_profile_are_the_photos_own(models, small, dtype, channels):
    dark = pictures.darkened(small)[: SIZE[0] - 7, : SIZE[1] - 5]
    samples = pictures.samples(dark[..., : 1 if channels < 3 else 3], dtype)
    if channels in (2, 4):
        alpha = np.random.default_rng(0).random(samples.shape[:2])
        alpha = pictures.samples(alpha, dtype)[..., None]
        samples = np.concatenate([samples, alpha], axis=2)
    found = restore(Photo.from_samples(samples, b"profile"), quick(steps=1), models).photo
    back = found.to_samples()
    assert (back.shape, back.dtype) == (samples.shape, samples.dtype)
    assert found.icc_profile == b"profile"
    assert np.isfinite(found.pixels).all()
    colours = 1 if channels < 3 else 3
    assert np.array_equal(back[..., colours:], samples[..., colours:])
    assert not np.array_equal(back[..., :colours], samples[..., :colours])


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (300, 17), (33, 95)])
@pytest.mark.parametrize("recipe", ["auto", "noise"])
def test_odd_sizes_come_back_at_their_size(models, size, recipe):
    dark = photo_of(pictures.noisy(pictures.darkened(pictures.natural(*size), 0.2), 8))
    found = restore(dark, Settings(recipe=recipe, steps=1, recurrences=0), models).photo
    assert found.pixels.shape == (*size, 3)
    assert np.isfinite(found.pixels).all()


@pytest.mark.parametrize("recipe", ["auto", "low-light", "haze", "noise", "colour", "old-photo"])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_photos_come_back_finite(models, recipe, value):
    flat = Photo.from_samples(np.full((16, 20, 3), value, np.uint8))
    settings = quick(recipe=recipe, steps=1, noise_sigma=None)
    assert np.isfinite(restore(flat, settings, models).photo.pixels).all()


def test_floats_above_white_and_below_black_are_taken(models, small):
    wide = Photo.from_samples((pictures.darkened(small) * 1.5 - 0.1).astype(np.float32))
    wide.pixels[3, 4] = 7.5
    assert np.isfinite(restore(wide, quick(), models).photo.pixels).all()


def test_strength_zero_gives_the_photo_back(models, dark):
    found = restore(dark, quick(strength=0.0), models)
    assert np.array_equal(found.photo.to_samples(), dark.to_samples())


def test_strength_goes_from_the_photo_to_the_whole_restoration(models, dark):
    none, half, whole = (
        restore(dark, quick(strength=s), models).photo.pixels for s in (0.0, 0.5, 1.0)
    )
    # All three are rounded to the photo's 8 bits.
    assert psnr((none + whole) / 2, half) > 54


def test_layers_come_in_the_order_asked_for(models, dim):
    one = restore(dim, quick(noise_sigma=8.0), models)
    both = restore(dim, quick(noise_sigma=8.0, layers=("pilot", "restored")), models)
    assert [layer.name for layer in one.layers] == ["restored"]
    assert [layer.name for layer in both.layers] == ["pilot", "restored"]
    assert np.array_equal(both.layers[1].photo.pixels, one.photo.pixels)
    assert not np.array_equal(both.layers[0].photo.pixels, one.photo.pixels)
    assert both.photo is both.layers[0].photo


def test_a_given_sigma_decides_how_much_is_filtered(models):
    natural = pictures.natural(64, 96)
    noisy = photo_of(pictures.noisy(natural, 15))
    results = {}
    for sigma in (0.0, 15.0, 60.0):
        found = restore(noisy, Settings(recipe="noise", noise_sigma=sigma), models)
        assert found.diagnosis.noise_sigma == sigma
        results[sigma] = found.photo.pixels
    changes = [float(np.abs(x - noisy.pixels).mean()) for x in results.values()]
    assert changes == sorted(changes)
    # No noise to take out, no tone to change: the photo itself.
    assert np.array_equal(results[0.0], noisy.pixels)
    assert psnr(results[15.0], natural) > psnr(results[60.0], natural)


def test_the_users_own_words_are_used(models, dim):
    words = "a boat on a green lake"
    seen = progress_of(dim, quick(description=words), models)
    assert Described(words, "user") in seen
    results = [
        restore(dim, quick(noise_sigma=8.0, description=w, layers=("pilot",)), models)
        for w in (words, "")
    ]
    assert results[0].description == words
    assert not np.array_equal(results[0].photo.pixels, results[1].photo.pixels)


def test_people_read_what_is_sure_and_the_prior_gets_its_colours(models, dim, monkeypatch):
    prior, asked = models.prior("bundled"), []
    embed = type(prior).embed
    monkeypatch.setattr(
        type(prior), "embed", lambda self, text: asked.append(text) or embed(self, text)
    )
    settings = {"noise_sigma": 8.0, "layers": ("pilot",)}
    found = restore(dim, quick(**settings), models)
    described = next(e for e in progress_of(dim, quick(**settings), models) if type(e) is Described)
    # Stripes and noise are nothing that has a name.
    assert (described.text, described.source) == (found.description, "tagger") == ("", "tagger")
    words = next(filter(None, asked))
    assert " above, " in words
    # The same pixels as if a person had written the colours.
    again = restore(dim, quick(description=words, **settings), models)
    assert again.description == words
    assert np.array_equal(found.photo.pixels, again.photo.pixels)


@pytest.mark.parametrize("degrade", [pictures.darkened, pictures.hazed, np.asarray])
def test_the_paper_recipe_runs_on_every_kind_of_photo(models, degrade):
    picture = degrade(pictures.natural(32, 32))
    settings = Settings(recipe="paper", steps=2, layers=("restored", "pilot"))
    found = restore(photo_of(picture), settings, models)
    assert np.isfinite(found.photo.pixels).all()
    # As published: what was sampled is the result.
    assert np.array_equal(found.layers[0].photo.pixels, found.layers[1].photo.pixels)


def test_the_bundled_model_stays_in_memory(models):
    assert models.loaded() == ["bundled"]
    assert ModelCache("cpu").loaded() == []


def test_the_photo_itself_is_not_written_to(models, dark):
    before = dark.pixels.copy()
    restore(dark, quick(), models)
    assert np.array_equal(dark.pixels, before)


@pytest.mark.parametrize("faded", [False, True])
def test_a_grey_photo_gets_colours_only_if_it_may(models, small, faded):
    grey = pictures.grey(small)
    photo = photo_of(0.4 + 0.3 * grey if faded else grey)
    left = restore(photo, quick(recipe="auto"), models).photo.pixels
    coloured = restore(photo, quick(recipe="auto", allow_colour=True), models)
    assert np.ptp(left, axis=2).max() == 0
    assert np.ptp(coloured.photo.pixels, axis=2).max() > 0
    assert coloured.generated[0] > 0


def test_a_coloured_photo_is_not_coloured_again(models, small):
    photo = photo_of(small)
    found = restore(photo, quick(recipe="auto", allow_colour=True), models)
    assert np.array_equal(found.photo.to_samples(), photo.to_samples())


def test_the_map_of_what_was_generated_comes_with_its_figures(models, dark):
    found = restore(dark, quick(layers=("restored", "generated")), models)
    share = found.layers[1].photo.pixels
    assert share.shape == (*SIZE, 1)
    assert found.generated == pytest.approx((share.mean(), share.max()), abs=1 / 255)


def test_fast_filters_quickly_and_samples_less(models, dark):
    seen = []
    restore(dark, Settings(recipe="fast"), models, seen.append)
    slow = []
    restore(dark, Settings(), models, slow.append)
    assert seen[-1].count < slow[-1].count


def test_noise_that_is_the_same_in_all_channels_is_filtered_as_well(models):
    clean = pictures.grey(pictures.natural(96, 128))
    noise = np.random.default_rng(0).normal(0, 25 / 255, (96, 128, 1)).astype(np.float32)
    noisy = np.clip(clean + noise, 0, 1)
    found = restore(photo_of(noisy), Settings(recipe="noise", noise_sigma=25.0), models)
    # Taken for noise of its own in each channel, it was left in by the prior: 6.9 dB.
    assert psnr(found.photo.pixels, clean) > psnr(noisy, clean) + 7.5
