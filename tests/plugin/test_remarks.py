"""Remarks of the engine are told in the dialog's words."""

import itertools
import re
from dataclasses import replace

import pytest

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.faces import kept_words
from ldrps_engine.analysis.unmet import Done, unmet
from ldrps_engine.diffusion.steering import Steering
from ldrps_engine.settings import Settings
from ldrps_gimp import remarks
from ldrps_gimp.choices import AMOUNTS, RECIPES
from ldrps_gimp.remarks import remark_text
from support import pictures

OF_A_TERMINAL = re.compile(rf"amount |recipe ({'|'.join(RECIPES)})|noise_sigma|allow_colour|sigma")
WISHES = [
    {"strength": 0.0},
    {"noise_sigma": 0.0},
    {"noise_sigma": 2.0},
    {"description": "a red sofa", "steps": 3, "seed": 5},
    {},
    *({"amounts": {name: amount}} for name in AMOUNTS for amount in (0.0, 0.5, 2.0)),
    {"amounts": {"noise": 0.0}, "noise_sigma": 2.0},
]
GOOD = Diagnosis(noise_sigma=0.4, haze=0.0, darkness=0.0, cast=0.0, grey=False)
FOUND = [{}, {"damage": 1.0}]
DONE = [
    Done(),
    Done(moved=0.2, filters_noise=True, samples_pilot=True),
    Done(published=True, samples_pilot=True),
    Done(moved=0.2, colours=True, samples_pilot=True),
]


def made():
    """All that the engine remarks on what the dialog can ask for."""
    found = set()
    for recipe, wishes, done, amounts in itertools.product(RECIPES, WISHES, DONE, FOUND):
        seen = replace(GOOD, amounts=amounts)
        found.update(unmet(Settings(recipe=recipe, **wishes), seen, done))
    for faces, published in itertools.product([1, 3], [False, True]):
        found.update(kept_words((None,) * faces, published=published))
    luma = pictures.natural(96, 128).mean(axis=2)
    found.update(Steering.of("a red sofa and a blue idea", luma).remarks)
    # Of parts of the engine that need a whole photo for it.
    found.add("the mask of damage lies in the photo's frame, which stays as it is")
    found.add("the photo has colours of its own and keeps them")
    return found


def test_every_remark_is_known_and_each_that_is_known_is_made():
    said = made()
    unknown = [each for each in said if _pattern(each) is None]
    assert unknown == []
    assert {_pattern(each) for each in said} == set(remarks._known())


def _pattern(remark):
    return next((each for each in remarks._known() if re.fullmatch(each, remark)), None)


def test_none_speaks_as_to_a_terminal():
    for remark in made():
        text = remark_text(remark)
        assert not OF_A_TERMINAL.search(text), (remark, text)
        assert text.endswith(".")
        assert not text[0].islower()


@pytest.mark.parametrize(
    ("remark", "text"),
    [
        (
            "amount haze is 0.5, but no haze was found in this photo, so haze stays as it is; "
            "recipe haze changes it all the same",
            "Haze: none was found, so nothing is changed. The recipe Hazy would.",
        ),
        (
            "amount light is 0, so recipe low-light leaves light as it is",
            "Missing light is switched off, which is all that this recipe is about.",
        ),
        ("something new", "Something new."),
    ],
)
def test_findings_and_recipes_are_called_as_in_the_dialog(remark, text):
    assert remark_text(remark) == text
