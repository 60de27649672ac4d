"""Shadows of a few steps that are brought to light lose the steps and keep their edges."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.diffusion import denoising
from ldrps_engine.errors import CancelledError
from ldrps_engine.photo import Depth
from ldrps_engine.transfer.debanding import Debanding
from ldrps_engine.transfer.tiles import tiles
from training.metrics import psnr

SIZE = (160, 224)


def darkened(gain):
    """Light divided by `gain`, all over the photo."""
    return Degradation(
        np.full((1, 1, 3), 1 / gain, np.float32), np.zeros((1, 1, 3), np.float32), "light"
    )


def rounded(rgb):
    return (np.rint(rgb * 255) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def shadow():
    """Soft light of one to four steps, of one hue."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    light = 2.5 + np.sin(x / 40) + 0.5 * np.cos(y / 30)
    return (light[..., None] * np.float32([1.1, 1.0, 0.8]) / 255).astype(np.float32)


def smoothed(rgb, guess, part=None):
    work = Debanding.of(guess, rgb, SIZE)
    whole = (slice(0, SIZE[0]), slice(0, SIZE[1]))
    return work.smooth(rgb[part or whole], part or whole)


def test_steps_that_light_would_show_are_gone(shadow):
    guess = darkened(30)
    found = smoothed(rounded(shadow), guess)
    wanted, banded = guess.invert(shadow), guess.invert(rounded(shadow))
    assert psnr(guess.invert(found), wanted) > psnr(banded, wanted) + 3
    # Rounding gives the hue of one place to none of its neighbours.
    hue = found[..., 0] - found[..., 2]
    assert np.abs(hue - (shadow[..., 0] - shadow[..., 2])).mean() < 0.3 / 255


def test_edges_of_more_than_steps_stay(shadow):
    edged = rounded(shadow)
    edged[:, 112:] += 12 / 255
    found = smoothed(edged, darkened(30))
    across = found[:, 112].mean() - found[:, 111].mean()
    assert across == pytest.approx(12 / 255, abs=2 / 255)


def test_what_is_bright_is_the_same(shadow):
    noise = 0.05 * np.random.default_rng(0).standard_normal((*SIZE, 3))
    bright = (0.7 + noise).astype(np.float32)
    mixed = np.where(np.arange(SIZE[1])[None, :, None] < 112, rounded(shadow), bright)
    found = smoothed(mixed.astype(np.float32), darkened(8))
    assert np.abs(found - mixed)[:, 160:].max() < 1e-3


@pytest.mark.parametrize("gain", [1, 1.5])
def test_little_light_shows_no_steps(shadow, gain):
    bright = np.clip(20 * shadow, 0, 1)
    assert Debanding.of(darkened(gain), bright, SIZE) is None


def test_parts_do_not_show(shadow):
    banded, guess = rounded(shadow), darkened(30)
    whole = smoothed(banded, guess)
    for tile in tiles(*SIZE, 64, 24):
        part = smoothed(banded, guess, tile.outer)
        assert np.allclose(part[tile.kept], whole[tile.inner], atol=1e-6)


@pytest.mark.parametrize(
    ("sigma", "depth", "space", "smooths"),
    [
        (0.1, Depth.U8, "light", True),
        (0.5, Depth.U8, "light", False),
        (0.1, Depth.U16, "light", False),
        (0.1, Depth.U8, "display", False),
    ],
)
def test_steps_are_smoothed_where_no_noise_has_dithered_them(shadow, sigma, depth, space, smooths):
    plan = planned(shadow, sigma=sigma, depth=depth, space=space)
    assert (denoising._debanding(plan) is not None) is smooths


def planned(shadow, *, sigma=0.1, depth=Depth.U8, space="light"):
    analysis = SimpleNamespace(
        measured_noise=SimpleNamespace(sigma=sigma / 255),
        measured=SimpleNamespace(photo=SimpleNamespace(depth=depth)),
    )
    return SimpleNamespace(
        analysis=analysis,
        degradation=replace(darkened(30), space=space),
        rgb=rounded(shadow),
        size=SIZE,
        view=SimpleNamespace(scaled=(80, 112)),
        crop=None,
        restores=True,
        filters_noise=False,
        pilot_only=False,
        work_units=(0, 3, 2),
    )


def test_steps_are_smoothed_in_photos_without_noise_too(shadow):
    """A black frame that JPEG had left of two values came back in grey blocks."""
    plan, steps = planned(shadow), []
    found = denoising.denoise(plan, steps.append)
    guess = plan.degradation
    wanted, banded = guess.invert(shadow), guess.invert(plan.rgb)
    assert psnr(guess.invert(found.rgb), wanted) > psnr(banded, wanted) + 3
    assert psnr(guess.invert(found.scaled), guess.invert(shadow[::2, ::2])) > 25
    assert {(step.index, step.count) for step in steps} == {(0, 5)}


def test_a_photo_that_is_left_alone_keeps_its_steps(shadow):
    plan = planned(shadow)
    plan.restores = False
    assert denoising.denoise(plan, lambda _: None).rgb is plan.rgb
    plan.restores, plan.pilot_only = True, True
    assert denoising.denoise(plan, lambda _: None).rgb is plan.rgb


def test_smoothing_can_be_cancelled(shadow):
    def stop(_):
        raise CancelledError

    with pytest.raises(CancelledError):
        denoising.denoise(planned(shadow), stop)
