"""Registration with GIMP: names, menus, arguments; and from arguments back to choices."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from gi.repository import Gimp, GLib, GObject

from ldrps_gimp.choices import (
    AMOUNTS,
    DECIDE,
    MAX_AMOUNT,
    MAX_NOISE,
    MAX_RECURRENCES,
    MAX_STEPS,
    NEW_LAYER,
    OUTPUTS,
    PART,
    RECIPES,
    SELECTIONS,
    Choices,
)
from ldrps_gimp.i18n import _

RESTORE = "ldrps-restore"
AGAIN = "ldrps-restore-again"
DIALOG = "ldrps-restore-dialog"
ALL = "ldrps-restore-all"
PREVIEW = "preview"
_TYPES = "RGB*, GRAY*, INDEXED*"
_SETTINGS = (*(field.name.replace("_", "-") for field in fields(Choices)), PREVIEW)
_RW = GObject.ParamFlags.READWRITE


def make_restore(plug_in: Any, run: Any) -> Any:
    """Make Filters > Restore (LD-RPS)."""
    procedure = Gimp.ImageProcedure.new(plug_in, RESTORE, Gimp.PDBProcType.PLUGIN, run, None)
    _describe(
        procedure,
        _("_Restore (LD-RPS)..."),
        _("Restore a photo that is dark, hazy, noisy, tinted or grey"),
        _(
            "Hands the layer to the LD-RPS daemon on this machine and brings back the restored "
            "photo, by default as a new layer with the selection as its mask. Returns the layer "
            "that holds the result."
        ),
    )
    _add_arguments(procedure)
    _returns_layer(procedure)
    return procedure


def make_again(plug_in: Any, run: Any) -> Any:
    """Make Filters > Restore Again: the settings of a layer that was made by us."""
    procedure = Gimp.ImageProcedure.new(plug_in, AGAIN, Gimp.PDBProcType.PLUGIN, run, None)
    _describe(
        procedure,
        _("Restore A_gain with These Settings..."),
        _("Restore once more with the settings that the selected restored layer was made with"),
        _(
            "Reads the settings kept in a layer that Restore (LD-RPS) has made, and restores the "
            "layer it was made from with them. Returns the layer that holds the result."
        ),
    )
    _returns_layer(procedure)
    return procedure


def make_all(plug_in: Any, run: Any) -> Any:
    """Make Filters > Restore All Open Images (LD-RPS)."""
    procedure = Gimp.ImageProcedure.new(plug_in, ALL, Gimp.PDBProcType.PLUGIN, run, None)
    _describe(
        procedure,
        _("Restore All Open _Images (LD-RPS)..."),
        _("Restore the selected layer of every open image"),
        _(
            "Hands the selected layer of each open image to the LD-RPS daemon, one by one. "
            "Layers that cannot be restored, and results of an earlier run, are skipped and "
            "reported. Returns how many were restored, needed nothing and failed, and a summary."
        ),
    )
    procedure.set_image_types("*")
    kinds = Gimp.ProcedureSensitivityMask
    procedure.set_sensitivity_mask(kinds.DRAWABLE | kinds.DRAWABLES | kinds.NO_DRAWABLES)
    _add_arguments(procedure)
    for name, words in (
        ("restored", _("Number of images that were restored")),
        ("unchanged", _("Number of images that needed nothing")),
        ("failed", _("Number of images that could not be restored")),
    ):
        procedure.add_int_return_value(name, name, words, 0, GLib.MAXINT, 0, _RW)
    words = _("What came of all, and of each that failed why")
    procedure.add_string_return_value("summary", "summary", words, "", _RW)
    return procedure


def make_dialog(plug_in: Any, run: Any) -> Any:
    """Make the dialog and its work, in a process of its own that another one waits for."""
    procedure = Gimp.Procedure.new(plug_in, DIALOG, Gimp.PDBProcType.PLUGIN, run, None)
    words = "Used by ldrps-restore: asks, restores, and returns the layer and what was chosen"
    procedure.set_documentation(words, words, None)
    _attribute(procedure)
    source = _("The layer to restore")
    procedure.add_layer_argument("layer", _("Layer"), source, False, _RW)
    _add_arguments(procedure)
    _returns_layer(procedure)
    procedure.add_string_return_value("chosen", "Chosen", "The settings as JSON", "", _RW)
    return procedure


def _describe(procedure: Any, label: str, blurb: str, text: str) -> None:
    procedure.set_image_types(_TYPES)
    procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
    procedure.set_documentation(blurb, text, None)
    _attribute(procedure)
    procedure.set_menu_label(label)
    procedure.add_menu_path("<Image>/Filters")


def _attribute(procedure: Any) -> None:
    procedure.set_attribution("LD-RPS Restore", "LD-RPS Restore, Apache-2.0", "2026")


def _add_arguments(procedure: Any) -> None:
    # Strings rather than choices: GIMP turns a choice it does not know silently to the default.
    # Numbers have no bounds here: GIMP keeps the default instead of one that is outside of them,
    # and Choices refuses it.
    recipe = _("What is wrong: {names}").format(names=", ".join(RECIPES))
    procedure.add_string_argument("recipe", _("Rec_ipe"), recipe, "auto", _RW)
    strength = _("0 gives the photo back, 1 restores in full")
    _add_double(procedure, "strength", _("S_trength"), strength, 1.0)
    scene = _("The scene in your words; empty: found out")
    procedure.add_string_argument("description", _("_Description"), scene, "", _RW)
    decide = _("-1: decided from the photo")
    for name, label, least, most in (
        ("recurrences", _("F_urther passes"), 0, MAX_RECURRENCES),
        ("steps", _("Steps of the model"), 1, MAX_STEPS),
    ):
        _add_int(procedure, name, label, f"{_range(least, most)}; {decide}", DECIDE)
    # Outside of the braces: strings in them are not found by who collects them for translators.
    steps = _("Noise in 8-bit steps")
    noise = f"{steps}, {_range(0, round(MAX_NOISE))}; {decide}"
    _add_double(procedure, "noise-sigma", _("Noise"), noise, float(DECIDE))
    all_of_it = _("0 leaves it, 1 is all of it")
    for name in AMOUNTS:
        # Translators: {name} is a word of the contract, such as noise
        label = _("Amount: {name}").format(name=name)
        words = f"{all_of_it}, {_range(0, round(MAX_AMOUNT))}; {decide}"
        _add_double(procedure, f"amount-{name}", label, words, float(DECIDE))
    model = _("An installed model")
    procedure.add_string_argument("model", _("_Model"), model, "bundled", _RW)
    _add_int(procedure, "seed", _("S_eed"), _("Same seed, same result"), 0)
    output = _("Where the result goes: {names}").format(names=", ".join(OUTPUTS))
    procedure.add_string_argument("output", _("Out_put"), output, NEW_LAYER, _RW)
    marks = _("What the selection marks: {names}").format(names=", ".join(SELECTIONS))
    procedure.add_string_argument("selection", _("Selection mar_ks"), marks, PART, _RW)
    added = _("Add a hidden layer that shows in red what the model has generated")
    procedure.add_boolean_argument("generated", _("Map of what was generated"), added, False, _RW)
    canvas = _("Show what is coming on the canvas while it runs")
    procedure.add_boolean_argument(PREVIEW, _("Previe_w on the canvas"), canvas, True, _RW)


def _add_int(procedure: Any, name: str, label: str, blurb: str, neutral: int) -> None:
    procedure.add_int_argument(name, label, blurb, GLib.MININT, GLib.MAXINT, neutral, _RW)


def _add_double(procedure: Any, name: str, label: str, blurb: str, neutral: float) -> None:
    # Else GObject keeps the default instead of NaN, which lies within no bounds.
    flags = _RW | GObject.ParamFlags.LAX_VALIDATION
    procedure.add_double_argument(name, label, blurb, -math.inf, math.inf, neutral, flags)


def _range(least: int, most: int) -> str:
    return _("{least} to {most}").format(least=least, most=most)


def _returns_layer(procedure: Any) -> None:
    words = _("The layer that holds the restored photo")
    procedure.add_layer_return_value("layer", _("Layer"), words, False, _RW)


def choices_of(config: Any) -> Choices:
    """Read the choices in a config. RestoreError for impossible values."""
    read = config.get_property
    return Choices(
        recipe=read("recipe") or "auto",
        strength=read("strength"),
        description=read("description") or "",
        recurrences=read("recurrences"),
        steps=read("steps"),
        noise_sigma=read("noise-sigma"),
        **{f"amount_{name}": read(f"amount-{name}") for name in AMOUNTS},
        seed=read("seed"),
        model=read("model") or "bundled",
        output=read("output") or NEW_LAYER,
        selection=read("selection") or PART,
        generated=read("generated"),
    )


def settings_of(config: Any) -> dict[str, Any]:
    """Return every setting in a config by its name in the PDB, as plain values."""
    return {name: config.get_property(name) for name in _SETTINGS}


def keep(config: Any, settings: dict[str, Any]) -> None:
    """Put settings into a config."""
    for name in _SETTINGS:
        if name in settings:
            config.set_property(name, settings[name])


def as_settings(choices: Choices) -> dict[str, Any]:
    """Return choices by their names in the PDB."""
    return {name.replace("_", "-"): value for name, value in choices.as_dict().items()}


def failure(procedure: Any, status: Any, sentence: str) -> Any:
    """Return a procedure's return value for an error."""
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), sentence, 0)
    return procedure.new_return_values(status, error)
