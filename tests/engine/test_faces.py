"""Faces are found, keep their features, and are named where something is done to a photo."""

import numpy as np
import pytest
from skimage import data

from ldrps_engine.analysis.damage import look_for_damage
from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.faces import Face, find_faces, kept_words
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.colour.srgb import YCC
from ldrps_engine.photo import Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from ldrps_engine.transfer.compositing import ToneMapping
from support import pictures

FACE = Face(0.9, (0.5, 0.5), (0.4, 0.4), ((0.42, 0.42), (0.42, 0.58), (0.5, 0.5), (0.6, 0.5)))


@pytest.fixture(scope="module")
def models():
    return ModelCache("cpu")


@pytest.fixture(scope="module")
def astronaut():
    """A portrait of 512 by 512 pixels with one face, in [0, 1]."""
    return np.divide(data.astronaut(), 255, dtype=np.float32)


def distances(size):
    rows, columns = (np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5) / max(size)
    return FACE.distance(rows, columns)


@pytest.mark.parametrize("how", ["as it is", "a part, enlarged", "grey", "darker"])
def test_a_face_is_found_where_it_is(astronaut, how):
    seen = {
        "as it is": astronaut,
        "a part, enlarged": resize(astronaut[:280, 80:400], (560, 640)),
        "grey": (astronaut @ YCC[0])[..., None],
        "darker": astronaut * np.float32(0.4),
    }[how]
    (face,) = find_faces(seen)
    top, left, scale = (0, 80, 320) if how == "a part, enlarged" else (0, 0, 512)
    row, column = face.middle[0] * scale + top, face.middle[1] * scale + left
    assert np.hypot(row - 110, column - 225) < 25
    (eye, other, nose, mouth) = face.features
    assert eye[0] < nose[0] < mouth[0] > other[0]
    assert eye[1] < nose[1] < other[1]


def test_photos_without_people_have_no_faces(examples):
    for name in ("low-light", "haze", "noise", "grey"):
        assert not find_faces(examples(name)), name
    assert not find_faces(np.divide(data.coffee(), 255, dtype=np.float32))
    assert not find_faces(np.divide(data.chelsea(), 255, dtype=np.float32))


def test_the_model_changes_no_feature_of_a_face():
    """A pilot in which a face's eye is gone: the face stays, and the rest is the pilot's."""
    rgb = pictures.natural(160, 160) * np.float32(0.8) + np.float32(0.1)
    pilot = rgb + np.float32(0.1)
    pilot[56:80, 56:80] = 0.5
    gain = np.full((4, 4, 3), 0.99, np.float32)
    guess = Degradation(gain, np.zeros_like(gain), "display")
    whole = slice(0, 160), slice(0, 160)
    free = ToneMapping.fit(rgb, guess, pilot)
    kept = ToneMapping.fit(rgb, guess, pilot, faces=(FACE,))
    undone, restored = (values @ YCC[0] for values in kept.part(rgb, whole))
    inside = distances((160, 160)) < 0.85
    line = np.polyfit(undone[inside], restored[inside], 1)
    assert np.abs(np.polyval(line, undone[inside]) - restored[inside]).max() < 1e-4
    assert 0.02 < restored[inside].mean() - undone[inside].mean() < 0.15
    before, after = free.part(rgb, whole)[1], kept.part(rgb, whole)[1]
    assert np.abs(after - before)[inside].max() > 0.05
    outside = distances((160, 160)) > 1.75
    assert np.array_equal(before[outside], after[outside])
    part = slice(40, 100), slice(30, 90)
    assert np.abs(kept.part(rgb[part], part)[1] - after[part]).max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"recipe": "low-light"}, "a face was kept as it is"),
        ({"strength": 0}, "strength 0"),
    ],
)
def test_the_user_learns_about_faces_where_something_is_done(models, astronaut, settings, said):
    dark = astronaut[:320, 80:400] * np.float32(0.3)
    photo = Photo.from_samples(pictures.samples(dark, np.uint8))
    done = restore(photo, Settings(steps=2, **settings), models)
    assert [remark for remark in done.remarks if "face" in remark or "strength" in remark] == [
        remark for remark in done.remarks if remark.startswith(said)
    ]
    assert any(remark.startswith(said) for remark in done.remarks)


def test_the_published_method_promises_nothing_for_faces():
    (said,) = kept_words((FACE,), published=True)
    assert said.startswith("recipe paper works as published and may redraw faces")
    assert kept_words((), published=True) == ()


def test_whose_damage_is_filled_learns_that_some_on_a_face_may_be_left_and_what_to_do(
    models, monkeypatch
):
    crack = np.zeros((320, 320), np.float32)
    crack[::40] = 0.99
    monkeypatch.setattr("ldrps_engine.analysis.damage.likely_from_sides", lambda *_: crack)
    monkeypatch.setattr("ldrps_engine.diffusion.planning.find_faces", lambda _: (FACE,))
    photo = Photo.from_samples(pictures.samples(pictures.natural(320, 320), np.uint8))
    for wishes, told in (({"damage": "auto"}, True), ({"recipe": "low-light"}, False)):
        done = restore(photo, Settings(steps=2, **wishes), models)
        words = [remark for remark in done.remarks if "face" in remark]
        assert all(("mask of damage" in each) is told for each in words)
        assert words or not told


def test_glints_in_eyes_are_no_damage_but_a_crack_across_a_face_is(monkeypatch, astronaut):
    seen = astronaut.copy()
    (face,) = find_faces(seen)
    likely = np.zeros(seen.shape[:2], np.float32)
    row, column = (round(512 * v) for v in face.features[0])
    likely[row - 2 : row + 3, column - 2 : column + 3] = 0.97
    crack = np.arange(20, 400)
    likely[crack, crack - 20 + 60] = likely[crack, crack - 20 + 61] = 0.97
    monkeypatch.setattr("ldrps_engine.analysis.damage.likely_from_sides", lambda *_: likely)
    found = look_for_damage(seen, believed=True)
    assert not found.mask[row, column]
    assert found.mask[110, 150]
