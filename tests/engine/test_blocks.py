"""JPEG's blocks: their grid, their quality, and what is left without them."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from ldrps_engine.analysis.blocks import Blocks, find_blocks
from ldrps_engine.analysis.diagnosis import BLOCKS_FROM, diagnose
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.deblocking import without_blocks
from support import pictures
from training.metrics import psnr


def jpeg(picture, quality, subsampling=2):
    file = io.BytesIO()
    Image.fromarray(pictures.samples(picture, np.uint8)).save(
        file, "JPEG", quality=quality, subsampling=subsampling
    )
    return np.asarray(Image.open(file), np.float32) / np.float32(255)


def excess(picture, begin):
    """Return how much higher steps are at the grid's columns than elsewhere, on average."""
    steps = np.abs(np.diff(picture.mean(-1), axis=1)).mean(0)
    at = np.arange(steps.size) % 8 == (begin - 1) % 8
    return steps[at].mean() - steps[~at].mean()


@pytest.fixture(scope="module")
def photo():
    return pictures.natural(200, 264)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, 5), (7, 1)])
@pytest.mark.parametrize("quality", [10, 30, 50])
def test_grid_and_quality_are_found_wherever_the_photo_was_cropped(photo, quality, down, right):
    found = find_blocks(jpeg(photo, quality)[down:, right:])
    assert (found.top, found.left) == (-down % 8, -right % 8)
    assert found.quality == pytest.approx(quality, abs=2)


@pytest.mark.parametrize("quality", [85, 90, 95])
@pytest.mark.parametrize(("contrast", "dark"), [(0.1, 0.8), (0.05, 0.02)])
def test_quality_is_not_taken_from_means_that_are_all_alike(quality, contrast, dark):
    """Heavy haze and deep shadows; a photo taken for one of quality 5 was smeared."""
    picture = pictures.natural(400, 528, seed=2) * contrast + dark
    was = jpeg(picture, quality)
    found = find_blocks(was)
    assert found == Blocks() or found.quality == pytest.approx(quality, abs=3)
    assert psnr(without_blocks(was, found), picture) > psnr(was, picture) - 0.1


def test_the_coarser_the_higher_are_the_steps(photo):
    steps = [find_blocks(jpeg(photo, quality)).strength for quality in (50, 30, 20, 10)]
    assert all(finer < coarser for finer, coarser in itertools.pairwise(steps))


@pytest.mark.parametrize("sigma", [0, 3, 20])
@pytest.mark.parametrize("make", [pictures.natural, lambda h, w: pictures.natural(h, w, seed=4)])
def test_photos_that_were_no_jpegs_have_none(make, sigma):
    picture = np.clip(pictures.noisy(make(200, 264), sigma), 0, 1)
    assert find_blocks(pictures.samples(picture, np.uint8) / np.float32(255)) == Blocks()


def test_lines_at_every_eighth_pixel_are_no_blocks_if_only_one_way():
    stripes = np.full((128, 128, 3), 0.3, np.float32)
    stripes[:, ::8] = 0.6
    assert find_blocks(stripes) == Blocks()


@pytest.mark.parametrize("size", [(1, 1), (16, 300), (39, 39)])
def test_small_photos_have_none_that_could_be_seen(size):
    assert find_blocks(np.full((*size, 3), 0.4, np.float32)) == Blocks()


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [10, 25, 50])
def test_without_blocks_a_photo_is_nearer_to_what_was_compressed(photo, quality, subsampling):
    blocky = jpeg(photo, quality, subsampling)[3:, 5:]
    smoothed = without_blocks(blocky, find_blocks(blocky))
    # 0.3 to 1 dB on photos, see docs/decisions/0026.
    assert psnr(smoothed, photo[3:, 5:]) > psnr(blocky, photo[3:, 5:]) + 0.2
    assert excess(smoothed, 3) < 0.5 * excess(blocky, 3)


def test_samples_between_and_beyond_8_bits_stay_apart(photo):
    blocky = jpeg(photo, 20)
    moved = blocky + np.float32(0.3 / 255)
    moved[:8, :8] += 1
    blocks = find_blocks(blocky)
    change = without_blocks(moved, blocks) - without_blocks(blocky, blocks)
    np.testing.assert_allclose(change[32:, 32:], 0.3 / 255, atol=1e-6)
    assert change[:6, :6].min() > 0.5


@pytest.mark.parametrize("long_side", [100, 1100])
def test_a_crop_is_smoothed_as_in_the_whole_and_nothing_else_is(photo, long_side):
    blocky = np.pad(jpeg(photo, 25), ((0, 900), (0, 1000), (0, 0)), "wrap")[3:, 5:]
    blocks = find_blocks(blocky)
    crop = slice(61, 61 + long_side), slice(0, 90)
    whole, part = without_blocks(blocky, blocks), without_blocks(blocky, blocks, crop)
    # JPEG halves chroma from another pixel on.
    np.testing.assert_allclose(part[crop], whole[crop], atol=2 / 255)
    assert np.abs(part[crop] - whole[crop]).mean() < 0.1 / 255
    untouched = np.ones(blocky.shape[:2], bool)
    untouched[: 61 + long_side + 512, :602] = False
    assert np.array_equal(part[untouched], blocky[untouched])


def test_the_diagnosis_tells_blocks_that_can_be_seen(photo):
    assert "JPEG blocks" in diagnose(jpeg(photo, 10)).words()
    assert diagnose(jpeg(photo, 10)).needs_work
    fine = diagnose(jpeg(photo, 90))
    assert fine.blocks < BLOCKS_FROM
    assert "JPEG" not in fine.words()


def test_auto_smooths_blocks_and_no_more(models, photo):
    blocky = jpeg(photo, 10)
    result = restore(Photo.from_samples(pictures.samples(blocky, np.uint8)), Settings(), models)
    assert psnr(result.photo.pixels, photo) > psnr(blocky, photo) + 0.2


def test_blocks_are_not_brought_to_light(models, photo, monkeypatch):
    dark = pictures.darkened(photo, 0.06)
    samples = pictures.samples(jpeg(dark, 75), np.uint8)
    # As dark as it is nobody sees them; in the light they would stand out.
    assert 0 < find_blocks(samples / np.float32(255)).strength < BLOCKS_FROM
    settings = Settings(recipe="low-light", steps=2, recurrences=0, noise_sigma=0.0)

    def lit(of):
        return restore(Photo.from_samples(of), settings, models).photo.pixels

    smoothed, truth = lit(samples), lit(pictures.samples(dark, np.uint8))
    monkeypatch.setattr("ldrps_engine.diffusion.planning.without_blocks", lambda rgb, *_: rgb)
    # Most of the difference is the level of light, which is judged again from either picture.
    assert psnr(smoothed, truth) > psnr(lit(samples), truth) + 0.1
