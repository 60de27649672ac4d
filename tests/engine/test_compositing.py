"""The photo is carried over to its pilot part by part, and what the model added is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.resampling import resize, resize_part
from ldrps_engine.photo import Depth, Photo
from ldrps_engine.transfer import compositing
from ldrps_engine.transfer.compositing import (
    Compositor,
    LayerWriter,
    ToneMapping,
    compose,
    generated_share,
)
from support import pictures
from training.metrics import psnr


@pytest.fixture(scope="module")
def natural():
    return pictures.natural(96, 128)


def darkened(natural, depth=0.25):
    """A photo in too little light, smoothly less to one side, and how it came about."""
    gain = np.linspace(depth, 2 * depth, 16, dtype=np.float32)[None, :, None].repeat(3, 2)
    guess = Degradation(gain, np.zeros_like(gain), "display")
    return natural * resize(gain, natural.shape[:2], smooth=True), guess


def compositor(rgb, pilot, guess=None, **how):
    size = rgb.shape[:2]
    tone_mapping = ToneMapping.fit(rgb, guess, pilot) if guess else ToneMapping(size)
    given = {
        "rgb": rgb,
        "filtered": rgb,
        "pilot": pilot,
        "tone_mapping": tone_mapping,
        "strength": 1.0,
    }
    return Compositor(**given | how)


def carried(work, layers=("restored", "generated"), photo=None):
    photo = photo or Photo(work.rgb, Depth.F32)
    found = LayerWriter(photo, layers, coloured=False)
    compose(work, found.put, lambda _: None)
    return found


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("size", [(96, 128), (201, 77), (40, 30)])
def test_a_part_of_a_resized_picture_is_that_part(natural, size, smooth):
    whole = resize(natural, size, smooth=smooth)
    part = slice(size[0] // 3, size[0] // 2), slice(5, size[1])
    assert np.allclose(resize_part(natural, size, part, smooth=smooth), whole[part], atol=1e-5)


def test_a_field_of_one_value_can_be_resized_in_parts():
    one = np.full((1, 1, 3), 0.5, np.float32)
    part = resize_part(one, (1000, 999), (slice(200, 300), slice(990, 999)), smooth=True)
    assert part.shape == (100, 9, 3)
    assert np.all(part == 0.5)


def test_parts_are_toned_like_the_whole(natural, monkeypatch):
    dark, guess = darkened(natural)
    warm = natural * np.array([1, 0.9, 0.8], np.float32)
    whole = carried(compositor(dark, warm, guess)).photo("restored").pixels
    monkeypatch.setattr(compositing, "_SIDE", 32)
    parts = carried(compositor(dark, warm, guess)).photo("restored").pixels
    assert psnr(parts, whole) > 80
    assert psnr(whole, warm) > psnr(natural, warm) + 3


def test_no_energy_gathers_at_the_borders_of_parts(natural, monkeypatch):
    monkeypatch.setattr(compositing, "_SIDE", 32)
    dark, guess = darkened(natural)
    pilot = np.clip(natural * 1.1, 0, 1)
    error = carried(compositor(dark, pilot, guess)).photo("restored").pixels - pilot
    steps = np.abs(np.diff(error, axis=1)).mean((0, 2))
    at_borders = steps[[31, 63, 95]].mean()
    assert at_borders < 1.5 * np.median(steps) + 1e-5


def test_strength_nought_is_the_photo_to_the_bit(natural):
    dark, guess = darkened(natural)
    found = carried(compositor(dark, natural, guess, strength=0.0))
    assert np.array_equal(found.photo("restored").pixels, dark)
    assert found.generated == (0.0, 0.0)


def test_nothing_is_generated_in_a_photo_that_is_left_alone(natural):
    found = carried(compositor(natural, natural))
    assert found.generated == (0.0, 0.0)
    assert not found.photo("generated").to_samples().any()
    assert np.array_equal(found.photo("restored").pixels, natural)


def test_light_brought_back_by_measure_is_the_photos_own(natural):
    dark, guess = darkened(natural)
    mean, most = carried(compositor(dark, natural, guess)).generated
    assert mean < 0.02
    assert most < 0.25


def test_filtered_noise_is_the_photos_own(natural):
    noisy = pictures.noisy(natural, 25)
    assert carried(compositor(noisy, natural, filtered=natural)).generated == (0.0, 0.0)


def test_what_the_pilot_puts_where_the_photo_is_clipped_is_generated(natural):
    clipped = natural.copy()
    clipped[20:50, 30:80] = 1.0
    dark, guess = darkened(clipped)
    found = carried(compositor(dark, natural, guess))
    share = found.photo("generated").pixels[..., 0]
    inside = share[24:46, 34:76].mean()
    assert inside > 0.3
    share[12:58, 22:88] = 0
    assert share.mean() < 0.1 * inside


def test_colour_that_a_grey_photo_gets_is_generated(natural):
    grey = pictures.grey(natural)
    neutral = Degradation(np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32), "light")
    work = compositor(grey, natural, replace(neutral, grey=True))
    found = carried(work)
    share = found.photo("generated").pixels[..., 0]
    restored = found.photo("restored").pixels
    chroma = restored.max(-1) - restored.min(-1)
    assert found.generated[0] > 0.02
    assert np.corrcoef(share.ravel(), chroma.ravel())[0, 1] > 0.5


def test_a_published_result_is_generated_throughout(natural):
    found = carried(compositor(natural, natural, pilot_only=True, strength=0.5))
    share = found.photo("generated").pixels
    lit = natural.max(-1) > 0.2
    assert np.allclose(share[lit], 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("own", "shown", "share"),
    [
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 0.0),
        ((0.0, 0.0, 0.0), (0.8, 0.8, 0.8), 1.0),
        ((0.8, 0.8, 0.8), (0.0, 0.0, 0.0), 1.0),
        ((0.4, 0.4, 0.4), (0.8, 0.8, 0.8), 0.5),
        ((0.0, 0.0, 0.0), (1 / 64, 1 / 64, 1 / 64), 0.25),
        ((1.5, 1.5, 1.5), (1.0, 1.0, 1.0), 0.0),
    ],
)
def test_the_share_that_is_generated(own, shown, share):
    own, shown = (np.array(values, np.float32)[None, None] for values in (own, shown))
    assert generated_share(own, shown)[0, 0] == pytest.approx(share)


def test_the_map_and_its_figures_agree(natural):
    dark, guess = darkened(natural)
    found = carried(compositor(dark, np.clip(natural + 0.2, 0, 1), guess))
    share = found.photo("generated").pixels
    assert found.generated == pytest.approx((share.mean(), share.max()), abs=1 / 255)


def test_layers_have_the_photos_own_samples(natural):
    samples = np.rint(natural * 65535).astype(np.uint16)
    alpha = np.full((*samples.shape[:2], 1), 65535, np.uint16)
    alpha[:10] = 0
    photo = Photo.from_samples(np.concatenate([samples, alpha], 2))
    found = carried(compositor(natural, natural), ("pilot", "restored", "generated"), photo)
    assert np.array_equal(found.photo("restored").to_samples(), photo.to_samples())
    assert found.photo("pilot").to_samples().dtype == np.uint16
    assert np.array_equal(found.photo("pilot").alpha, alpha[..., 0])
    assert found.photo("generated").to_samples().shape == (*samples.shape[:2], 1)


def test_any_number_of_threads_carries_the_same_bits(natural, monkeypatch):
    monkeypatch.setattr(compositing, "_SIDE", 32)
    dark, guess = darkened(natural)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(carried(compositor(dark, natural, guess)).photo("restored").pixels)
    finally:
        torch.set_num_threads(before)
    # The field is fitted by all threads together: the sums' order may differ.
    assert psnr(*found) > 55
