"""Damage under a mask: filled from around it, and nothing else is changed."""

import numpy as np
import pytest

from ldrps_engine.errors import CancelledError, SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Step
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.filling import fill
from ldrps_engine.transfer.pyramid import pyramid
from support import pictures
from training.metrics import psnr


def drawn(mask_of, height=96, width=128):
    """A picture, a mask, and the picture with white where the mask is."""
    clean, mask = pictures.natural(height, width), np.zeros((height, width), bool)
    mask_of(mask)
    return clean, mask, np.where(mask[..., None], np.float32(1), clean)


def scratch(mask):
    for row in range(10, 86):
        mask[row, 40 + row // 3 : 43 + row // 3] = True


def corner(mask):
    mask[:20, :30] = True


def wide(mask):
    mask[30:60, 50:80] = True


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("where", "gain"), [(scratch, 10), (corner, 5), (wide, 10)])
def test_only_what_is_marked_changes_and_comes_nearer_to_the_truth(monkeypatch, where, gain, many):
    if many:
        monkeypatch.setattr("ldrps_engine.transfer.filling._MANY", 0)
    clean, mask, damaged = drawn(where)
    filled = fill(damaged, mask)
    assert np.array_equal(filled[~mask], damaged[~mask])
    before, after = (psnr(picture[mask][None], clean[mask][None]) for picture in (damaged, filled))
    # A third of the distance; less in a corner, which has surroundings on two sides only.
    assert after > before + gain


def test_a_line_goes_on_across_a_scratch():
    clean = np.full((64, 64, 3), 0.8, np.float32)
    rows, columns = np.mgrid[:64, :64]
    clean[np.abs(rows - columns * 0.5 - 16) < 2] = 0.1
    mask = np.zeros((64, 64), bool)
    mask[:, 30:34] = True
    filled = fill(np.where(mask[..., None], np.float32(1), clean), mask)
    middle = int(31 * 0.5 + 16)
    assert filled[middle, 31].mean() < 0.35
    assert filled[middle - 12, 31].mean() > 0.7


def test_the_value_under_the_mask_is_of_no_account():
    clean, mask, _ = drawn(scratch)
    black, white = (
        fill(np.where(mask[..., None], np.float32(value), clean), mask) for value in (0, 1)
    )
    assert np.array_equal(black, white)


@pytest.mark.parametrize("many", [False, True])
def test_grain_goes_on_inside_a_wide_hole(monkeypatch, many):
    if many:
        monkeypatch.setattr("ldrps_engine.transfer.filling._MANY", 0)
    grain = np.random.default_rng(2).normal(0, 0.05, (96, 96, 3))
    photo, mask = (0.5 + grain).astype(np.float32), np.zeros((96, 96), bool)
    mask[30:60, 30:60] = True
    inside = fill(np.where(mask[..., None], np.float32(1), photo), mask)[38:52, 38:52]
    # 0.7 of the surroundings'; without it the middle is smooth.
    assert 0.5 < inside.std() / photo[~mask].std() < 1
    assert abs(inside.mean() - 0.5) < 0.02


def test_what_is_far_from_the_mask_plays_no_part():
    clean = np.tile(pictures.natural(96, 128), (8, 8, 1))
    mask = np.zeros(clean.shape[:2], bool)
    mask[40:60, 60:63] = True
    other = clean.copy()
    other[400:] = 0
    assert np.array_equal(fill(clean, mask)[mask], fill(other, mask)[mask])


def test_nothing_is_made_of_what_lies_far_from_the_damage():
    """A large photo costs what its damage does."""
    made = []
    mask = np.zeros((2000, 3000), bool)
    mask[40:60, 60:63] = mask[1900:1903, 2800:2860] = True
    levels = pyramid(np.zeros((*mask.shape, 3), np.float32), mask)
    known = levels[0].known

    def counted(rows, columns):
        made.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return known(rows, columns)

    levels[0].known = counted
    levels[0].coarser.filled(slice(0, 64), slice(0, 64))
    assert 0 < sum(made) < mask.size / 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_good_photo_keeps_every_sample_outside_the_mask(models, dtype, channels):
    _, mask, damaged = drawn(scratch)
    samples = pictures.samples(damaged, dtype)
    peak = np.asarray(Photo.from_samples(samples).depth.peak, dtype)
    if channels == 1:
        samples = samples[..., 1:2]
    if channels == 4:
        samples = np.concatenate([samples, np.full_like(samples[..., :1], peak)], 2)
    photo = Photo.from_samples(samples).with_damage(mask)
    found = restore(photo, Settings(damage="mask", layers=("restored", "generated")), models)
    restored = found.photo.to_samples()
    assert np.array_equal(restored[~mask], samples[~mask])
    assert (restored[mask][:, 0] < peak).mean() > 0.95
    made = found.layers[1].photo.to_samples()[..., 0]
    assert np.array_equal(made, np.where(mask, 255, 0))
    assert found.generated == (pytest.approx(mask.mean()), 1.0)


