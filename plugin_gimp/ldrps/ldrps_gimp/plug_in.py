"""The plug-in as GIMP runs it: one process for each time it is used."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp

from ldrps_gimp import procedures, provenance
from ldrps_gimp.choices import NEW_IMAGE, Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.i18n import DOMAIN, LOCALE_FOLDER, _
from ldrps_gimp.place import default_place
from ldrps_gimp.progress import StatusBar
from ldrps_gimp.refusals import check, only_layer
from ldrps_gimp.restoration import Restoration

_STATUS = {"settings": Gimp.PDBStatusType.CALLING_ERROR, "photo": Gimp.PDBStatusType.CALLING_ERROR}


class Ldrps(Gimp.PlugIn):  # type: ignore[misc]
    """Registers the procedures and runs them."""

    def do_set_i18n(self, _name: str) -> tuple[bool, str, str | None]:
        """Where translations are."""
        return LOCALE_FOLDER.is_dir(), DOMAIN, LOCALE_FOLDER.name

    def do_query_procedures(self) -> list[str]:
        """What we offer."""
        return [procedures.RESTORE, procedures.AGAIN, procedures.CANVAS]

    def do_create_procedure(self, name: str) -> Any:
        """One of them."""
        if name == procedures.CANVAS:
            return procedures.make_canvas(self, _run_canvas)
        if name == procedures.AGAIN:
            return procedures.make_again(self, _run_again)
        return procedures.make_restore(self, _run_restore)


def _run_restore(
    procedure: Any, mode: Any, image: Any, drawables: list[Any], config: Any, _data: Any
) -> Any:
    try:
        layer = only_layer(drawables)
        if mode == Gimp.RunMode.INTERACTIVE:
            return _returned(procedure, _in_dialog(procedure, config, layer))
        return _returned(procedure, restore(layer, procedures.choices_of(config), mode))
    except RestoreError as error:
        return _failed(procedure, error)


def _run_again(
    procedure: Any, mode: Any, image: Any, drawables: list[Any], config: Any, _data: Any
) -> Any:
    try:
        made = only_layer(drawables)
        record = provenance.record_of(made)
        if record is None:
            text = _("This layer was not made by Restore (LD-RPS); select one that was.")
            raise RestoreError("photo", text)
        layer = provenance.source_of(record, image)
        if layer is None:
            text = _("The layer that this one was made from is no longer in the image.")
            raise RestoreError("photo", text)
        choices = provenance.choices_of(record)
        if mode != Gimp.RunMode.INTERACTIVE:
            return _returned(procedure, restore(layer, choices, mode))
        # The dialog and its stored settings belong to the other procedure.
        asked = Gimp.get_pdb().lookup_procedure(procedures.RESTORE)
        again = asked.create_config()
        procedures.keep(again, choices)
        return _returned(procedure, _in_dialog(asked, again, layer))
    except RestoreError as error:
        return _failed(procedure, error)


def restore(layer: Any, choices: Choices, mode: Any) -> Any:
    """Without a dialog; returns the layer with the result."""
    check(layer.get_image(), layer, choices)
    daemon = Daemon(default_place())
    try:
        report = StatusBar(_("Restore (LD-RPS)"))
        result = Restoration(layer, choices, daemon, report).run()
    finally:
        daemon.close()
        Gimp.progress_end()
    if mode != Gimp.RunMode.NONINTERACTIVE:
        show(result, choices)
    return result


def show(result: Any, choices: Choices) -> None:
    """Bring a result to the user's eyes."""
    if choices.output == NEW_IMAGE:
        Gimp.Display.new(result.get_image())
    Gimp.displays_flush()


def _in_dialog(procedure: Any, config: Any, layer: Any) -> Any:
    # GTK is loaded only where there is somebody to see it.
    from ldrps_gimp.dialog import restore_in_dialog

    result, choices = restore_in_dialog(procedure, config, layer)
    show(result, choices)
    return result


def _run_canvas(procedure: Any, config: Any, _data: Any) -> Any:
    from ldrps_gimp.canvas_keeper import keep_canvas

    keep_canvas(procedure, config)
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


def _returned(procedure: Any, layer: Any) -> Any:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(1)
    values.insert(1, layer)
    return values


def _failed(procedure: Any, error: RestoreError) -> Any:
    if isinstance(error, CancelledError):
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    status = _STATUS.get(error.reason, Gimp.PDBStatusType.EXECUTION_ERROR)
    return procedures.failure(procedure, status, str(error))
