"""First guesses of the degradation, and the two ways in which they are undone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ldrps_engine.analysis import degradation as degradation_module
from ldrps_engine.analysis.casts import find_cast
from ldrps_engine.analysis.degradation import Degradation, first_guess
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.colour.srgb import luminance, to_display, to_linear
from ldrps_engine.diffusion.fpam import PhysicalFpam
from support import pictures
from training.metrics import psnr


def field(rng, low, high):
    return rng.uniform(low, high, (3, 4, 3)).astype(np.float32)


def degradation(space, white=1.0):
    rng = np.random.default_rng(0)
    return Degradation(field(rng, 0.3, 0.8), field(rng, 0.0, 0.2), space, white=white)


def tensor(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def array(image):
    return image[0].permute(1, 2, 0).detach().numpy()


@pytest.mark.parametrize(("space", "white"), [("light", 1.0), ("light", 2.0), ("display", 1.0)])
def test_invert_undoes_what_fpam_does(natural, space, white):
    guess = degradation(space, white)
    degraded = array(PhysicalFpam(guess)(tensor(natural)))
    # Two resamplings of the field differ a little at its knots; 50 dB is below 8 bits' rounding.
    assert psnr(guess.invert(degraded), natural) > 50
    assert psnr(degraded, natural) < 25


def test_amplification_is_one_over_the_gain_where_values_are_linear(natural):
    gain = np.full((1, 1, 3), 0.25, np.float32)
    assert Degradation(gain, 0 * gain, "display").amplification(natural) == pytest.approx(
        4, rel=1e-3
    )
    dark = Degradation(gain, 0 * gain, "light").amplification(pictures.darkened(natural, 0.25))
    # In display values less: the curve is steeper where the photo was dark.
    assert 1.5 < dark < 4


def test_a_clean_photo_has_a_neutral_guess(natural):
    guess = first_guess(natural, diagnose(natural), "auto")
    assert guess.is_neutral
    assert guess.amplification(natural) == pytest.approx(1, rel=1e-3)
    assert np.allclose(guess.invert(natural), natural, atol=1e-5)


def test_a_dark_photo_is_lit_to_about_its_own_light(natural):
    dark = pictures.darkened(natural, 0.06)
    guess = first_guess(dark, diagnose(dark), "auto")
    assert not guess.is_neutral
    undone = guess.invert(dark)
    light, truth = (float(luminance(to_linear(x)).mean()) for x in (undone, natural))
    # Half a stop up or down: photographers themselves differ as much.
    assert truth / 1.5 < light < truth * 1.5
    assert psnr(undone, natural) > psnr(dark, natural) + 6


def test_highlights_of_a_dark_photo_are_rolled_off(natural):
    """A window in a dark room: it was well exposed, and must not burn out with the room."""
    dark = pictures.darkened(natural, 0.03)
    window = np.s_[:24, :24]
    dark[window] = natural[window] * 0.8
    guess = first_guess(dark, diagnose(dark, "low-light"), "low-light")
    lit = guess.invert(dark)
    burnt = Degradation(guess.gain, guess.offset, guess.space).invert(dark)
    assert lit.mean() > 2 * dark.mean()
    white = [(luminance(to_linear(image[window])) > 1).mean() for image in (burnt, lit)]
    assert white[0] > 0.5
    assert white[1] < 0.05
    dimmer = guess.invert(to_display(0.8 * to_linear(dark)))
    assert np.all(dimmer <= lit + 1e-5)


def test_the_sky_in_a_window_keeps_its_colour(natural):
    """White was bounded by four times the paper's, whatever lay above it."""
    dark = pictures.darkened(natural, 0.03)
    window = np.s_[:24, :24]
    dark[window] = np.float32([0.45, 0.65, 0.9]) + 0.1 * (natural[window] - 0.5)
    guess = first_guess(dark, diagnose(dark, "low-light"), "low-light")
    lit = guess.invert(dark)
    assert lit[24:].mean() > 2 * dark[24:].mean()
    assert (lit[window].min(-1) > 0.99).mean() < 0.02
    red, _, blue = lit[window].mean((0, 1))
    assert blue > red + 0.05


def test_what_eight_bits_hold_no_colour_of_is_neutral_and_real_colour_stays():
    """Rounding made magenta and olive stains of the blackest walls."""
    gain = np.full((1, 1, 3), 1 / 40, np.float32)
    step = 1 / 255 / 12.92
    guess = Degradation(gain, 0 * gain, "light", white=8.0, least=0.2, unsure=1.5 * step)
    dark = np.float32([[[1, 0, 1]], [[60, 20, 15]]]) / 255
    wall, brick = guess.invert(dark)[:, 0]
    assert np.ptp(wall) < 0.4 * np.ptp(replace(guess, unsure=0.0, least=0.0).invert(dark)[0, 0])
    assert np.ptp(brick) > 0.25


