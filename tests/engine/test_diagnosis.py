"""Verdicts dark, hazy, noisy, grey and clean, and trust in a person's word."""

import numpy as np
import pytest

from ldrps_engine.analysis.diagnosis import Diagnosis, diagnose
from support import pictures

SEEDS = [1, 2, 3]


def findings(diagnosis):
    names = ("is_dark", "is_hazy", "is_faded", "is_noisy", "grey")
    return {name for name in names if getattr(diagnosis, name)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_good_photo_is_clean(seed):
    diagnosis = diagnose(pictures.natural(seed=seed))
    assert findings(diagnosis) == set()
    assert diagnosis.words() == "nothing found"


@pytest.mark.parametrize("seed", SEEDS)
def test_less_light_is_dark_and_the_less_the_darker(seed):
    natural = pictures.natural(seed=seed)
    dark, night = (diagnose(pictures.darkened(natural, light)) for light in (0.06, 0.01))
    assert findings(dark) == findings(night) == {"is_dark"}
    assert night.darkness > dark.darkness
    assert "dark" in dark.words()


@pytest.mark.parametrize("seed", SEEDS)
def test_haze_is_hazy_and_the_thicker_the_hazier(seed):
    natural = pictures.natural(seed=seed)
    diagnosis = diagnose(pictures.hazed(natural))
    assert findings(diagnosis) == {"is_hazy"}
    assert diagnosis.haze > diagnose(pictures.hazed(natural, 0.8)).haze > diagnose(natural).haze
    assert "hazy" in diagnosis.words()


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_is_noisy_with_its_figure(seed):
    diagnosis = diagnose(np.clip(pictures.noisy(pictures.natural(seed=seed), 25), 0, 1))
    assert findings(diagnosis) == {"is_noisy"}
    assert diagnosis.words() == f"noise about {diagnosis.noise_sigma:.0f}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_photo_without_colour_is_grey(seed):
    grey = pictures.grey(pictures.natural(seed=seed))
    assert findings(diagnose(grey)) == {"grey"}
    assert diagnose(grey[..., :1]).grey
    assert diagnose(grey).words() == "without colour"


def test_a_grey_print_that_lost_its_black_is_faded_and_not_hazy(natural):
    assert findings(diagnose(0.35 + 0.4 * pictures.grey(natural))) == {"grey", "is_faded"}


def test_a_tint_is_reported(natural):
    tinted = diagnose(natural * np.array([1, 0.8, 0.5], np.float32))
    assert "tinted" in tinted.words()
    assert tinted.cast > diagnose(natural).cast


def test_two_degradations_are_both_found(natural):
    noisy = np.clip(pictures.noisy(pictures.darkened(natural, 0.03), 10), 0, 1)
    assert findings(diagnose(noisy)) == {"is_dark", "is_noisy"}


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("low-light", {"is_dark"}),
        ("haze", {"is_hazy"}),
        ("noise", set()),
        ("colour", set()),
        ("old-photo", set()),
    ],
)
@pytest.mark.parametrize("degrade", [np.asarray, pictures.darkened, pictures.hazed])
def test_a_recipe_is_believed_against_the_measurement(natural, degrade, recipe, expected):
    assert findings(diagnose(degrade(natural), recipe)) == expected


@pytest.mark.parametrize("recipe", ["auto", "paper"])
def test_other_recipes_leave_the_measurement_alone(natural, recipe):
    dark = pictures.darkened(natural)
    assert diagnose(dark, recipe) == diagnose(dark)


def test_a_given_sigma_replaces_the_measured_one(natural):
    assert diagnose(natural, noise=12.5).noise_sigma == 12.5
    assert diagnose(pictures.noisy(natural, 25), noise=0.0).noise_sigma == 0.0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_photo_has_figures_in_their_range(value):
    diagnosis = diagnose(np.full((16, 40, 3), value, np.float32))
    for figure in (diagnosis.haze, diagnosis.darkness, diagnosis.cast):
        assert 0 <= figure <= 1
    assert diagnosis.noise_sigma < 1e-3


def test_neutral_figures_are_clean():
    neutral = Diagnosis(noise_sigma=0.0, haze=0.0, darkness=0.0, cast=0.0, grey=False)
    assert neutral.words() == "nothing found"


def test_a_print_of_one_hue_is_toned_and_neither_tinted_nor_touched():
    luma = pictures.grey(pictures.natural(192, 256))
    sepia = luma ** np.array([0.75, 1.0, 1.45], np.float32)
    found = diagnose(np.asarray(sepia, np.float32), noise=0.0)
    assert found.toned
    assert not found.grey
    assert not found.needs_work
    assert "toned" in found.words()


def test_pale_things_before_white_are_not_hazy():
    y, x = np.mgrid[-1:1:192j, -1:1:256j]
    white = np.full((192, 256, 3), 0.93, np.float32)
    for row, column, size in ((-0.2, -0.3, 0.25), (0.1, 0.35, 0.3)):
        inside = np.clip(1 - ((y - row) ** 2 + (x - column) ** 2) / size**2, 0, 1)
        white -= (0.16 * np.sqrt(inside))[..., None].astype(np.float32)
    assert not diagnose(white, noise=0.0).is_hazy
