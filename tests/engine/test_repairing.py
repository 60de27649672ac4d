"""Damage that was found is filled for whoever asks; restorations and diagnoses say the same."""

import numpy as np
import pytest

from ldrps_engine.analysis import damage_contents
from ldrps_engine.analysis.damage import Damage, damage_of
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.inset import Inset, diagnose_photo
from ldrps_engine.analysis.measuring import measure
from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures
from support.damage import iou, scratched


@pytest.fixture(scope="module")
def models():
    return ModelCache("cpu")


@pytest.mark.parametrize(
    ("settings", "fills"),
    [
        ({"damage": "auto", "recipe": "noise"}, True),
        ({"recipe": "old-photo"}, True),
        ({}, True),
        ({"recipe": "noise"}, False),
        ({"amounts": {"damage": 0}}, False),
    ],
)
def test_damage_all_over_a_photo_is_filled_by_auto_and_on_request(
    models, examples, settings, fills
):
    damaged, mask = scratched(examples("low-light")[:160, :224] ** 0.6)
    photo = Photo.from_samples(pictures.samples(damaged, np.uint8))
    wanted = ("restored", "repaired", "generated", "damage")
    done = restore(photo, Settings(layers=wanted, steps=2, **settings), models)
    layers = {layer.name: layer.photo.to_samples() for layer in done.layers}
    assert done.diagnosis.damage > 0
    proposed = fills or bool(settings.get("amounts"))
    assert done.diagnosis.amounts["damage"] == proposed
    if not fills:
        assert "repaired" not in layers
        return
    shown = layers["damage"][..., 0] > 127
    assert iou(shown, mask) > 0.4
    assert (layers["generated"][shown] == 255).all()
    changed = (layers["repaired"] != photo.to_samples()).any(-1)
    assert not (changed & ~shown).any()
    assert changed[shown].mean() > 0.9


def test_what_lies_under_damage_is_recognised_once(monkeypatch, examples):
    """To believe prints, and to leave pages alone, the same copy is looked at."""
    looked, recognise = [], damage_contents.recognise

    def counted(rgb):
        looked.append(rgb.shape)
        return recognise(rgb)

    monkeypatch.setattr(damage_contents, "recognise", counted)
    damaged, _ = scratched(examples("low-light")[:160, :224] ** 0.6)
    photo = Photo.from_samples(pictures.samples(damaged, np.uint8))
    found = damage_of(photo, to_working(photo), Settings())
    assert found.is_beyond_doubt
    assert len(looked) == 1


def test_off_does_not_look(models, examples):
    damaged, _ = scratched(examples("low-light")[:96, :128] ** 0.6)
    photo = Photo.from_samples(pictures.samples(damaged, np.uint8))
    done = restore(photo, Settings(damage="off", layers=("restored", "damage")), models)
    assert "damaged" not in done.diagnosis.probabilities
    assert not done.layers[1].photo.to_samples().any()


def test_the_diagnosis_without_a_daemon_says_the_same(models, examples):
    damaged, _ = scratched(examples("low-light")[:160, :224] ** 0.6)
    photo = Photo.from_samples(pictures.samples(damaged, np.uint8))
    reported = diagnose_photo(photo, "old-photo")
    done = restore(photo, Settings(recipe="old-photo", steps=2), models).diagnosis
    assert (reported.damage, reported.damage_kinds) == (done.damage, done.damage_kinds)
    assert reported.words().startswith("damaged: ") or "; damaged: " in reported.words()


def test_a_diagnosis_comes_back_from_plain_values():
    found = Diagnosis(noise_sigma=0, haze=0, darkness=0, cast=0, grey=False).with_damage(
        Damage(np.eye(4, dtype=bool), 0.7, ("dust",))
    )
    assert found.words() == "damaged: dust"
    assert Diagnosis.from_dict({**vars(found), "damage_kinds": ["dust"]}) == found


@pytest.mark.parametrize("toned", [True, False])
def test_what_is_filled_in_a_print_of_one_hue_has_that_hue(toned):
    luma = pictures.grey(pictures.natural(96, 128))[..., :1]
    clean = np.clip(luma * (1.0, 0.85, 0.6), 0, 1) if toned else pictures.natural(96, 128)
    mask = np.zeros((96, 128), bool)
    mask[:, 60:64] = True
    # Blur and JPEG leave a bluish grey in the filling.
    bluish = np.where(mask[..., None], luma * (0.7, 0.75, 0.8), clean).astype(np.float32)
    photo = Photo.from_samples(pictures.samples(clean, np.uint8)).with_damage(mask)
    filled = measure(Inset.of(photo), Settings(damage="mask"), lambda *_: bluish).mended
    leans = filled[mask][:, 0] - filled[mask][:, 2]
    assert np.allclose(filled[~mask], photo.pixels[~mask], atol=0.003)
    assert ((leans > 0.02) if toned else (leans < 0)).mean() > 0.9
