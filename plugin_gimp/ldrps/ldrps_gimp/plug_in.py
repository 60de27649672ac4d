"""Plug-in as GIMP runs it: one process for each time it is used.

What works is imported where it is called: the process that only waits for the dialog would load it
for nothing, while the user waits.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from gi.repository import Gimp

from ldrps_gimp import procedures, provenance
from ldrps_gimp.canvas import sweep
from ldrps_gimp.choices import AMOUNTS, DECIDE, Choices
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.i18n import DOMAIN, LOCALE_FOLDER, _
from ldrps_gimp.refusals import check, only_layer

_AMOUNTS = [f"amount-{name}" for name in AMOUNTS]
_STATUS = {"settings": Gimp.PDBStatusType.CALLING_ERROR, "photo": Gimp.PDBStatusType.CALLING_ERROR}


class Ldrps(Gimp.PlugIn):  # type: ignore[misc]
    """Registers the procedures and runs them."""

    def do_set_i18n(self, _name: str) -> tuple[bool, str, str | None]:
        """Return where translations are."""
        return LOCALE_FOLDER.is_dir(), DOMAIN, LOCALE_FOLDER.name

    def do_query_procedures(self) -> list[str]:
        """Return the names of the procedures."""
        return [procedures.RESTORE, procedures.AGAIN, procedures.ALL, procedures.DIALOG]

    def do_create_procedure(self, name: str) -> Any:
        """Make one of the procedures."""
        if name == procedures.DIALOG:
            return procedures.make_dialog(self, _run_dialog)
        if name == procedures.ALL:
            return procedures.make_all(self, _run_all)
        if name == procedures.AGAIN:
            return procedures.make_again(self, _run_again)
        return procedures.make_restore(self, _run_restore)


def _run_restore(
    procedure: Any, mode: Any, _image: Any, drawables: list[Any], config: Any, _data: Any
) -> Any:
    try:
        layer = only_layer(drawables)
        if mode != Gimp.RunMode.INTERACTIVE:
            return _returned(procedure, _restored(layer, procedures.choices_of(config), mode))
        # What was done about the last photo's findings says nothing of this one's.
        settings = procedures.settings_of(config) | dict.fromkeys(_AMOUNTS, float(DECIDE))
        result, chosen = _ask(procedure, layer, settings)
        # What is in the config when we return is what Repeat will use.
        procedures.keep(config, chosen)
        return _returned(procedure, result)
    except Exception as error:
        return _failed(procedure, error, mode)


def _run_again(
    procedure: Any, mode: Any, image: Any, drawables: list[Any], _config: Any, _data: Any
) -> Any:
    try:
        record = provenance.record_of(_only_result(drawables))
        if record is None:
            text = _("This layer was not made by Restore (LD-RPS); select one that was.")
            raise RestoreError("photo", text)
        layer = provenance.source_of(record, image)
        if layer is None:
            text = _("The layer that this one was made from is no longer in the image.")
            raise RestoreError("photo", text)
        choices = provenance.choices_of(record)
        if mode != Gimp.RunMode.INTERACTIVE:
            return _returned(procedure, _restored(layer, choices, mode))
        result, _chosen = _ask(procedure, layer, procedures.as_settings(choices))
        return _returned(procedure, result)
    except Exception as error:
        return _failed(procedure, error, mode)


def _restored(layer: Any, choices: Choices, mode: Any) -> Any:
    from ldrps_gimp.unasked import restore

    return restore(layer, choices, mode)


def _only_result(drawables: list[Any]) -> Any:
    """Return the one layer that may be a result of ours, or the group of its stages."""
    alone = len(drawables) == 1 and drawables[0].is_group()
    return drawables[0] if alone else only_layer(drawables)


def _run_all(
    procedure: Any, mode: Any, _image: Any, _drawables: list[Any], config: Any, _data: Any
) -> Any:
    from ldrps_gimp import batch

    try:
        if mode == Gimp.RunMode.INTERACTIVE:
            # GTK is loaded only where there is a user to see it.
            from ldrps_gimp.batch_dialog import restore_all_in_dialog

            results = restore_all_in_dialog(procedure, config)
        else:
            from ldrps_gimp.unasked import restore_all

            results = restore_all(procedures.choices_of(config), mode)
    except Exception as error:
        return _failed(procedure, error, mode)
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    for place, value in enumerate((*batch.counts(results), batch.summary(results)), 1):
        values.remove(place)
        values.insert(place, value)
    return values


def _ask(caller: Any, layer: Any, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Let another process ask and restore, and sweep up behind it however it ends.

    Returns the layer with the result, and the chosen settings.
    """
    check(layer, Choices())
    image = layer.get_image()
    procedure = Gimp.get_pdb().lookup_procedure(procedures.DIALOG)
    config = procedure.create_config()
    config.set_property("layer", layer)
    procedures.keep(config, settings)
    undoes = image.undo_is_enabled()
    # We say ourselves what goes wrong there; GIMP would put "Calling error" before it.
    caller.get_plug_in().set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
    values = procedure.run(config)
    if image.is_valid() and undoes:
        sweep(image)
    status = values.index(0)
    if status == Gimp.PDBStatusType.SUCCESS:
        return values.index(1), json.loads(values.index(2))
    if status == Gimp.PDBStatusType.CANCEL:
        raise CancelledError
    if status == Gimp.PDBStatusType.EXECUTION_ERROR:
        raise RestoreError("internal", str(values.index(1)))
    # What GIMP says of a process that was ended is not for people.
    raise RestoreError("internal", _("The restoration was ended; the image is as it was."))


def _run_dialog(procedure: Any, config: Any, _data: Any) -> Any:
    # GTK is loaded only where there is a user to see it.
    from ldrps_gimp.dialog import restore_in_dialog
    from ldrps_gimp.unasked import show

    try:
        outcome, choices = restore_in_dialog(procedure, config, config.get_property("layer"))
    except RestoreError as error:
        if isinstance(error, CancelledError):
            return _failed(procedure, error)
        status = Gimp.PDBStatusType.EXECUTION_ERROR
        return procedures.failure(procedure, status, str(error))
    except Exception as error:
        return _failed(procedure, error)
    show(outcome, choices)
    values = _returned(procedure, outcome.layer)
    values.remove(2)
    values.insert(2, json.dumps(procedures.settings_of(config)))
    return values


def _returned(procedure: Any, layer: Any) -> Any:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(1)
    values.insert(1, layer)
    return values


def _failed(procedure: Any, error: Exception, mode: Any = Gimp.RunMode.NONINTERACTIVE) -> Any:
    if isinstance(error, CancelledError):
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    if isinstance(error, RestoreError):
        status, text = _STATUS.get(error.reason, Gimp.PDBStatusType.EXECUTION_ERROR), str(error)
    else:
        # On the terminal that GIMP was started from, for a report.
        traceback.print_exception(error)
        status, text = (
            Gimp.PDBStatusType.EXECUTION_ERROR,
            _("An unforeseen error ({what}); please report it."),
        )
        text = text.format(what=f"{type(error).__name__}: {error}")
    if mode == Gimp.RunMode.NONINTERACTIVE:
        return procedures.failure(procedure, status, text)
    # A person reads the sentence alone; before an error GIMP writes "Calling error".
    Gimp.message(text)
    return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
