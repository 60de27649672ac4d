"""Noise is filtered at full size by one network that is told of it, in parts that do not show."""

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.noise_level import Level, Noise, measure_noise
from ldrps_engine.diffusion.denoising import (
    KnownNoise,
    Lift,
    NoiseFilter,
    lift_for,
    turned,
    turned_back,
)
from ldrps_engine.diffusion.members import Members
from ldrps_engine.priors.detail_expert import load_detail_expert
from ldrps_engine.transfer import tiles
from support import pictures
from training.metrics import psnr

SIGMA = 25 / 255
SIDE, PARTS = 96, 4


@pytest.fixture(scope="module")
def natural():
    return pictures.natural(96, 128)


@pytest.fixture(scope="module")
def noisy(natural):
    return pictures.noisy(natural, 25)


@pytest.fixture
def in_small_parts(monkeypatch):
    monkeypatch.setattr(tiles, "_DENOISED_SIDE", SIDE)


def white(sigma):
    spectrum = np.full((3, 8, 8), sigma, np.float32)
    return Noise(Level.even(3), spectrum, spectrum, 1.0)


def filtered(noisy, sigma=SIGMA, measured=None, ways=1, on_part=lambda _: None, members=None):
    known = KnownNoise.of(measured or white(sigma), sigma)
    out = np.empty_like(noisy)
    asked = members or Members(ways)
    NoiseFilter(load_detail_expert(), known, members=asked).filter(noisy, out, on_part)
    return out


def test_strong_noise_is_filtered(natural, noisy):
    # BM3D's gain on photos at this sigma is 8 to 9 dB.
    assert psnr(filtered(noisy), natural) > psnr(noisy, natural) + 8


def test_noise_that_was_measured_is_filtered_about_as_well(natural, noisy):
    blind = measure_noise(noisy)
    assert psnr(filtered(noisy, blind.sigma, blind), natural) > psnr(filtered(noisy), natural) - 1


def test_coarse_blotches_are_weakened():
    flat = np.full((128, 128, 3), 0.5, np.float32)
    noisy = pictures.noisy(flat, 25)

    def blotches(picture):
        return np.var(picture.reshape(8, 16, 8, 16, 3).mean((1, 3)))

    assert blotches(filtered(noisy)) < 0.5 * blotches(noisy)


def test_a_clean_photo_is_left_alone(natural):
    assert psnr(filtered(natural, 0.5 / 255), natural) > 45


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_that_cut_noise_off_are_black_and_white_again(value):
    flat = np.full((96, 96, 3), value, np.float32)
    noisy = np.clip(pictures.noisy(flat, 25), 0, 1)
    # Half of the noise is left, whose mean is 0.4 sigma away: 10 steps of 255.
    assert np.abs(noisy.mean() - value) > 9 / 255
    assert np.abs(filtered(noisy).mean() - value) < 3 / 255


def test_knowing_where_noise_is_helps(natural):
    level = np.broadcast_to(np.linspace(0.2, 1.6, 128)[None, :, None], natural.shape)
    noise = level * SIGMA * np.random.default_rng(0).standard_normal(natural.shape)
    noisy = (natural + noise).astype(np.float32)

    class Here(Level):
        def relative(self, rgb):
            return np.ascontiguousarray(level[: rgb.shape[0], : rgb.shape[1]], np.float32)

    spread = float(np.sqrt(np.square(level).mean()))
    even = white(spread * SIGMA)
    known = Noise(Here(even.level.curve, even.level.strength), even.spectrum, even.raw, spread)
    reported = filtered(noisy, spread * SIGMA, known)
    assert psnr(reported, natural) > psnr(filtered(noisy, spread * SIGMA), natural) + 0.3


def test_more_ways_to_see_a_photo_are_better_than_one(natural, noisy):
    assert psnr(filtered(noisy, ways=8), natural) > psnr(filtered(noisy), natural)


@pytest.mark.parametrize("way", range(8))
def test_every_way_to_turn_a_photo_goes_back(way):
    images = torch.rand(1, 3, 16, 32, generator=torch.manual_seed(0))
    assert torch.equal(turned_back(turned(images, way), way), images)


