"""Verdicts hear more than one judge, and pale things are no haze."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis import verdicts
from ldrps_engine.analysis.faces import Face
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.verdicts import is_hazy, is_high_key, is_pale, lacks_light

SIZE = (160, 160, 3)
SCENE = np.full(SIZE, 0.6, np.float32)
CARDIGAN, VALLEY = 474, 979
"""Classes of ImageNet-1k."""


@pytest.fixture(scope="module")
def seen():
    return recognise(np.random.default_rng(0).random(SIZE, dtype=np.float32))


def judged(seen, hazy, faded, depth):
    odds = {**seen.probabilities, "hazy": hazy, "faded": faded}
    field = replace(seen.haze, depth=np.full((32, 32), depth, np.float32))
    return replace(seen, probabilities=odds, haze=field)


def before(bright, skin, worn=0.1):
    """Faces of one shade in the middle row above clothes of another, before something bright."""
    rgb = np.full(SIZE, bright, np.float32)
    rgb[50:95] = skin
    rgb[95:] = worn
    return rgb


@pytest.mark.parametrize(("hazy", "depth"), [(0.75, 0.03), (0.02, 0.18), (0.3, 0.1)])
def test_one_judge_alone_makes_no_haze(seen, hazy, depth):
    assert not is_hazy(SCENE, 0.1, judged(seen, hazy, 0.0, depth))


@pytest.mark.parametrize(("hazy", "depth"), [(0.75, 0.2), (0.05, 0.3), (0.99, 0.12)])
def test_judges_that_agree_make_haze(seen, hazy, depth):
    assert is_hazy(SCENE, 0.3, judged(seen, hazy, 0.0, depth))


@pytest.mark.parametrize(("shown", "expected"), [(CARDIGAN, False), (VALLEY, True)])
def test_a_thing_at_arms_length_is_pale_and_not_in_haze(seen, shown, expected):
    pale = judged(seen, 0.75, 0.0, 0.2)
    logits = np.where(np.arange(1000) == shown, 9.0, 0.0).astype(np.float32)
    assert is_hazy(SCENE, 0.3, replace(pale, seen=replace(seen.seen, logits=logits))) is expected


@pytest.mark.parametrize(("sky", "expected"), [(0.2, False), (0.75, True)])
def test_under_a_night_sky_lights_flare_and_there_is_no_haze(seen, sky, expected):
    street = SCENE.copy()
    street[:40] = sky
    assert is_hazy(street, 0.3, judged(seen, 0.75, 0.0, 0.2)) is expected


def test_fading_alone_is_no_haze_over_colours_but_pale_in_a_print_of_one_hue(seen):
    print_ = judged(seen, 0.01, 0.7, 0.1)
    assert not is_hazy(SCENE, 0.3, print_)
    assert is_pale(0.3, print_)


@pytest.mark.parametrize(
    ("shown", "is_print", "expected"),
    [(CARDIGAN, True, True), (CARDIGAN, False, False), (VALLEY, False, True)],
)
def test_a_pale_dress_is_no_print_that_has_lost_its_black(seen, shown, is_print, expected):
    pale = judged(seen, 0.3, 0.45, 0.1)
    logits = np.where(np.arange(1000) == shown, 9.0, 0.0).astype(np.float32)
    dress = replace(pale, seen=replace(seen.seen, logits=logits))
    assert is_pale(0.3, dress, is_print=is_print) is expected


@pytest.mark.parametrize(
    ("shown", "likely", "expected"),
    [(CARDIGAN, 0.7, False), (CARDIGAN, 0.99, True), (VALLEY, 0.7, True)],
)
def test_black_clothes_are_darker_than_most_before_they_lack_light(seen, shown, likely, expected):
    odds = dict.fromkeys(seen.probabilities, 0.0) | {"dark": likely}
    logits = np.where(np.arange(1000) == shown, 9.0, 0.0).astype(np.float32)
    reported = replace(seen, probabilities=odds, shortfall=1.5, gain=np.zeros((10, 10), np.float32))
    dark = replace(reported, seen=replace(seen.seen, logits=logits))
    assert lacks_light(np.full(SIZE, 0.2, np.float32), dark) is expected


def test_things_on_white_paper_are_meant_to_be_pale():
    page = np.ones(SIZE, np.float32)
    page[40:110, 30:130] = 0.5
    assert is_high_key(page)


@pytest.mark.parametrize(("share", "expected"), [(0.45, True), (0.3, False)])
def test_a_photo_burnt_out_in_two_fifths_is_over_exposed_and_not_hazy(share, expected):
    scene = 0.3 + 0.3 * np.random.default_rng(1).random(SIZE, dtype=np.float32)
    scene[: round(share * SIZE[0])] = 1.0
    assert is_high_key(scene) is expected


def test_a_hazy_scene_is_not_meant_to_be_pale():
    scene = np.random.default_rng(1).random(SIZE, dtype=np.float32)
    assert not is_high_key(0.4 * scene + 0.5)


@pytest.mark.parametrize(
    ("face", "missing", "bright", "skin", "expected"),
    [
        (0.26, 1.2, 0.8, 0.2, True),
        (0.05, 1.2, 0.8, 0.2, False),
        (0.26, 0.7, 0.8, 0.2, False),
        (0.26, 1.2, 0.3, 0.1, False),
        (0.26, 1.2, 0.8, 0.35, False),
    ],
)
def test_a_large_face_in_the_shadow_before_something_bright_lacks_light(
    monkeypatch, seen, face, missing, bright, skin, expected
):
    where = Face(certainty=0.8, middle=(0.5, 0.25), size=(face, face), features=())
    monkeypatch.setattr(verdicts, "find_faces", lambda _: (where,))
    gain = np.zeros((10, 10), np.float32)
    gain[5, 2] = missing
    shadow = replace(
        seen, probabilities=dict.fromkeys(seen.probabilities, 0.0) | {"backlit": 0.12}, gain=gain
    )
    assert lacks_light(before(bright, skin), shadow) is expected


def test_a_dark_face_above_clothes_in_full_light_is_dark_of_skin(monkeypatch, seen):
    where = Face(certainty=0.8, middle=(0.5, 0.25), size=(0.26, 0.26), features=())
    monkeypatch.setattr(verdicts, "find_faces", lambda _: (where,))
    odds = dict.fromkeys(seen.probabilities, 0.0) | {"backlit": 0.12}
    lit = replace(seen, probabilities=odds, gain=np.full((10, 10), 1.2, np.float32))
    assert lacks_light(before(0.8, 0.2, worn=0.4), lit)
    assert not lacks_light(before(0.8, 0.2, worn=0.7), lit)


@pytest.mark.parametrize(("other", "expected"), [(1.2, True), (0.2, False)])
def test_a_face_in_the_shadow_beside_one_in_the_light_is_meant(monkeypatch, seen, other, expected):
    middles = (0.5, 0.25), (0.5, 0.75)
    faces = [Face(certainty=0.8, middle=at, size=(0.2, 0.2), features=()) for at in middles]
    monkeypatch.setattr(verdicts, "find_faces", lambda _: faces)
    gain = np.zeros((10, 10), np.float32)
    gain[5, 2], gain[5, 7] = 1.2, other
    odds = dict.fromkeys(seen.probabilities, 0.0) | {"backlit": 0.6}
    shadow = replace(seen, probabilities=odds, gain=gain)
    assert lacks_light(before(0.8, 0.2), shadow) is expected
