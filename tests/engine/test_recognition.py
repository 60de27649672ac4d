"""Recognition of what the example photos suffer from, of pages, and of good scenes."""

import random
from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.diagnosis import Diagnosis, diagnose
from ldrps_engine.analysis.expectation import STATISTICS, cell_statistics, residual
from ldrps_engine.analysis.recognition import FINDINGS, recognise
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.view import normalised_luma, view_size
from support import pictures
from training.graphics import draw


@pytest.fixture(scope="module")
def recognised(examples):
    """Findings in the examples, by name."""
    names = ("low-light", "haze", "noise", "grey")
    return {name: recognise(examples(name)) for name in names}


def test_low_light_is_dark_and_not_hazy(recognised):
    found = recognised["low-light"]
    assert found.probabilities["dark"] > 0.9
    assert found.hazy_or_faded < 0.1
    # A twelfth of the light: log 12 is 2.5.
    assert 1.5 < np.median(found.gain) < 3.5
    assert np.median(found.depth) < 0.15
    assert found.shortfall > 1
    assert 0.75 < found.darkness < 0.97


def test_haze_is_hazy_and_not_dark(recognised):
    found = recognised["haze"]
    assert found.probabilities["hazy"] > 0.9
    assert found.light < 0.1
    # Drawn with a mean optical depth of 1.1, that of the sky included.
    assert 0.6 < np.median(found.depth) < 1.6
    assert np.median(found.gain) < 0.15
    assert found.depth[0].mean() > found.depth[-1].mean(), "the far end lies above"


@pytest.mark.parametrize("name", ["noise", "grey"])
def test_what_only_is_noisy_or_grey_is_neither_dark_nor_hazy(recognised, name):
    found = recognised[name]
    assert found.light < 0.3
    assert found.hazy_or_faded < 0.3
    assert found.graphic < 0.1


@pytest.mark.parametrize("name", ["low-light", "haze", "noise", "grey"])
def test_maps_lie_on_the_grid_of_the_view(recognised, examples, name):
    found = recognised[name]
    height, width = view_size(*examples(name).shape[:2])
    assert height % 32 == width % 32 == 0
    shape = (height // 16, width // 16)
    assert found.gain.shape == found.depth.shape == found.expected_light.shape == shape
    for values in (found.gain, found.depth):
        assert np.isfinite(values).all()
        assert values.min() >= 0
    assert set(found.probabilities) == set(FINDINGS)
    assert all(0 <= share <= 1 for share in found.probabilities.values())


@pytest.mark.parametrize("size", [(40, 640), (640, 40), (31, 47), (1, 1)])
def test_photos_of_any_shape_are_looked_at(size):
    found = recognise(pictures.natural(64, 64)[:1, :1].repeat(size[0], 0).repeat(size[1], 1))
    assert np.isfinite(list(found.probabilities.values())).all()
    assert min(found.gain.shape) >= 4


def test_darkening_a_scene_is_measured_by_the_amount(examples):
    rgb = resize(examples("noise"), (160, 224), smooth=True)
    levels = [np.median(recognise(pictures.darkened(rgb, 0.5**stops)).gain) for stops in (0, 2, 4)]
    assert levels[0] < levels[1] < levels[2]
    assert levels[2] - levels[0] > 1.4, "four stops are 2.8"


def test_drawn_pages_and_screens_are_graphics_and_photos_are_not(recognised):
    rng = random.Random(5)
    drawn = [recognise(np.divide(draw(rng), 255, dtype=np.float32)).graphic for _ in range(12)]
    assert np.median(drawn) > 0.9
    assert min(drawn) > max(found.graphic for found in recognised.values())


def test_a_good_scene_has_about_what_is_expected(examples):
    """Sunlit sandstone and trees at a lake have about the light that such scenes have."""
    for name in ("noise", "grey"):
        rgb = examples(name)
        view = np.clip(resize(rgb, view_size(*rgb.shape[:2]), smooth=True), 0, 1)
        found = residual(view, recognise(rgb).seen)
        assert found.change.shape == (*found.light.shape, STATISTICS)
        # Good photos differ from what is expected by up to one and a half deviations.
        assert abs(found.change[..., 0].mean()) < 1.5, name


def test_the_expectation_depends_on_the_scene_and_not_on_its_light(examples):
    rgb = examples("haze")
    view = np.clip(resize(rgb, view_size(*rgb.shape[:2]), smooth=True), 0, 1)
    bright, dark = recognise(view), recognise(view**1.8)
    change = np.abs(bright.expected_light - dark.expected_light).mean()
    found = cell_statistics(view)[..., 0] - cell_statistics(view**1.8)[..., 0]
    assert change < 0.3 * np.abs(found).mean()


def test_views_leave_light_and_contrast_as_they_are():
    rgb = pictures.natural(160, 160)
    there = normalised_luma(rgb)
    assert np.abs(there - normalised_luma(0.2 + 0.5 * rgb)).max() < 0.01
    assert np.median(there) == pytest.approx(0.45, abs=0.01)
    assert there.min() >= 0
    assert there.max() == 1


def test_a_diagnosis_carries_what_was_likely(examples):
    rgb = examples("haze")
    found = diagnose(rgb)
    assert found.probabilities["hazy"] == max(found.probabilities.values()) > 0.9
    assert found.probabilities.keys() == {*FINDINGS, "cast", "halftone"}
    given = diagnose(rgb, recognition=recognise(rgb))
    assert given.probabilities.keys() == found.probabilities.keys()
    neutral = Diagnosis(noise_sigma=0, haze=0, darkness=0, cast=0, grey=False)
    assert neutral.probabilities == {}


@pytest.mark.parametrize(
    ("share", "likely", "words"),
    [(0.3, 0.9, "backlit"), (0.3, 0.6, "dark"), (0.1, 0.9, ""), (0.3, 0.3, "")],
)
def test_what_stands_before_the_light_may_be_short_of_it_alone(share, likely, words):
    rgb = 0.6 * pictures.natural(160, 160, seed=4) + 0.2
    seen = recognise(rgb)
    gain = np.zeros_like(seen.gain)
    gain.flat[: round(share * gain.size)] = 2.5
    odds = dict.fromkeys(seen.probabilities, 0.0) | {"backlit": likely}
    found = diagnose(rgb, recognition=replace(seen, gain=gain, probabilities=odds, shortfall=0.0))
    assert found.is_dark == bool(words)
    assert found.is_backlit == (words == "backlit")
    assert (words or "nothing") in found.words()


def test_a_page_is_no_photo_and_left_alone():
    found = diagnose(np.divide(draw(random.Random(5)), 255, dtype=np.float32))
    assert found.graphic
    assert not found.needs_work
    assert "no photo" in found.words()
