"""Degradations by physics, and pictures that are no photos, as the recogniser learns from."""

import random

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.recognition import FINDINGS
from support import pictures
from training.degradation_model import DegradationModel
from training.graphics import draw

COUNT = 160


@pytest.fixture(scope="module")
def clean():
    scenes = [pictures.natural(64, 64, seed) for seed in range(8)]
    return torch.from_numpy(np.stack(scenes)).permute(0, 3, 1, 2).repeat(COUNT // 8, 1, 1, 1)


@pytest.fixture(scope="module")
def degraded(clean):
    return DegradationModel(torch.Generator().manual_seed(1))(clean)


def labelled(degraded, name):
    return degraded.labels[:, FINDINGS.index(name)] > 0


def light(images):
    return images.mean((1, 2, 3))


def test_images_stay_display_values_and_every_finding_is_drawn(degraded):
    assert degraded.image.shape == (COUNT, 3, 64, 64)
    assert degraded.image.min() >= 0
    assert degraded.image.max() <= 1
    assert degraded.image.isfinite().all()
    for name in FINDINGS:
        assert labelled(degraded, name).any() == (name != "graphic"), name
    assert (degraded.labels.sum(1) <= 1).all()


def test_a_third_stays_good_and_shows_nothing(degraded):
    plain = (degraded.labels.sum(1) == 0) & (degraded.weights.min(1).values == 1)
    assert 0.2 < plain.float().mean() < 0.6
    good = plain & (degraded.gain.amax((1, 2, 3)) == 0) & (degraded.depth.amax((1, 2, 3)) == 0)
    assert good.float().mean() > 0.2


def test_dark_is_darker_by_what_the_map_says(clean, degraded):
    dark = labelled(degraded, "dark")
    assert (light(degraded.image[dark]) < light(clean[dark])).all()
    missing = degraded.gain[dark].mean((1, 2, 3))
    assert (missing > 0.3).all()
    stops = (light(clean[dark] ** 2.2) / light(degraded.image[dark] ** 2.2).clamp(min=1e-4)).log()
    assert torch.corrcoef(torch.stack([missing, stops]))[0, 1] > 0.7


def test_backlit_keeps_a_bright_place(degraded):
    backlit = degraded.gain[labelled(degraded, "backlit")]
    spread = backlit.amax((1, 2, 3)) - backlit.amin((1, 2, 3))
    assert spread.median() > 1


def test_haze_lies_over_hazy_ones_alone_and_takes_contrast(clean, degraded):
    hazy = labelled(degraded, "hazy")
    assert (degraded.depth[hazy].mean((1, 2, 3)) > 0.3).all()
    others = degraded.labels[:, [FINDINGS.index(n) for n in ("dark", "backlit", "tinted")]].any(1)
    assert (degraded.depth[others] == 0).all()
    assert (degraded.gain[hazy] == 0).all()
    ratio = degraded.image[hazy].std((1, 2, 3)) / clean[hazy].std((1, 2, 3))
    assert ratio.median() < 0.8


def test_the_same_generator_draws_the_same(clean, degraded):
    again = DegradationModel(torch.Generator().manual_seed(1))(clean)
    for name, value in vars(again).items():
        assert torch.equal(value, getattr(degraded, name)), name


def test_graphics_are_drawn_alike_for_a_seed_and_differ_between_seeds():
    first, again, other = (draw(random.Random(seed)) for seed in (1, 1, 2))
    assert first.shape == (160, 160, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
