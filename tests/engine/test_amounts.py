"""Amounts of what is done about each finding: what they change, and that none is dropped."""

import numpy as np
import pytest

from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import AMOUNTS, Settings
from support import pictures

SIZE = (48, 64)


def photo_of(picture):
    return Photo.from_samples(pictures.samples(picture, np.uint8))


def faded_grey():
    """A print whose black and white have drawn together."""
    return 0.35 + 0.35 * pictures.grey(pictures.natural(96, 128))


def hidden_by_haze():
    return pictures.hazed(pictures.natural(96, 128), 0.4)


PHOTOS = {
    "noise": lambda: pictures.noisy(pictures.natural(64, 96), 25),
    "light": lambda: pictures.noisy(pictures.darkened(pictures.natural(*SIZE)), 3),
    "cast": faded_grey,
    "haze": hidden_by_haze,
    "nothing": lambda: pictures.natural(96, 128),
}


def settings(**changes):
    return Settings(**{"steps": 2, "recurrences": 0} | changes)


def moved(models, photo, **changes):
    """Mean distance of the result from the photo, and the remarks."""
    found = restore(photo, settings(**changes), models)
    return float(np.abs(found.photo.pixels - photo.pixels).mean()), found.remarks


@pytest.mark.parametrize("kind", PHOTOS)
def test_the_proposed_amounts_sent_back_give_the_same_picture(models, kind):
    photo = photo_of(PHOTOS[kind]())
    found = restore(photo, settings(), models)
    assert set(found.diagnosis.amounts) == set(AMOUNTS) - {"damage"}
    again = restore(photo, settings(amounts=found.diagnosis.amounts), models)
    assert np.array_equal(again.photo.to_samples(), found.photo.to_samples())
    assert bool(found.diagnosis.amounts.get(kind, 0.0)) == (kind != "nothing")


@pytest.mark.parametrize("kind", ["noise", "light", "cast"])
def test_a_smaller_amount_changes_less_and_0_nothing(models, kind):
    photo = photo_of(PHOTOS[kind]())
    # Noise alone is looked at alone.
    rest = {} if kind == "noise" else {"noise": 0.0}
    steps = [moved(models, photo, amounts={kind: a, **rest})[0] for a in (0.0, 0.5, 1.0)]
    assert steps[0] == 0
    assert 0.1 * steps[2] < steps[1] < 0.95 * steps[2]


def test_haze_goes_by_its_amount(models):
    photo = photo_of(hidden_by_haze())
    assert restore(photo, settings(), models).diagnosis.amounts["haze"] == 1
    contrast = [
        restore(photo, settings(amounts={"haze": a, "noise": 0.0}), models).photo.pixels.std()
        for a in (0.0, 0.5, 1.0, 1.5)
    ]
    assert contrast[0] == photo.pixels.std()
    assert contrast == sorted(contrast)
    assert contrast[3] > 1.05 * contrast[2]


def test_twice_the_light_is_more_than_once(models):
    photo = photo_of(PHOTOS["light"]())
    means = [
        restore(photo, settings(amounts={"light": a}), models).photo.pixels.mean()
        for a in (0.5, 1.0, 1.3)
    ]
    assert photo.pixels.mean() < means[0] < means[1] < means[2]


def chroma(pixels):
    return float((pixels - pixels.mean(2, keepdims=True)).std())


def test_colour_asks_for_colours_and_scales_their_chroma(models):
    photo = photo_of(pictures.grey(pictures.natural(96, 128)))
    found = [
        chroma(restore(photo, settings(amounts={"colour": a}), models).photo.pixels)
        for a in (0.0, 0.5, 1.0)
    ]
    assert found[0] < 1e-6
    assert 0.3 * found[2] < found[1] < 0.7 * found[2]
    asked = restore(photo, settings(allow_colour=True), models)
    assert asked.diagnosis.amounts["colour"] == 1
    # Samples are rounded.
    assert chroma(asked.photo.pixels) == pytest.approx(found[2], rel=0.02)


def test_noise_0_leaves_hot_pixels_and_blocks(models):
    samples = pictures.samples(pictures.natural(96, 128), np.uint8)
    samples[20, 30] = (255, 0, 0)
    samples[70, 90] = (0, 255, 255)
    photo = Photo.from_samples(samples)
    plain = restore(photo, settings(), models)
    assert plain.diagnosis.hot_pixels
    assert not np.array_equal(plain.photo.to_samples(), samples)
    kept = restore(photo, settings(amounts={"noise": 0.0}), models)
    assert np.array_equal(kept.photo.to_samples(), samples)


