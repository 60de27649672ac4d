"""Choices in words for people: pairs of a value and its text."""

from __future__ import annotations

from ldrps_gimp.choices import DAMAGE, NEW_IMAGE, NEW_LAYER, PART, REPLACE
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
        (REPLACE, _("Replace the layer's pixels")),
        (NEW_IMAGE, _("New image")),
    ]


def selection_names() -> list[tuple[str, str]]:
    """Return the meanings of a selection, the usual one first."""
    return [
        (PART, _("The part that changes")),
        (DAMAGE, _("Damage to be filled")),
    ]
