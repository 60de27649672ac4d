"""The photo after each stage, from one pass."""

import numpy as np
import pytest

from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures


def photo_of(picture):
    return Photo.from_samples(pictures.samples(picture, np.uint8))


def staged(models, photo, **changes):
    chosen = Settings(**{"layers": ("stages",), "steps": 2, "recurrences": 0} | changes)
    found = restore(photo, chosen, models)
    return {layer.name: layer.photo.to_samples() for layer in found.layers}, found.remarks


def test_each_stage_that_did_something_is_a_layer_and_the_last_is_the_result(models):
    picture = pictures.noisy(pictures.darkened(pictures.natural(64, 96), 0.06), 8)
    mask = np.zeros((64, 96), bool)
    mask[30:33, 10:80] = True
    picture[mask] = 1
    photo = photo_of(picture).with_damage(mask)
    layers, remarks = staged(models, photo, damage="mask")
    assert list(layers) == ["restored", "repaired", "denoised", "tone-mapped"]
    assert "nothing is changed by coloured, so there is no layer of it" in remarks
    assert np.array_equal(layers["tone-mapped"], layers["restored"])
    samples = photo.to_samples()
    assert np.array_equal(layers["repaired"][~mask], samples[~mask])
    assert layers["repaired"][mask].mean() < 0.5 * samples[mask].mean()
    still = np.abs(np.diff(layers["repaired"].astype(float), axis=1)).mean()
    assert np.abs(np.diff(layers["denoised"].astype(float), axis=1)).mean() < 0.7 * still
    assert layers["tone-mapped"].mean() > 2 * layers["denoised"].mean()


def test_asking_for_stages_changes_nothing_else(models):
    photo = photo_of(pictures.noisy(pictures.natural(64, 96), 25))
    layers, _ = staged(models, photo)
    assert list(layers) == ["restored", "denoised"]
    alone, _ = staged(models, photo, layers=("restored",))
    assert np.array_equal(alone["restored"], layers["restored"])
    assert np.array_equal(layers["denoised"], layers["restored"])


def test_colours_are_a_stage_of_their_own(models):
    photo = photo_of(pictures.darkened(pictures.grey(pictures.natural(96, 128))))
    layers, _ = staged(models, photo, allow_colour=True, amounts={"noise": 0.0})
    assert list(layers) == ["restored", "tone-mapped", "coloured"]
    assert np.ptp(layers["tone-mapped"].astype(int), axis=2).max() <= 1
    assert np.ptp(layers["coloured"].astype(int), axis=2).mean() > 2
    assert np.array_equal(layers["coloured"], layers["restored"])


def test_a_good_photo_has_no_stages_and_that_is_reported(models):
    photo = photo_of(pictures.natural(96, 128))
    layers, remarks = staged(models, photo, steps=None, recurrences=None)
    assert list(layers) == ["restored"]
    names = "repaired, denoised, tone-mapped, coloured"
    assert remarks == (f"nothing is changed by {names}, so there is no layer of it",)


@pytest.mark.parametrize("name", ["repaired", "tone-mapped"])
def test_the_first_layer_that_was_asked_for_comes_in_any_case(models, name):
    photo = photo_of(pictures.natural(96, 128))
    layers, remarks = staged(models, photo, layers=(name,), steps=None, recurrences=None)
    assert np.array_equal(layers[name], photo.to_samples())
    assert remarks == (f"the stage {name} changes nothing in this photo, nor does its layer",)
