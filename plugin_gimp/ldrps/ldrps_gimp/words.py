"""Findings and treatments, in the user's language.

The daemon reports its findings in fixed English words, which are taken apart here.
"""

from __future__ import annotations

from typing import Any

from ldrps_gimp.choices import DAMAGE, DECIDE, Choices
from ldrps_gimp.i18n import _
from ldrps_gimp.names import finding_names, recipe_names

_NOISE, _HOT = "noise about ", "hot pixels ("
_DAMAGED, _AND = "damaged: ", " and "
# Beginnings of what a small copy of a photo cannot tell.
_NOT_OF_TONES = ("nothing found", "perhaps ", "JPEG blocks", _NOISE, _HOT, _DAMAGED)


def diagnosis_text(words: str) -> str:
    """Translate the daemon's findings into a sentence in the user's language."""
    known = {
        "nothing found": _("nothing found"),
        "perhaps dark": _("perhaps dark"),
        "perhaps hazy": _("perhaps hazy"),
        "no photo": _("no photo"),
        "dark": _("dark"),
        "slightly dark": _("slightly dark"),
        "hazy": _("hazy"),
        "slightly hazy": _("slightly hazy"),
        "faded": _("faded"),
        "slightly faded": _("slightly faded"),
        "tinted": _("tinted"),
        "slightly tinted": _("slightly tinted"),
        "without colour": _("without colour"),
        "toned": _("toned"),
        "border left as it is": _("border left as it is"),
        "JPEG blocks": _("JPEG blocks"),
    }
    parts = []
    for part in _parts(words):
        if part.startswith(_NOISE):
            parts.append(_("noise about {sigma}").format(sigma=part.removeprefix(_NOISE)))
        elif part.startswith(_HOT):
            count = part.removeprefix(_HOT).rstrip(")")
            parts.append(_("hot pixels ({count})").format(count=count))
        elif part.startswith(_DAMAGED):
            named = part.removeprefix(_DAMAGED).split(_AND)
            kinds = _(" and ").join(_damages().get(name, name) for name in named)
            parts.append(_("damaged: {kinds}").format(kinds=kinds))
        else:
            parts.append(known.get(part, part))
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def tones_text(words: str, *, goes_on: bool) -> str:
    """Translate what was found in a small copy of a photo; `goes_on`: the rest is looked for."""
    kept = [part for part in _parts(words) if not part.startswith(_NOT_OF_TONES)]
    tones = diagnosis_text(", ".join(kept))
    if not goes_on:
        return tones
    if not tones:
        return _("Light and colours are good; still looking for noise and damage ...")
    return _("{findings}; still looking for noise and damage ...").format(findings=tones)


def _damages() -> dict[str, str]:
    """Name kinds of damage in the user's language."""
    return {
        "scratches": _("scratches"),
        "cracks": _("cracks"),
        "folds": _("folds"),
        "dust": _("dust"),
        "stains": _("stains"),
        "torn edges": _("torn edges"),
    }


def done_text(choices: Choices, found: dict[str, Any]) -> str:
    """Describe what was done to a photo, in a few words for a layer's name; empty: nothing to name.

    `found` holds the daemon's reports: its diagnosis, and remarks on what was not done.
    """
    diagnosis = found.get("diagnosis", {})
    # On a photo that is damaged all over, and with `old-photo`, it is filled unasked.
    mends = choices.amount_damage > 0 or diagnosis.get("amounts", {}).get("damage", 0.0) > 0
    named = [_mended(part, choices, mends) for part in _parts(diagnosis.get("words", ""))]
    parts = [text for finding, text in named if getattr(choices, f"amount_{finding}", 1) != 0]
    parts += [text for finding, text in _tones().items() if _asked(choices, finding, found)]
    remarks = found.get("description", {}).get("remarks", [])
    recipe = _of_recipe(choices)
    if any(remark.startswith(f"recipe {choices.recipe} found") for remark in remarks):
        recipe = ""
    if choices.noise_sigma > 0:
        parts.append(_("noise {sigma}").format(sigma=f"{choices.noise_sigma:g}"))
    fills = choices.selection == DAMAGE and choices.amount_damage != 0
    damage = _("damage") if fills else ""
    return ", ".join(dict.fromkeys(part for part in (damage, recipe, *parts) if part))


def settings_text(choices: Choices) -> str:
    """Describe the settings that differ from the usual ones, in a few words."""
    parts = [dict(recipe_names())[choices.recipe]]
    if choices.strength != 1:
        parts.append(_("strength {share} %").format(share=round(100 * choices.strength)))
    for name, text in finding_names().items():
        if (amount := getattr(choices, f"amount_{name}")) != DECIDE:
            parts.append(f"{text} {round(100 * amount)} %")
    if choices.description:
        parts.append(choices.description)
    return ", ".join(parts)


def summary(choices: Choices, found: dict[str, Any], seconds: float) -> str:
    """Say what was done, what share of it was generated, and how long it took, as sentences."""
    what = done_text(choices, found)
    said = [_("Restored: {what}.").format(what=what) if what else _("Restored.")]
    done = found.get("done", {})
    if "generated" in done:
        said.append(_share(done["generated"]["mean"]))
    if seconds < 100:
        said.append(_("It took {count} s.").format(count=max(1, round(seconds))))
    else:
        said.append(_("It took {count} min.").format(count=round(seconds / 60)))
    return " ".join(said)


def _share(mean: float) -> str:
    if mean <= 0:
        return _("Nothing in it is generated.")
    if mean < 0.01:
        return _("Less than 1 % of it is generated by the model.")
    return _("{share} % of it is generated by the model.").format(share=round(100 * mean))


def _parts(words: str) -> list[str]:
    return words.replace("; ", ", ").split(", ")


def _tones() -> dict[str, str]:
    """Return what is done about tones, by the names of amounts."""
    return {"light": _("light"), "haze": _("haze"), "cast": _("contrast"), "colour": _("colour")}


def _asked(choices: Choices, finding: str, found: dict[str, Any]) -> bool:
    """Tell whether something is done that only the user's amount asks for."""
    remarks = found.get("description", {}).get("remarks", [])
    if getattr(choices, f"amount_{finding}") <= 0 or choices.recipe == "paper":
        return False
    return not any(remark.startswith(f"amount {finding}") for remark in remarks)


def _mended(part: str, choices: Choices, mends: bool) -> tuple[str, str]:
    """Name a finding's amount, and what is done about it; empty where nothing is.

    `mends`: damage that was found is filled.
    """
    if part.startswith(_NOISE):
        # The user's own number stands in for it.
        own = choices.noise_sigma >= 0
        text = "" if own else _("noise {sigma}").format(sigma=part.removeprefix(_NOISE))
        return "noise", text
    if part.startswith(_HOT):
        return "noise", _("hot pixels")
    if part.startswith(_DAMAGED):
        return "damage", _("damage") if mends else ""
    if choices.recipe not in ("auto", "fast"):
        return "", ""
    if part == "JPEG blocks":
        return "noise", _("JPEG blocks")
    finding = {"dark": "light", "hazy": "haze", "faded": "cast"}.get(part.removeprefix("slightly "))
    return (finding, _tones()[finding]) if finding else ("", "")


def _of_recipe(choices: Choices) -> str:
    if choices.recipe == "paper":
        return _("original LD-RPS")
    about = {"low-light": "light", "haze": "haze", "colour": "colour", "old-photo": "cast"}
    finding = about.get(choices.recipe)
    left = finding is None or getattr(choices, f"amount_{finding}") == 0
    return "" if left else _tones()[str(finding)]
