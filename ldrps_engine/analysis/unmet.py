"""Requests without effect on a photo, in one sentence each. No torch.

No request is dropped silently: either it is met, or the user learns why not.
"""

from __future__ import annotations

from dataclasses import dataclass

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.settings import STAGES, Settings

# Mean change of tones, in display values, that is invisible.
_NO_CHANGE = 1 / 255
_TONES = {
    "low-light": "recipe low-light found no light missing, so the photo keeps the light it has",
    "haze": "recipe haze found no haze that can be removed, so the photo keeps its contrast",
    "old-photo": "recipe old-photo found black and white in their places, so the tones stay as "
    "they are",
}

# Amounts that recipes correspond to.
_ABOUT = {
    "low-light": "light",
    "haze": "haze",
    "noise": "noise",
    "old-photo": "cast",
    "colour": "colour",
}
_RECIPE = {amount: recipe for recipe, amount in _ABOUT.items()}
_LEFT = {
    "light": "light",
    "haze": "haze",
    "noise": "noise",
    "cast": "the tone of each colour",
    "colour": "a photo without colours",
}
_MISSING = {
    "light": "no light is missing in this photo",
    "haze": "no haze was found in this photo",
}


@dataclass(frozen=True, kw_only=True)
class Done:
    """Summary of the changes to a photo. Neutral: none."""

    moved: float = 0.0
    """Mean change of display values by restoring tones; 0 if they stay."""
    filters_noise: bool = False
    """Noise is filtered."""
    colours: bool = False
    """The photo gets colours."""
    published: bool = False
    """The pilot is the result, as published."""
    samples_pilot: bool = False
    """The model brings back light, haze, fading or colour."""
    stages: tuple[str, ...] = ()
    """Stages that change the photo."""


def unmet(settings: Settings, diagnosis: Diagnosis, done: Done) -> tuple[str, ...]:
    """Sentences for the user on requests not met for this photo."""
    if settings.strength == 0:
        return ("strength 0 gives the photo back as it came",)
    said = [
        _of_recipe(settings, diagnosis, done),
        _of_noise(settings, done),
        _of_colour(settings, diagnosis),
        *_of_amounts(settings, diagnosis, done),
        _of_describer(settings),
        _of_model(settings, done),
        _of_stages(settings, done),
    ]
    return tuple(sentence for sentence in said if sentence)


def _of_recipe(settings: Settings, diagnosis: Diagnosis, done: Done) -> str:
    about = _ABOUT.get(settings.recipe, "")
    if settings.amounts.get(about) == 0:
        return f"amount {about} is 0, so recipe {settings.recipe} leaves {_LEFT[about]} as it is"
    if settings.recipe in _TONES and done.moved < _NO_CHANGE:
        return _TONES[settings.recipe]
    if settings.recipe == "noise" and not done.filters_noise and settings.noise_sigma is None:
        sigma = f"{diagnosis.noise_sigma:.1f} of 255"
        return f"recipe noise found none that can be seen (sigma {sigma}), so none is filtered"
    return ""


def _of_noise(settings: Settings, done: Done) -> str:
    sigma = settings.noise_sigma
    if sigma is None or done.filters_noise:
        return ""
    if settings.amounts.get("noise") == 0 and settings.recipe != "noise":
        return "amount noise is 0, so noise_sigma has no effect"
    if done.published:
        return "recipe paper works as published and makes no use of noise_sigma"
    if sigma == 0:
        asked = settings.recipe == "noise"
        return "noise_sigma 0 says that there is no noise, so none is filtered" if asked else ""
    return f"noise_sigma {sigma:g} is too little to be seen in this photo, so no noise is filtered"


def _of_colour(settings: Settings, diagnosis: Diagnosis) -> str:
    if not settings.allow_colour or settings.recipe == "colour":
        return ""
    if settings.amounts.get("colour") == 0:
        return "amount colour is 0, so allow_colour changes nothing"
    if not settings.blind:
        return "allow_colour is for the recipes auto and fast; recipe colour gives colours"
    if not diagnosis.grey:
        return "allow_colour changes nothing, since the photo has colours of its own and keeps them"
    return ""


def _of_amounts(settings: Settings, diagnosis: Diagnosis, done: Done) -> list[str]:
    """Remark on amounts set for findings that are absent or have no effect."""
    asked = {name: amount for name, amount in settings.amounts.items() if amount > 0}
    said = [_of_damage(asked.pop("damage", 0.0), damaged="damage" in diagnosis.amounts)]
    if done.published:
        used = [name for name in settings.amounts if name != "damage"]
        said += ["recipe paper works as published and makes no use of amounts"] if used else []
        return [sentence for sentence in said if sentence]
    if "noise" in asked and not done.filters_noise and settings.recipe != "noise":
        said.append(
            f"amount noise is {asked['noise']:g}, but there is too little noise in this photo to "
            f"be seen (sigma {diagnosis.noise_sigma:.1f} of 255), so none is filtered"
        )
    for name, found in (
        ("haze", diagnosis.is_hazy),
        ("light", diagnosis.is_dark),
    ):
        if name in asked and not found:
            said.append(_of_finding(name, asked[name], settings))
    if "colour" in asked and not done.colours and settings.recipe != "colour":
        said.append(
            f"amount colour is {asked['colour']:g}, but the photo has colours of its own and "
            "keeps them"
        )
    return [sentence for sentence in said if sentence]


def _of_damage(amount: float, *, damaged: bool) -> str:
    if amount and not damaged:
        return (
            f"amount damage is {amount:g}, but no damage was found and no mask of it was given, so "
            "nothing is filled; mark it with damage"
        )
    return f"amount damage {amount:g} fills as 1 does, which is all of it" if amount > 1 else ""


def _of_finding(name: str, amount: float, settings: Settings) -> str:
    recipe = _RECIPE[name]
    if not settings.blind:
        return (
            f"amount {name} is {amount:g}, but recipe {settings.recipe} leaves {_LEFT[name]} as it "
            f"is; use recipe auto or {recipe}"
        )
    return (
        f"amount {name} is {amount:g}, but {_MISSING[name]}, so {_LEFT[name]} stays as it is; "
        f"recipe {recipe} changes it all the same"
    )


def _of_describer(settings: Settings) -> str:
    if settings.description is None or settings.describer == "auto":
        return ""
    return f"describer {settings.describer} is not asked, since a description was given"


def _of_stages(settings: Settings, done: Done) -> str:
    """Name the requested stages that are not layers of the result."""
    asked = [name for name in settings.layers if name in STAGES and name not in done.stages]
    if not asked:
        return ""
    if settings.layers[0] in asked:
        return f"the stage {settings.layers[0]} changes nothing in this photo, nor does its layer"
    return f"nothing is changed by {', '.join(asked)}, so there is no layer of it"


def _of_model(settings: Settings, done: Done) -> str:
    """Name settings used by the model alone, if it has nothing to do."""
    if done.samples_pilot:
        return ""
    asked = {
        "description": settings.description is not None,
        "recurrences": settings.recurrences is not None,
        "steps": settings.steps is not None,
        "seed": settings.seed != 0,
        "solver": settings.solver is not None,
        "model": settings.model != "bundled",
    }
    names = [name for name, wanted in asked.items() if wanted]
    if not names:
        return ""
    has = "has" if len(names) == 1 else "have"
    return f"the model has nothing to do in this photo, so {', '.join(names)} {has} no effect"
