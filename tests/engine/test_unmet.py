"""Requests that are not carried out are explained in one sentence; others are not mentioned."""

import numpy as np
import pytest

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures

NO_MODEL = "the model has nothing to do in this photo, so "
KEEPS_COLOURS = (
    "allow_colour changes nothing, since the photo has colours of its own and keeps them"
)
UNSEEN = "found none that can be seen"


@pytest.fixture(scope="module")
def natural():
    return Photo.from_samples(pictures.samples(pictures.natural(96, 128), np.uint8))


@pytest.fixture(scope="module")
def ramp():
    """A ramp from black to white, both of which it has."""
    picture = np.tile(np.linspace(-0.1, 1.1, 96, dtype=np.float32)[:, None], (64, 1, 3))
    return Photo.from_samples(pictures.samples(picture, np.uint8))


def reported(photo, models, **wishes):
    """(the remarks, how far the result is from the photo); they come before the work, too."""
    events = []
    found = restore(photo, Settings(**wishes), models, events.append)
    (described,) = (event for event in events if isinstance(event, Described))
    assert described.remarks == found.remarks
    return found.remarks, np.abs(found.photo.pixels - photo.pixels).mean()


@pytest.mark.parametrize(
    ("wishes", "remarks"),
    [
        ({}, ()),
        ({"recipe": "fast"}, ()),
        ({"strength": 0.0, "steps": 3}, ("strength 0 gives the photo back as it came",)),
        (
            {"allow_colour": True},
            (KEEPS_COLOURS,),
        ),
        (
            {"noise_sigma": 1.0},
            ("noise_sigma 1 is too little to be seen in this photo, so no noise is filtered",),
        ),
        (
            {"recipe": "noise", "noise_sigma": 0.0},
            ("noise_sigma 0 says that there is no noise, so none is filtered",),
        ),
        ({"noise_sigma": 0.0}, ()),
        (
            {"description": "a", "recurrences": 1, "steps": 3, "seed": 4, "solver": "unipc"},
            (NO_MODEL + "description, recurrences, steps, seed, solver have no effect",),
        ),
        (
            {"recipe": "colour", "steps": 2},
            ("the photo has colours of its own and keeps them", NO_MODEL + "steps has no effect"),
        ),
        (
            {"description": "a", "describer": "tagger"},
            (
                "describer tagger is not asked, since a description was given",
                NO_MODEL + "description has no effect",
            ),
        ),
    ],
)
def test_what_a_good_photo_gives_no_occasion_for_is_reported(models, natural, wishes, remarks):
    assert reported(natural, models, **wishes) == (remarks, 0)


def test_noise_that_nobody_sees_is_reported_with_how_much_there_is(models, natural):
    (remark,), changed = reported(natural, models, recipe="noise")
    assert UNSEEN in remark
    assert "sigma 1.0 of 255" in remark
    assert changed == 0


@pytest.mark.parametrize(
    ("recipe", "spoil"),
    [
        ("low-light", lambda picture: pictures.darkened(picture, 0.06)),
        ("haze", lambda picture: pictures.hazed(picture, 0.5)),
        ("old-photo", lambda picture: 0.3 + 0.4 * picture),
    ],
)
def test_what_is_done_needs_no_words(models, recipe, spoil):
    spoilt = pictures.samples(spoil(pictures.natural(64, 96)), np.uint8)
    wishes = {"steps": 2, "recurrences": 0, "seed": 3}
    remarks, changed = reported(Photo.from_samples(spoilt), models, recipe=recipe, **wishes)
    assert remarks == ()
    assert changed > 2 / 255


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("low-light", "recipe low-light found no light missing, so the photo keeps"),
        ("haze", "recipe haze found no haze that can be removed, so the photo keeps"),
        ("old-photo", "recipe old-photo found black and white in their places, so the tones stay"),
    ],
)
def test_tones_that_hardly_move_are_reported(recipe, sentence):
    found = Diagnosis(noise_sigma=0.0, haze=0.0, darkness=0.6, cast=0.0, grey=False)
    still = {
        "filters_noise": False,
        "colours": False,
        "published": False,
        "samples_pilot": True,
    }
    (remark,) = unmet(Settings(recipe=recipe), found, Done(moved=0.5 / 255, **still))
    assert remark.startswith(sentence)
    assert unmet(Settings(recipe=recipe), found, Done(moved=2 / 255, **still)) == ()


def test_old_photo_with_its_full_range_keeps_its_tones_and_says_so(models, ramp):
    remarks, changed = reported(ramp, models, recipe="old-photo")
    assert "found black and white in their places" in remarks[0]
    assert changed < 1 / 255


def test_colour_is_for_other_recipes_and_paper_takes_no_noise():
    found = Diagnosis(noise_sigma=0.0, haze=0.0, darkness=0.6, cast=0.0, grey=True)
    done = Done(moved=0.1, filters_noise=False, colours=False, published=True, samples_pilot=True)
    wishes = Settings(recipe="paper", allow_colour=True, noise_sigma=9.0)
    assert unmet(wishes, found, done) == (
        "recipe paper works as published and makes no use of noise_sigma",
        "allow_colour is for the recipes auto and fast; recipe colour gives colours",
    )