def test_noise_that_the_diagnosis_would_leave_is_filtered_on_request(models):
    photo = photo_of(pictures.noisy(pictures.natural(64, 96), 3.5))
    assert moved(models, photo)[0] == 0
    change, remarks = moved(models, photo, amounts={"noise": 1.5})
    assert change > 0
    assert not any("amount" in remark for remark in remarks)


def test_damage_is_filled_by_its_amount(models):
    picture = pictures.natural(64, 96)
    mask = np.zeros((64, 96), bool)
    mask[30:33, 10:80] = True
    picture[mask] = 1
    photo = photo_of(picture).with_damage(mask)
    before = photo.pixels[mask]

    def filled(amount):
        chosen = Settings(
            damage="mask", amounts={"damage": amount}, layers=("restored", "generated")
        )
        return restore(photo, chosen, models)

    none, half, whole = filled(0.0), filled(0.5), filled(1.0)
    assert np.array_equal(none.photo.pixels, photo.pixels)
    assert none.generated == (0, 0)
    far = np.abs(whole.photo.pixels[mask] - before).mean()
    assert np.abs(half.photo.pixels[mask] - before).mean() == pytest.approx(far / 2, rel=0.05)
    assert half.generated[1] == pytest.approx(0.5)
    assert whole.diagnosis.amounts["damage"] == 1


UNMET = {
    "damage": "no damage was found and no mask of it was given",
    "noise": "too little noise",
    "haze": "no haze was found in this photo",
    "light": "no light is missing in this photo",
    "colour": "the photo has colours of its own",
}


@pytest.mark.parametrize("name", UNMET)
def test_an_amount_of_what_was_not_found_is_reported(models, name):
    photo = photo_of(pictures.natural(96, 128))
    change, remarks = moved(models, photo, amounts={name: 1.5}, steps=None, recurrences=None)
    assert change == 0
    (said,) = remarks
    assert said.startswith(f"amount {name} is 1.5, but ")
    assert UNMET[name] in said


def test_a_cast_that_the_diagnosis_would_leave_is_undone_on_request(models):
    picture = pictures.natural(96, 128) * np.array([1.0, 0.94, 0.86], np.float32)
    photo = photo_of(picture)
    found = restore(photo, settings(), models)
    proposed = found.diagnosis.amounts["cast"]
    wished = min(2.0, proposed + 1)
    change, remarks = moved(models, photo, amounts={"cast": wished})
    assert change > np.abs(found.photo.pixels - photo.pixels).mean()
    assert not any("amount" in remark for remark in remarks)


def test_the_published_method_says_that_it_knows_no_amounts(models):
    photo = photo_of(pictures.natural(*SIZE))
    _, remarks = moved(models, photo, recipe="paper", amounts={"noise": 0.5})
    assert "recipe paper works as published and makes no use of amounts" in remarks


@pytest.mark.parametrize(
    ("recipe", "name", "words"),
    [
        ("haze", "haze", "amount haze is 0, so recipe haze leaves haze as it is"),
        ("low-light", "light", "amount light is 0, so recipe low-light leaves light as it is"),
        ("noise", "noise", "amount noise is 0, so recipe noise leaves noise as it is"),
    ],
)
def test_a_recipe_whose_own_amount_is_0_changes_nothing_and_says_so(models, recipe, name, words):
    photo = photo_of(pictures.natural(*SIZE))
    change, remarks = moved(models, photo, recipe=recipe, amounts={name: 0.0, "noise": 0.0})
    assert words in remarks
    assert change == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nois": 1}, "amount 'nois' is not known; use one of damage, noise, haze, light, cast"),
        ({"noise": 2.1}, r"amount noise is 2\.1; use a value from 0\.0 to 2\.0"),
        ({"haze": -0.1}, r"amount haze is -0\.1; use a value from 0\.0 to 2\.0"),
        ({"haze": float("nan")}, "amount haze is nan; use a number from 0 to 2"),
        ({"haze": "1"}, "amount haze is '1'; use a number from 0 to 2"),
        ({"haze": True}, "amount haze is True; use a number from 0 to 2"),
        (0.5, "amounts is 0.5; give a number from 0 to 2 for each name out of damage, noise"),
    ],
)
def test_what_cannot_be_an_amount_is_one_sentence(given, words):
    with pytest.raises(SettingsError, match=words):
        Settings(amounts=given)


def test_amounts_are_kept_as_they_were_given():
    given = {"cast": 0, "noise": 0.5}
    kept = Settings(amounts=given)
    given["noise"] = 1
    assert kept.as_dict()["amounts"] == {"noise": 0.5, "cast": 0.0}
    assert kept == Settings(**kept.as_dict())
    assert hash(kept) == hash(Settings(amounts={"noise": 0.5, "cast": 0.0}))
