"""Defects of a sensor are found and mended; what a lens has drawn stays."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.hot_pixels import find_hot_pixels
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures

COUNT = 40


def with_defects(picture, seed=0, count=COUNT, side=1):
    """(the picture with bright defects in one colour each, where they are)."""
    rng = np.random.default_rng(seed)
    spoilt, mask = picture.copy(), np.zeros(picture.shape[:2], bool)
    cells = rng.choice(
        (picture.shape[0] // 12 - 1) * (picture.shape[1] // 12 - 1), count, replace=False
    )
    for cell in cells:
        row, column = divmod(int(cell), picture.shape[1] // 12 - 1)
        y, x = 12 * row + 8, 12 * column + 8
        spoilt[y : y + side, x : x + side, rng.integers(3)] = rng.uniform(0.7, 1)
        mask[y : y + side, x : x + side] = True
    return spoilt, mask


def found_in(picture):
    found = find_hot_pixels(picture)
    mask = np.zeros(picture.shape[:2], bool)
    mask[found.rows, found.columns] = True
    return found, mask


def dark_picture(noise=0.0):
    dark = pictures.darkened(pictures.natural(192, 256), 0.06)
    return np.clip(pictures.noisy(dark, noise), 0, 1) if noise else dark


@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("noise", [0, 3])
def test_defects_of_a_dark_photo_are_mended(side, noise):
    clean = dark_picture(noise)
    spoilt, mask = with_defects(clean, side=side)
    found, where = found_in(spoilt)
    assert (where & mask).sum() >= 0.9 * mask.sum()
    assert not (where & ~mask).any()
    assert found.count == where.sum() / side**2
    mended = found.mend(spoilt)
    # What is filled in is as far from the truth as neighbours are from each other.
    assert np.abs(mended - clean)[where].mean() < 0.04
    assert np.array_equal(mended[~where], spoilt[~where])


@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("noise", [0, 12])
def test_sorting_out_what_noise_has_made_loses_no_defect(monkeypatch, side, noise):
    spoilt, _ = with_defects(dark_picture(noise), side=side)
    found = []
    for share in (0.0, 1.0):
        monkeypatch.setattr("ldrps_engine.analysis.hot_pixels._MANY", share)
        found.append(find_hot_pixels(spoilt))
    assert found[0].count > 0
    assert np.array_equal(found[0].rows, found[1].rows)
    assert np.array_equal(found[0].columns, found[1].columns)


@pytest.mark.parametrize("size", [(1, 1), (9, 9), (9, 200), (200, 9), (10, 11)])
def test_photos_too_small_for_surroundings_have_none(size):
    picture = np.full((*size, 3), 0.2, np.float32)
    picture[0, 0] = 1
    assert find_hot_pixels(picture).count == 0


def test_defects_of_a_photo_in_daylight_are_mended_where_they_can_be_seen():
    clean = pictures.natural(192, 256)
    spoilt, mask = with_defects(clean)
    seen = [
        (y, x)
        for y, x in np.argwhere(mask)
        if np.abs(spoilt[y, x] - clean[y, x]).max() > 0.25
        and np.ptp(clean[y - 4 : y + 5, x - 4 : x + 5], axis=(0, 1)).max() < 0.35
    ]
    _, where = found_in(spoilt)
    assert len(seen) > 8
    assert sum(where[y, x] for y, x in seen) >= 0.6 * len(seen)
    assert not (where & ~mask).any()


def test_dead_pixels_are_mended_as_well():
    clean = np.full((96, 96, 3), 0.6, np.float32)
    spoilt = clean.copy()
    for k in range(7):
        spoilt[10 + 11 * k, 20 + 7 * k] = 0
    found, _ = found_in(spoilt)
    assert found.count == 7
    np.testing.assert_allclose(found.mend(spoilt), clean, atol=1e-6)


def sky():
    """A night sky: stars of many sizes and colours, spread by the lens or one pixel of white."""
    rng = np.random.default_rng(5)
    picture = np.full((160, 200, 3), 0.03, np.float32)
    y, x = np.mgrid[:160, :200]
    for _ in range(60):
        tint = 1 - rng.uniform(0, 0.4, 3)
        light = rng.uniform(0.2, 1) * tint / tint.max()
        width = rng.uniform(0.5, 1.2)
        reach = (y - rng.uniform(0, 160)) ** 2 + (x - rng.uniform(0, 200)) ** 2
        picture += np.exp(-reach / (2 * width**2))[..., None] * light
    for row, column in rng.integers(8, 150, (20, 2)):
        picture[row, column] = 0.9
    return np.clip(picture, 0, 1).astype(np.float32)


def text():
    image = Image.new("RGB", (240, 160), "white")
    draw = ImageDraw.Draw(image)
    for row in range(10):
        draw.text((6, 4 + 15 * row), "i.e. fig. 1: a.b.c; ... e. 0.5 ' `", fill="black")
    return np.divide(np.asarray(image), 255, dtype=np.float32)


def highlights():
    """Catchlights and glitter: small, white, with the spread of a lens."""
    picture = pictures.natural(160, 200)
    y, x = np.mgrid[:160, :200]
    for k in range(30):
        reach = (y - 5 * k - 4) ** 2 + (x - (37 * k) % 190 - 5) ** 2
        picture = picture + (1 - picture) * np.exp(-reach / (2 * 0.6**2))[..., None]
    return picture.astype(np.float32)


@pytest.mark.parametrize("make", [sky, text, highlights, lambda: pictures.textured(160, 200)])
def test_stars_text_highlights_and_texture_stay(make):
    picture = make()
    assert find_hot_pixels(picture).count == 0
    assert find_hot_pixels(picture).mend(picture) is picture


@pytest.mark.parametrize("sigma", [5, 25])
def test_noise_is_no_defect(sigma):
    for make in (pictures.natural, pictures.darkened):
        picture = make(pictures.natural(192, 256)) if make is pictures.darkened else make(192, 256)
        noisy = np.clip(pictures.noisy(picture, sigma), 0, 1)
        assert find_hot_pixels(noisy).count <= 1


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (9, 9), (20, 20)])
def test_photos_of_any_size_can_be_looked_at(size):
    picture = np.full((*size, 3), 0.1, np.float32)
    picture[size[0] // 2, size[1] // 2, 0] = 1
    assert find_hot_pixels(picture).count == (min(size) >= 9)


def test_a_large_photo_is_looked_at_in_strips():
    clean = np.tile(dark_picture(), (3, 1, 1))
    spoilt, mask = with_defects(clean, count=100)
    _, where = found_in(spoilt)
    assert (where & mask).sum() >= 0.9 * mask.sum()


def test_the_diagnosis_tells_them():
    found = diagnose(with_defects(pictures.natural(192, 256) * 0.2 + 0.4)[0])
    assert found.hot_pixels > COUNT / 2
    assert f"hot pixels ({found.hot_pixels})" in found.words()
    assert found.needs_work


def test_auto_mends_them_and_touches_nothing_else(models):
    clean = pictures.natural(192, 256)
    spoilt, _ = with_defects(clean)
    samples = pictures.samples(spoilt, np.uint8)
    _, where = found_in(samples.astype(np.float32) / 255)
    result = restore(Photo.from_samples(samples), Settings(), models)
    out = result.photo.to_samples()
    assert result.diagnosis.hot_pixels == where.sum() > 5
    assert not result.diagnosis.needs_prior
    assert np.array_equal(out[~where], samples[~where])
    expected = pictures.samples(clean, np.uint8)
    assert np.abs(out[where].astype(int) - expected[where]).mean() < 6


def test_strength_zero_gives_the_photo_back_defects_and_all(models):
    samples = pictures.samples(with_defects(dark_picture())[0], np.uint8)
    result = restore(Photo.from_samples(samples), Settings(strength=0.0), models)
    assert np.array_equal(result.photo.to_samples(), samples)