def test_a_channel_that_was_cut_off_has_some_of_the_light_in_shadows(natural):
    """A lamp that had as much of it, in linear light, was pink and no longer golden."""
    gain = np.full((1, 1, 3), 1 / 20, np.float32)
    guess = Degradation(gain, 0 * gain, "light", white=4.0, least=0.2)
    shadow, lamp = np.float32([[[9, 4, 0]]]) / 255, np.float32([[[90, 40, 0]]]) / 255
    for light, least, most in ((shadow, 0.06, 0.3), (lamp, -1, 0.04)):
        cut = replace(guess, least=0.0).invert(light)[0, 0]
        assert least < guess.invert(light)[0, 0, 2] - cut[2] < most
    bright = Degradation(np.ones((1, 1, 3), np.float32), 0 * gain, "light", least=0.2)
    assert np.allclose(bright.invert(natural), natural, atol=1e-5)


@pytest.mark.parametrize(("lamp", "expected"), [(1.0, True), (0.1, False)])
def test_what_was_exposed_for_its_lights_gets_more_light(natural, monkeypatch, lamp, expected):
    dark = pictures.darkened(natural, 0.03)
    dark[:24, :24] = natural[:24, :24] * lamp
    reported = diagnose(dark, "low-light")
    lit = first_guess(dark, reported, "low-light").invert(dark)
    monkeypatch.setattr(degradation_module, "_MORE", 0.0)
    less = first_guess(dark, reported, "low-light").invert(dark)
    assert bool(lit[24:].mean() > less[24:].mean() + 0.05) is expected


@pytest.mark.parametrize("light", [0.02, 0.2, 0.5, 0.9])
def test_nothing_becomes_darker(natural, light):
    dark = pictures.darkened(natural, light)
    guess = first_guess(dark, diagnose(dark, "low-light"), "low-light")
    there = np.maximum(luminance(to_linear(dark) - guess.offset), 0)
    lit = np.maximum(luminance(to_linear(guess.invert(dark))), 0)
    assert np.all(lit >= there - 1e-4)


def test_a_tinted_black_level_does_not_tint_the_shadows(natural):
    shaded = natural.copy()
    shaded[:64] *= 0.05
    step = np.float32([0, 0.8, 0.3]) * to_linear(np.float32(1 / 255))
    dark = to_display(to_linear(pictures.darkened(shaded, 0.02)) + step)
    darkness = first_guess(dark, diagnose(dark, "low-light"), "low-light").invert(dark)[:64]
    even = first_guess(shaded, diagnose(shaded, "low-light"), "low-light").invert(shaded)[:64]
    red, green, _ = darkness.mean((0, 1)) - even.mean((0, 1))
    assert abs(green - red) < 0.02


def test_light_is_never_taken_away(natural):
    bright = diagnose(natural, "low-light")
    assert first_guess(np.clip(natural * 2, 0, 1), bright, "low-light").gain.max() <= 1


@pytest.mark.parametrize("light", [0.1, 0.01, 0.002])
def test_the_two_ways_of_undoing_agree_however_dark_it_is(natural, light):
    dark = pictures.darkened(natural, light)
    guess = first_guess(dark, diagnose(dark), "auto")
    undone = array(PhysicalFpam(guess).inverse(tensor(dark), tensor(dark)))
    assert psnr(guess.invert(dark), undone) > 60


@pytest.mark.parametrize("transmission", [0.3, 0.5])
def test_haze_is_thinned_and_not_overdone(natural, transmission):
    hazy = pictures.hazed(natural, transmission)
    guess = first_guess(hazy, diagnose(hazy, "haze"), "haze")
    undone = np.clip(guess.invert(hazy), 0, 1)
    assert psnr(undone, natural) > psnr(hazy, natural) + 1
    assert hazy.std() < undone.std() < 1.2 * natural.std()
    assert guess.gain.mean() > 0.65 * transmission


def test_haze_is_not_taken_for_thicker_than_black_allows(natural):
    """Nothing of it is in the air: what is bright is fog all the same, to the dark channel."""
    bright = np.clip(0.75 + 0.25 * natural, 0, 1)
    bright[30:60] = 0.02 + 0.3 * natural[30:60]
    guess = first_guess(bright, diagnose(bright, "haze"), "haze")
    assert guess.gain.min() < 1
    assert np.percentile(guess.invert(bright).min(-1), 0.5) > -0.01


def test_an_old_photo_gets_its_black_and_white_back(natural):
    faded = (0.25 + 0.5 * natural).astype(np.float32)
    curve = find_cast(faded, recognise(faded)).curve
    guess = first_guess(faded, diagnose(faded, "old-photo"), "old-photo", curve=curve)
    undone = guess.invert(faded)
    before, after = (np.percentile(x, (2, 98)) for x in (faded, undone))
    # A picture made of noise tells little of what its blacks were: much is left to doubt.
    assert np.ptp(after) > 1.15 * np.ptp(before)
    assert psnr(undone, natural) > psnr(faded, natural) + 1


def test_the_recipe_colour_changes_no_tones(natural):
    dark = pictures.darkened(pictures.grey(natural), 0.1)
    assert first_guess(dark, diagnose(dark, "colour"), "colour").is_neutral


@pytest.mark.parametrize("recipe", ["low-light", "haze", "old-photo", "noise"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [(16, 16), (17, 300)])
def test_a_flat_photo_has_a_finite_guess(recipe, value, size):
    flat = np.full((*size, 3), value, np.float32)
    guess = first_guess(flat, diagnose(flat, recipe), recipe)
    assert np.isfinite(guess.invert(flat)).all()
    assert np.isfinite(guess.amplification(flat))
