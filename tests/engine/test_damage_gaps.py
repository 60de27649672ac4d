"""Cracks that go on where they were not found, through faces."""

from __future__ import annotations

import numpy as np
import pytest

from ldrps_engine.analysis.damage import look_for_damage
from ldrps_engine.analysis.damage_gaps import closed_gaps
from ldrps_engine.analysis.faces import Face
from ldrps_engine.colour.masks import without_pinholes

LIKELY = "ldrps_engine.analysis.damage.likely_from_sides"
FACES = "ldrps_engine.analysis.damage_contents.find_faces"
EVERYWHERE = np.ones((160, 160), bool)


def cracked(gap, light=0.9, seen=0.75):
    """Return a crack from one side to the other, paler between columns `gap`, and what is found."""
    rgb = np.full((160, 160, 3), 0.5, np.float32)
    rows = np.rint(80 + 4 * np.sin(np.arange(160) / 12)).astype(int)
    mask = np.zeros((160, 160), bool)
    for step in (0, 1):
        mask[rows + step, np.arange(160)] = True
    rgb[mask] = light
    inside = mask.copy()
    inside[:, : gap[0]] = inside[:, gap[1] :] = False
    rgb[inside] = seen
    rgb += np.random.default_rng(0).normal(0, 0.02, rgb.shape).astype(np.float32)
    return rgb, mask, mask & ~inside


@pytest.mark.parametrize(("light", "seen"), [(0.9, 0.62), (0.1, 0.38)])
def test_a_crack_that_goes_on_across_a_gap_is_damage_there(light, seen):
    rgb, mask, found = cracked((60, 105), light, seen)
    closed = closed_gaps(rgb, found, EVERYWHERE)
    inside = mask & ~found
    assert (closed & inside).sum() > 0.7 * inside.sum()
    assert not closed[:70].any()
    assert not closed[95:].any()


@pytest.mark.parametrize("seen", [0.5, 0.4])
def test_a_gap_in_which_nothing_is_seen_or_the_opposite_stays(seen):
    rgb, _, found = cracked((60, 105), seen=seen)
    assert not closed_gaps(rgb, found, EVERYWHERE).any()


def test_a_gap_beside_the_outline_of_an_object_stays():
    rgb, _, found = cracked((60, 105), seen=0.5)
    rgb[80:, 60:105] += 0.3
    assert not closed_gaps(rgb, found, EVERYWHERE).any()


def test_lines_that_do_not_face_each_other_stay_apart():
    rgb, mask, found = cracked((60, 105))
    # The other line is shifted; the crack itself goes on.
    found[:, 105:] = np.roll(found[:, 105:], 50, axis=0)
    assert not closed_gaps(rgb, found, EVERYWHERE).any()
    assert not closed_gaps(rgb, np.zeros_like(mask), EVERYWHERE).any()


def test_a_crack_is_followed_through_a_face_and_nowhere_else(monkeypatch):
    rgb, mask, found = cracked((60, 105))
    monkeypatch.setattr(LIKELY, lambda *_: np.where(found, 0.99, 0.001).astype(np.float32))
    # An eye lies on the crack.
    eye = (80 / 160, 80 / 160)
    face = Face(0.9, (0.5, 0.5), (0.3, 0.3), (eye, (0.5, 0.6), (0.55, 0.5), (0.6, 0.5)))
    inside = mask & ~found
    for faces, filled in (((face,), True), ((), False)):
        monkeypatch.setattr(FACES, lambda _, faces=faces: faces)
        assert look_for_damage(rgb, believed=True).seen[inside].any() == filled


def test_a_glint_in_an_eye_beside_a_crack_is_left(monkeypatch):
    rgb, mask, found = cracked((0, 0))
    glint = np.zeros_like(mask)
    glint[60:64, 78:82] = True
    rgb[glint] = 0.95
    likely = np.where(found | glint, 0.99, 0.001).astype(np.float32)
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    eye = (62 / 160, 80 / 160)
    face = Face(0.9, (0.5, 0.5), (0.5, 0.5), (eye, (0.4, 0.6), (0.55, 0.5), (0.7, 0.5)))
    monkeypatch.setattr(FACES, lambda _: (face,))
    seen = look_for_damage(rgb, believed=True).seen
    assert not seen[glint].any()
    assert seen[mask].all()


def test_a_pixel_left_out_of_damage_belongs_to_it_also_at_the_edge():
    """Filling took it for the picture, and drew black beside it."""
    mask = np.zeros((20, 20), bool)
    mask[4:9, 4:9] = mask[10:15, 15:] = True
    mask[6, 6] = mask[12, 19] = False
    solid = np.zeros((20, 20), bool)
    solid[4:9, 4:9] = solid[10:15, 15:] = True
    assert (without_pinholes(mask) == solid).all()
    assert (without_pinholes(solid) == solid).all()