def test_no_two_ways_are_the_same():
    images = torch.rand(1, 3, 16, 16, generator=torch.manual_seed(0))
    assert len({turned(images, way).numpy().tobytes() for way in range(8)}) == 8


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 33), (95, 97)])
def test_photos_of_any_size_are_filtered(size):
    noisy = pictures.noisy(np.full((*size, 3), 0.5, np.float32), 25)
    found = filtered(noisy, members=Members(4, 2, 0.5))
    assert found.shape == noisy.shape
    assert np.isfinite(found).all()


def test_every_part_is_counted(natural, in_small_parts):
    seen = []
    filtered(natural, on_part=seen.append)
    assert seen[-1] == 2
    assert seen == sorted(seen)


@pytest.mark.parametrize("members", [Members(1), Members(1, 1, 0.5)])
def test_any_number_of_threads_gives_the_same_bits(noisy, in_small_parts, members):
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(filtered(noisy, members=members))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)


def steps(picture):
    """Return the mean difference of columns from their neighbours, along the photo."""
    return np.abs(np.diff(picture, axis=1)).mean((0, 2))


def test_no_energy_gathers_where_parts_meet(monkeypatch):
    noisy = pictures.noisy(pictures.natural(SIDE, SIDE * PARTS), 15)
    sigma = 15 / 255
    whole = filtered(noisy, sigma)
    monkeypatch.setattr(tiles, "_DENOISED_SIDE", SIDE)
    assert len(tiles.parts_to_denoise(noisy.shape[:2])) == PARTS
    tiled = filtered(noisy, sigma)
    assert not np.array_equal(tiled, whole)
    borders = np.arange(1, PARTS) * SIDE - 1
    one, other = (steps(picture)[borders].mean() for picture in (tiled, whole))
    assert one == pytest.approx(other, rel=0.05)
    # What is left of the noise is at 33 dB or so.
    assert psnr(tiled, whole) > 45


def test_shadows_beside_a_lamp_are_filtered_as_strongly_as_they_are_brought_up():
    """A step of eight bits is a thirtieth of such a shadow, and all that its noise is."""
    ramp = np.linspace(2, 6, 128, dtype=np.float32)[None, :, None] / 255
    clean = np.repeat(np.repeat(ramp, 96, 0), 3, 2)
    clean[:24, :24] = 0.9
    noisy = np.rint(255 * np.clip(pictures.noisy(clean, 0.7), 0, 1)).astype(np.float32) / 255
    known = KnownNoise.of(white(0.7 / 255), 0.7 / 255)

    def shadows_error(lift):
        out = np.empty_like(noisy)
        NoiseFilter(load_detail_expert(), known, lift).filter(noisy, out, lambda _: None)
        assert np.abs(out[:20, :20] - noisy[:20, :20]).max() < 0.02
        return float(np.square((out - clean)[30:]).mean())

    unlit, lit = lift_for(noisy, 0.7 / 255), lift_for(noisy, 0.7 / 255, 12.0)
    assert lit.gain == pytest.approx(12)
    assert shadows_error(lit) < 0.6 * shadows_error(unlit)


def test_a_lift_is_undone():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    for lift in (Lift(), Lift(3.0), Lift(2.0, 1.5)):
        assert np.allclose(lift.down(lift.up(values), np.zeros(1, np.float32)), values, atol=1e-5)


def test_highlights_that_a_lift_draws_together_stay_as_they_were():
    lift = Lift(16.0, 15.0)
    before = np.float32([0.5, 0.9])
    assert np.array_equal(lift.down(lift.up(before) + np.float32(0.01), before), before)


def test_a_photo_without_lamps_or_with_strong_noise_is_lifted_alike_everywhere():
    dark = np.linspace(0, 0.2, 300, dtype=np.float32).reshape(10, 10, 3)
    assert lift_for(dark, 1 / 255, 3.0).bend == 0
    bright = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 10, 3)
    assert lift_for(bright, 3 / 255, 8.0) == Lift(1.0)
    assert lift_for(bright, 1 / 255, 8.0).bend > 0
