"""Choices in words for people: pairs of a value and its text."""

from __future__ import annotations

from ldrps_gimp.choices import DAMAGE, NEW_IMAGE, NEW_LAYER, PART, REPLACE, STAGES
from ldrps_gimp.i18n import _


def recipe_names() -> list[tuple[str, str]]:
    """Return the recipes, the usual one first."""
    return [
        ("auto", _("Find out what is wrong")),
        ("fast", _("Find out what is wrong, in less time")),
        ("low-light", _("Too dark")),
        ("haze", _("Hazy")),
        ("noise", _("Noisy")),
        ("colour", _("Without colour")),
        ("old-photo", _("Old photo")),
        ("paper", _("As LD-RPS first did it, for comparison")),
    ]


def output_names() -> list[tuple[str, str]]:
    """Return the outputs, the usual one first."""
    return [
        (NEW_LAYER, _("New layer, masked by the selection")),
        (STAGES, _("Group with a layer for each stage")),
        (REPLACE, _("Replace the layer's pixels")),
        (NEW_IMAGE, _("New image")),
    ]


def output_hints() -> dict[str, str]:
    """Return hints on changing a result without another run, by output."""
    return {
        NEW_LAYER: _("Afterwards, the new layer's opacity is the strength."),
        STAGES: _("Afterwards, each layer's opacity is the strength of its stage."),
    }


def stage_names() -> dict[str, str]:
    """Return the stages by the contract's words, the first one first."""
    return {
        "repaired": _("Repaired"),
        "denoised": _("Denoised"),
        "tone-mapped": _("Tone-mapped"),
        "coloured": _("Coloured"),
    }


def selection_names() -> list[tuple[str, str]]:
    """Return the meanings of a selection, the usual one first."""
    return [
        (PART, _("The part that changes")),
        (DAMAGE, _("Damage to be filled")),
    ]


def finding_names() -> dict[str, str]:
    """Return the findings by the contract's words."""
    return {
        "damage": _("Damage"),
        "noise": _("Noise"),
        "haze": _("Haze"),
        "light": _("Missing light"),
        "cast": _("Fading and casts"),
        "colour": _("Missing colour"),
    }
