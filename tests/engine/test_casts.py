"""Casts and fading: curves that undo them, and what is left alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.drawn.fading import KINDS, reddened
from ldrps_engine.analysis import casts
from ldrps_engine.analysis.amounts import proposed_amounts
from ldrps_engine.analysis.casts import find_cast
from ldrps_engine.analysis.degradation import NEUTRAL
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.tone_curve import ToneCurve, without_toning
from ldrps_engine.diffusion.fpam import PhysicalFpam
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures

CURVE = ToneCurve(
    np.array([0.1, 0.05, 0.2], np.float32),
    np.array([0.8, 0.7, 0.6], np.float32),
    np.array([1.2, 0.9, 0.8], np.float32),
    1.25,
)


@pytest.fixture(scope="module")
def picture():
    return pictures.natural(96, 128)


def test_undoing_a_curve_is_the_reverse_of_doing_it(picture):
    assert np.abs(CURVE.undo(CURVE.redo(picture)) - picture).max() < 1e-4
    beyond = np.linspace(-0.3, 1.3, 64, dtype=np.float32)[:, None].repeat(3, 1)
    assert np.abs(CURVE.undo(CURVE.redo(beyond)) - beyond).max() < 1e-3
    grey = CURVE.even()
    assert (np.diff(grey.undo(beyond)[:, 0]) > 0).all()


def test_fpam_does_and_undoes_the_same_curve_as_the_analysis(picture):
    fpam = PhysicalFpam(replace(NEUTRAL, curve=CURVE, space="display"))
    clean = torch.from_numpy(picture).permute(2, 0, 1)[None]
    with torch.no_grad():
        faded = fpam(clean)
        undone = fpam.inverse(faded, clean)
    expected = CURVE.redo(picture)
    assert np.abs(faded[0].permute(1, 2, 0).numpy() - expected).max() < 1e-4
    assert (undone - clean).abs().max() < 1e-3


def test_amounts_raise_a_curve_from_nothing_to_twice(picture):
    assert np.abs(CURVE.raised(0).undo(picture) - picture).max() < 1e-5
    moves = [CURVE.raised(amount).change(picture) for amount in (0.0, 0.5, 1.0, 2.0)]
    assert moves == sorted(moves)
    assert moves[1] > 0.3 * moves[2]


def test_no_curve_crushes_shadows_or_burns_out_highlights(picture):
    strong = ToneCurve(
        np.full(3, 0.4, np.float32), np.full(3, 0.3, np.float32), np.ones(3, np.float32), 1.0
    )
    shown = strong.within(picture).undo(picture)
    assert ((shown < -1e-3).mean((0, 1)) <= 0.006).all()
    assert ((shown > 1 + 1e-3).mean((0, 1)) <= 0.006).all()
    assert ((strong.undo(picture) < 0).mean((0, 1)) > 0.2).all()


def strong_cast(picture, rng):
    """A cast over a cast, of up to two stops."""
    for seed in (rng.integers(99),) * 2:
        picture = KINDS["cast"](picture, np.random.default_rng(seed))
    return picture


@pytest.mark.parametrize("kind", ["strong cast", "faded", "both"])
def test_casts_and_fading_are_brought_nearer_to_the_truth(picture, kind):
    before, after = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        degraded = ({"strong cast": strong_cast} | KINDS)[kind](picture.astype(np.float64), rng)
        degraded = degraded.astype(np.float32)
        found = find_cast(degraded, recognise(degraded))
        undone = np.clip(found.curve.within(degraded).undo(degraded), 0, 1)
        before.append(((degraded - picture) ** 2).mean())
        after.append(((undone - picture) ** 2).mean())
    # Half of the error is 3 dB.
    assert np.mean(after) < 0.5 * np.mean(before)


@pytest.mark.parametrize(("name", "size"), [("astronaut", (256, 256)), ("chelsea", (170, 256))])
def test_a_slide_that_has_gone_red_is_found_and_comes_nearer_to_the_truth(name, size):
    clean = resize(getattr(data, name)().astype(np.float32) / 255, size, smooth=True)
    assert find_cast(clean, recognise(clean)).probability < 0.3
    for seed in range(2):
        slide = reddened(clean.astype(np.float64), np.random.default_rng(seed))
        slide = slide.astype(np.float32)
        found = find_cast(slide, recognise(slide))
        undone = np.clip(found.curve.within(slide).undo(slide), 0, 1)
        assert found.probability >= 0.65
        assert ((undone - clean) ** 2).mean() < 0.5 * ((slide - clean) ** 2).mean()


def test_a_coloured_black_speaks_for_a_cast_only_where_one_is_seen(picture):
    seen = recognise(picture).probabilities
    black, red = np.zeros(3, np.float32), np.array([0.2, 0.0, 0.0], np.float32)

    def judged(tinted, darkest):
        odds = {**seen, "tinted": tinted, "toned": 0.0}
        return casts._probability(CURVE, 0.0, darkest, odds, mounted=False)

    assert judged(0.9, red) > judged(0.9, black) + 0.05
    assert judged(0.1, red) == judged(0.1, black)


def test_toning_stays_unless_more_is_asked_for(models, picture):
    grey = pictures.grey(picture)
    sepia = np.clip(grey ** np.array([0.8, 1.0, 1.35]), 0, 1).astype(np.float32)
    photo = Photo.from_samples(pictures.samples(sepia, np.uint8))
    plain = restore(photo, Settings(), models)
    assert plain.diagnosis.amounts["cast"] == 0
    assert np.array_equal(plain.photo.to_samples(), photo.to_samples())
    if plain.diagnosis.toned:
        asked = restore(photo, Settings(amounts={"cast": 1.0, "noise": 0.0}), models)
        spread = np.ptp(asked.photo.pixels, axis=2).mean()
        assert spread < 0.3 * np.ptp(photo.pixels, axis=2).mean()
    toned = without_toning(sepia)
    assert np.ptp(toned.undo(sepia), axis=2).mean() < 0.2 * np.ptp(sepia, axis=2).mean()


def test_a_mount_makes_a_doubtful_cast_sure_enough_and_a_good_photo_none(picture):
    rng = np.random.default_rng(0)
    degraded = KINDS["both"](picture.astype(np.float64), rng).astype(np.float32)
    for shown in (degraded, picture):
        seen = recognise(shown)
        alone, mounted = (find_cast(shown, seen, mounted=how).probability for how in (False, True))
        assert mounted > alone
    assert mounted < 0.5


def test_a_toned_print_that_is_only_called_old_is_not_made_much_darker(picture):
    grey = pictures.grey(picture)
    toned = np.clip(0.9 * grey ** np.array([0.8, 1.0, 1.35]), 0, 1).astype(np.float32)
    found = diagnose(toned, "old-photo")
    assert found.grey or found.toned
    assert not found.is_faded
    assert proposed_amounts(found, Settings(recipe="old-photo"))["cast"] == 0.5
    assert proposed_amounts(found, Settings())["cast"] == 0


def test_a_good_photo_has_no_cast_to_mend(picture):
    assert not diagnose(picture).is_cast


@pytest.mark.parametrize(("toned", "hazy", "faded", "is_hazy"), [
    (0.2, 0.02, 0.9, False),
    (0.2, 0.9, 0.02, True),
    (0.9, 0.02, 0.9, True),
])  # fmt: skip
def test_fading_of_few_colours_that_are_no_print_is_no_haze(picture, toned, hazy, faded, is_hazy):
    """A thing of one hue under light of another colour was called hazy and lost 11 dB."""
    grey = 0.35 + 0.4 * pictures.grey(picture) ** np.array([0.8, 1.0, 1.3])
    shown = grey.astype(np.float32)
    seen = recognise(shown)
    assert find_cast(shown, seen).one_hue
    odds = dict.fromkeys(seen.probabilities, 0.0) | {"toned": toned, "hazy": hazy, "faded": faded}
    # Pale things that are held in a hand are another matter.
    anything = replace(seen.seen, logits=np.zeros_like(seen.seen.logits))
    found = diagnose(shown, recognition=replace(seen, probabilities=odds, seen=anything))
    assert not found.grey
    assert (found.haze > 0) == is_hazy
