"""Halftone: prints in dots are found, and cloth, bricks, blinds and noise are none."""

import numpy as np
import pytest
from skimage import data

from benchmarks.drawn.halftone import printed
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.halftone import NONE, find_halftone
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures


def photo(name="astronaut"):
    return getattr(data, name)().astype(np.float64)[:384, :384] / 255


@pytest.fixture(scope="module")
def print_in_dots():
    shown = printed(photo(), np.random.default_rng(1))
    return (np.rint(shown * 255) / 255).astype(np.float32)


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_a_print_in_dots_is_found(name, colours):
    for seed in range(2):
        shown = printed(photo(name), np.random.default_rng(seed), colours=colours)
        found = find_halftone(shown.astype(np.float32))
        assert found.is_found
        assert 2.4 < found.period < 14


@pytest.mark.parametrize("period", [4.0, 9.0])
def test_the_distance_between_dots_is_reported(monkeypatch, period):
    monkeypatch.setattr("benchmarks.drawn.halftone.PERIODS", (period, period * 1.0001))
    shown = printed(photo(), np.random.default_rng(3), colours=False)
    found = find_halftone(shown.astype(np.float32)).period
    # The strongest peak may be that of the diagonal neighbours.
    assert min(abs(found / period - 1), abs(found * np.sqrt(2) / period - 1)) < 0.08


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_photos_are_no_prints_and_neither_is_their_noise(name):
    clean = photo(name)
    noisy = clean + 0.08 * np.random.default_rng(0).standard_normal(clean.shape)
    for shown in (clean, noisy):
        assert find_halftone(np.clip(shown, 0, 1).astype(np.float32)).probability < 0.2


def test_lines_in_one_direction_bricks_and_dots_in_one_place_are_no_halftone():
    clean = photo()
    y, x = np.mgrid[: clean.shape[0], : clean.shape[1]]
    blinds = clean * (0.75 + 0.25 * np.cos(2 * np.pi * y / 6))[..., None]
    rows = np.cos(2 * np.pi * y / 8) > 0.8
    columns = np.cos(2 * np.pi * (x + 10 * (y // 8 % 2)) / 20) > 0.9
    bricks = clean * (1 - 0.3 * (rows | columns))[..., None]
    dots = printed(clean, np.random.default_rng(1))
    scarf = clean.copy()
    scarf[200:, :140] = dots[200:, :140]
    for shown in (blinds, bricks, scarf):
        assert not find_halftone(np.clip(shown, 0, 1).astype(np.float32)).is_found


def test_blocks_of_jpeg_are_no_halftone():
    blocks = photo() + 0.05 * (np.indices((384, 384)).sum(0) // 8 % 2)[..., None]
    assert not find_halftone(np.clip(blocks, 0, 1).astype(np.float32)).is_found


@pytest.mark.parametrize("shape", [(159, 400, 3), (400, 400, 1), (1, 1, 3)])
def test_small_and_flat_pictures_have_none(shape):
    assert find_halftone(np.full(shape, 0.5, np.float32)) == NONE


def test_dots_are_named_and_are_not_taken_for_noise(print_in_dots):
    found = diagnose(print_in_dots)
    assert found.is_printed
    assert "halftone" in found.words()
    assert found.noise_sigma == 0
    # Whoever says that there is noise is believed.
    assert diagnose(print_in_dots, "noise").noise_sigma > 10
    assert diagnose(print_in_dots, noise=7.0).noise_sigma == 7


def test_dots_are_left_as_they_are(models, print_in_dots):
    before = Photo.from_samples(pictures.samples(print_in_dots, np.uint8))
    after = restore(before, Settings(), models)
    assert not after.diagnosis.is_damaged
    assert not after.diagnosis.needs_work
    assert np.array_equal(after.photo.to_samples(), before.to_samples())
