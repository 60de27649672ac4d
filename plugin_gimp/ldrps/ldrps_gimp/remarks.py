"""Remarks of the daemon on what was not done, in the words of the dialog and the user's language.

The daemon makes them for a terminal: "amount haze is 0.5, but no haze was found in this photo".
"""

from __future__ import annotations

from ldrps_gimp.i18n import _
from ldrps_gimp.names import finding_names, recipe_names
from ldrps_gimp.sentences import as_sentence, matched


def remark_text(remark: str) -> str:
    """Translate a remark; one that is not known comes back as a sentence."""
    found = matched(remark, _known())
    if found is None:
        return as_sentence(remark)
    text, words = found
    if "finding" in words:
        words["finding"] = finding_names().get(words["finding"], words["finding"])
    if "recipe" in words:
        words["recipe"] = dict(recipe_names()).get(words["recipe"], words["recipe"])
    return text.format(**words)


def _known() -> dict[str, str]:
    """Return translations by the patterns of what they stand for."""
    return _of_tones() | _of_noise() | _of_the_rest()


def _of_tones() -> dict[str, str]:
    return {
        r"amount (?P<finding>\w+) is 0, so recipe \S+ leaves .+ as it is": _(
            "{finding} is switched off, which is all that this recipe is about."
        ),
        r"recipe low-light found no light missing, .+": _(
            "No light is missing, so the photo keeps the light that it has."
        ),
        r"recipe haze found no haze that can be removed, .+": _(
            "There is no haze that can be taken off, so the photo keeps its contrast."
        ),
        r"recipe old-photo found black and white in their places, .+": _(
            "Black and white are in their places, so the tones stay as they are."
        ),
        r"amount (?P<finding>haze|light) is \S+, but recipe \S+ leaves .+ as it is; use .+": _(
            "{finding}: this recipe leaves it as it is; choose another one."
        ),
        r"amount (?P<finding>haze|light) is \S+, but .+; recipe (?P<recipe>\S+) changes .+": _(
            "{finding}: none was found, so nothing is changed. The recipe {recipe} would."
        ),
        r"(amount colour is \S+, but )?the photo has colours of its own and keeps them": _(
            "The photo has colours of its own and keeps them."
        ),
    }


def _of_noise() -> dict[str, str]:
    little = _("There is too little noise to be seen, so none is filtered.")
    return {
        r"recipe noise found none that can be seen .+": little,
        r"amount noise is \S+, but there is too little noise .+": little,
        r"noise_sigma \S+ is too little to be seen .+": little,
        r"amount noise is 0, so noise_sigma has no effect": _(
            "Noise is switched off, so its level is not used."
        ),
        r"noise_sigma 0 says that there is no noise, .+": _(
            "The level of noise is 0, so none is filtered."
        ),
        r"recipe paper works as published and makes no use of noise_sigma": _(
            "LD-RPS as it was at first knows no level of noise."
        ),
    }


def _of_the_rest() -> dict[str, str]:
    return {
        r"strength 0 gives the photo back as it came": _(
            "Strength 0 gives the photo back as it came."
        ),
        r"recipe paper works as published and makes no use of amounts": _(
            "LD-RPS as it was at first knows no amounts."
        ),
        r"recipe paper works as published and may redraw faces; .+": _(
            "LD-RPS as it was at first may redraw faces; other recipes keep them."
        ),
        r"a face was kept as it is.*": _(
            "A face was kept as it is: only light, colours, noise and damage are mended there."
        ),
        r"(?P<count>\d+) faces were kept as they are.*": _(
            "{count} faces were kept as they are: only light, colours, noise and damage are mended "
            "there."
        ),
        r"amount damage is \S+, but no damage was found .+": _(
            "No damage was found and none is marked, so nothing is filled; select what is damaged "
            "to have it filled."
        ),
        r"amount damage \S+ fills as 1 does, .+": _(
            "Damage is filled or not; more than 100 % changes nothing."
        ),
        r"the mask of damage lies in the photo's frame, .+": _(
            "What is marked lies in the photo's frame, which stays as it is."
        ),
        r"the model has nothing to do in this photo, .+": _(
            "The model has nothing to do in this photo, so its settings are not used."
        ),
        r"the description's '(?P<words>.+)' stands with no thing that is known .+": _(
            "'{words}' in the description belongs to nothing that is known, so it is not used."
        ),
        r"no (?P<thing>.+) was found in the photo, so '(?P<words>.+)' gives no colour .+": _(
            "No {thing} was found in the photo, so '{words}' colours nothing."
        ),
    }
