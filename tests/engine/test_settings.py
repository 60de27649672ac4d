"""Every bound of every setting, from both sides."""

import dataclasses
import json
import math

import pytest

from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import LAYERS, RECIPES, Settings

WRONG = [
    ("recipe", "sharpen"),
    ("recipe", ""),
    ("strength", -0.001),
    ("strength", 1.001),
    ("strength", math.nan),
    ("seed", -1),
    ("seed", 2**63),
    ("recurrences", -1),
    ("recurrences", 4),
    ("steps", 0),
    ("steps", 1001),
    ("noise_sigma", -0.1),
    ("noise_sigma", 100.1),
    ("noise_sigma", math.nan),
    ("noise_sigma", math.inf),
    ("description", "x" * 401),
    ("model", ""),
    *(("strength", value) for value in ("1", None, True)),
    *(("seed", value) for value in (1.0, None, "7")),
    *((name, value) for name in ("steps", "recurrences") for value in (2.0, "2", True)),
    ("noise_sigma", "much"),
    *((name, value) for name in ("description", "model", "describer") for value in (4, b"x")),
    *(("allow_colour", value) for value in ("yes", None)),
    *(("layers", value) for value in ("restored", 5, None)),
    ("layers", ()),
    ("layers", ("restored", "mask")),
]
RIGHT = [
    *(("recipe", recipe) for recipe in RECIPES),
    ("strength", 0.0),
    ("strength", 1.0),
    ("seed", 0),
    ("seed", 2**63 - 1),
    ("recurrences", 0),
    ("recurrences", 3),
    ("steps", 1),
    ("steps", 1000),
    ("noise_sigma", 0.0),
    ("noise_sigma", 100.0),
    ("description", ""),
    ("description", "x" * 400),
    ("layers", LAYERS),
    ("layers", LAYERS[::-1]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_by_name_in_one_sentence(name, value):
    with pytest.raises(SettingsError, match=f"^{name} ") as caught:
        Settings(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_the_last_right_value_is_taken_as_it_is(name, value):
    assert getattr(Settings(**{name: value}), name) == value


def test_an_unknown_recipe_is_answered_with_the_known_ones():
    with pytest.raises(SettingsError) as caught:
        Settings(recipe="magic")
    assert all(recipe in str(caught.value) for recipe in RECIPES)


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().strength = 0.5


def test_settings_are_given_by_name():
    with pytest.raises(TypeError):
        Settings("auto")


def test_as_dict_holds_the_whole_request_and_makes_it_again():
    settings = Settings(recipe="haze", strength=0.5, steps=3, layers=("pilot",))
    assert Settings(**settings.as_dict()) == settings
    assert json.loads(json.dumps(settings.as_dict()))["recipe"] == "haze"


@pytest.mark.parametrize("given", [("toned", "invented"), ("tone-mapped", "generated", "toned")])
def test_a_layer_may_be_asked_for_by_its_former_name(given):
    assert Settings(layers=given).layers == ("tone-mapped", "generated")


def test_former_names_are_not_offered():
    with pytest.raises(SettingsError) as refused:
        Settings(layers=("tonal",))
    assert "tone-mapped" in str(refused.value)
    assert "toned" not in str(refused.value)