def test_half_strength_fills_half_and_none_gives_the_photo_back(models):
    _, mask, damaged = drawn(scratch)
    photo = Photo.from_samples(pictures.samples(damaged, np.float32)).with_damage(mask)
    none, half, full = (
        restore(photo, Settings(damage="mask", strength=strength), models).photo.pixels
        for strength in (0.0, 0.5, 1.0)
    )
    assert np.array_equal(none, photo.pixels)
    assert half == pytest.approx((none + full) / 2, abs=1e-6)


def test_a_scratch_does_not_colour_a_grey_photo(models):
    grey = pictures.natural(96, 128).mean(2, keepdims=True).repeat(3, 2)
    mask = np.zeros((96, 128), bool)
    scratch(mask)
    red = np.where(mask[..., None], np.array([1, 0, 0], np.float32), grey)
    photo = Photo.from_samples(pictures.samples(red, np.uint8)).with_damage(mask)
    restored = restore(photo, Settings(damage="mask", recipe="noise"), models).photo.to_samples()
    assert np.ptp(restored[mask].astype(int), axis=1).max() <= 1


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((96, 128), bool), "marks nothing"),
        (np.ones((96, 128), bool), "covers 100% of the photo"),
        (np.ones((128, 96), bool), "the mask is 96x128 and the photo 128x96"),
    ],
)
def test_masks_that_cannot_be(mask, words):
    photo = Photo.from_samples(np.zeros((96, 128, 3), np.uint8))
    with pytest.raises(SettingsError, match=words) as caught:
        photo.with_damage(mask)
    assert str(caught.value).startswith("damage: ")


def test_a_mask_and_its_setting_go_together(models):
    _, mask, damaged = drawn(scratch)
    photo = Photo.from_samples(pictures.samples(damaged, np.uint8))
    with pytest.raises(SettingsError, match="no mask was given"):
        restore(photo, Settings(damage="mask"), models)
    with pytest.raises(SettingsError, match="a mask of damage was given"):
        restore(photo.with_damage(mask), Settings(), models)
    with pytest.raises(SettingsError, match="damage 'all' is not known; use one of auto"):
        Settings(damage="all")


def reported(models, photo, **changes):
    """Steps that are told, in their order."""
    steps = []

    def on_step(progress):
        if isinstance(progress, Step):
            steps.append((progress.stage, progress.index, progress.count))

    restore(photo, Settings(damage="mask", **changes), models, on_step)
    return steps


def test_filling_is_reported_part_by_part_and_what_follows_goes_on_from_there(models):
    _, mask, damaged = drawn(scratch)
    photo = Photo.from_samples(pictures.samples(damaged, np.uint8)).with_damage(mask)
    steps = reported(models, photo, recipe="noise", noise_sigma=8.0, steps=1)
    filling = [step for step in steps if step[0] == "fill"]
    # Told several times a second: a quick machine is done before it has much to tell.
    assert filling
    assert filling[-1][2] == 5 * filling[-1][1]
    assert {step[0] for step in steps} >= {"fill", "transfer"}
    shares = [index / count for _, index, count in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_filling_can_be_stopped_on_its_way():
    _, mask, damaged = drawn(wide)
    heard = []

    def stop(done, count):
        heard.append(done / count)
        if done > count / 2:
            raise CancelledError("the job was cancelled")

    with pytest.raises(CancelledError):
        fill(damaged, mask, stop)
    assert 0.5 < heard[-1] < 1
    assert heard == sorted(heard)
