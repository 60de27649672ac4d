"""Dialog for all open images: the choice of images, the settings, and the outcome of each."""

from __future__ import annotations

import contextlib
from typing import Any

from gi.repository import GimpUi, Gtk

from ldrps_gimp.batch import FAILED, Entry, Result, entries, restore_all, show, summary
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.fields import Form
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message
from ldrps_gimp.names import output_names, recipe_names
from ldrps_gimp.pictures import Source
from ldrps_gimp.pixels import whole
from ldrps_gimp.procedures import choices_of
from ldrps_gimp.progress import stage_text
from ldrps_gimp.pumping import Pumping
from ldrps_gimp.status import Status

_SIZE = 760, 560
_PICTURE = 64


def restore_all_in_dialog(procedure: Any, config: Any) -> list[Result]:
    """Ask, restore, and return the outcome of each image; CancelledError if nothing was begun."""
    GimpUi.init(procedure.get_name())
    with contextlib.closing(BatchDialog(procedure, config)) as dialog:
        return dialog.ask()


class BatchDialog(Pumping):
    """One dialog. It is also the Report of the restorations it starts."""

    def __init__(self, procedure: Any, config: Any) -> None:
        self._config = config
        self._daemon = Daemon(default_endpoint(), self._idle)
        self._busy = self._stopped = self._closed = False
        self._results: list[Result] = []
        self._done, self._count = 0, 1
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("Restore all open images"))
        self._dialog.set_ok_label(_("Rest_ore"))
        self._dialog.set_default_size(*_SIZE)
        self._dialog.connect("response", self._on_response)
        self._dialog.connect("delete-event", self._on_delete)
        self._rows = [_Row(entry) for entry in entries()]
        self._build()

    def close(self) -> None:
        """Destroy the dialog."""
        self._daemon.close()
        self._dialog.destroy()

    def ask(self) -> list[Result]:
        """Run until the user has seen the outcome, or wants nothing."""
        while self._dialog.run() and not self._closed:
            try:
                choices = choices_of(self._config)
            except RestoreError as error:
                self._status.complain(str(error))
                continue
            self._restore(choices)
            if self._closed:
                break
        if not self._results:
            raise CancelledError
        return self._results

    def _build(self) -> None:
        table = Gtk.Grid(column_spacing=12, row_spacing=6, border_width=6)
        for number, row in enumerate(self._rows):
            row.attach_to(table, number)
        window = Gtk.ScrolledWindow(child=table, hscrollbar_policy=Gtk.PolicyType.NEVER)
        self._form = Form(self._config)
        self._form.combo("recipe", recipe_names())
        self._form.scale("strength", 0.0, 1.0)
        self._form.combo("output", output_names())
        self._form.set_border_width(12)
        self._status = Status()
        content = self._dialog.get_content_area()
        content.pack_start(window, True, True, 0)
        for widget in (self._form, self._status):
            content.pack_start(widget, False, False, 0)
        content.show_all()
        self._dialog.get_widget_for_response(Gtk.ResponseType.OK).grab_focus()

    def _restore(self, choices: Choices) -> None:
        chosen = [row for row in self._rows if row.is_chosen]
        if not chosen:
            return self._status.say(_("No image is chosen."))
        self._count, self._done = len(chosen), 0
        rows = {id(row.entry): row for row in chosen}
        results: list[Result] = []
        self._busy, self._stopped = True, False
        self._set_sensitive(False)
        self._status.begin(_("Starting"))
        why = ""
        try:
            order = [row.entry for row in chosen]
            begin = lambda entry: rows[id(entry)].begin()  # noqa: E731
            for result in restore_all(order, choices, self._daemon, self, begin):
                results.append(result)
                show(result)
                rows[id(result.entry)].show(result)
                self._done = len(results)
        except CancelledError:
            why = _("Cancelled; what is done stays.")
        except RestoreError as error:
            why = str(error)
        finally:
            self._busy = False
            self._status.end()
            self._set_sensitive(True)
        self._end(chosen, results, why)

    def _end(self, chosen: list[_Row], results: list[Result], why: str) -> None:
        for row in chosen[len(results) :]:
            row.stop()
        self._results += results
        # There is something now that the user would not want to cancel.
        self._dialog.get_widget_for_response(Gtk.ResponseType.CANCEL).set_label(_("_Close"))
        said = summary(results, len(chosen) - len(results)).partition("\n")[0]
        text = "\n".join(filter(None, [said, why]))
        failed = why or any(result.kind == FAILED for result in results)
        (self._status.complain if failed else self._status.say)(text)

    def _set_sensitive(self, sensitive: bool) -> None:
        self._form.set_sensitive(sensitive)
        for row in self._rows:
            row.set_sensitive(sensitive)
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, sensitive)

    def _on_response(self, _dialog: Any, response: int) -> None:
        leaving = (Gtk.ResponseType.CANCEL, Gtk.ResponseType.CLOSE, Gtk.ResponseType.DELETE_EVENT)
        if response in leaving:
            self._stopped = self._busy
        self._closed = response == Gtk.ResponseType.DELETE_EVENT

    def _on_delete(self, *_: Any) -> bool:
        self._stopped = self._closed = True
        return True

    # How it goes.

    def stage(self, text: str) -> None:
        """Show the current stage."""
        self._status.bar.set_text(text)

    def fraction(self, done: float) -> None:
        """Move the bar, which is for all images together."""
        self._status.bar.set_fraction((self._done + done) / self._count)

    def event(self, kind: str, event: Message) -> None:
        """Show an event of the daemon."""
        if text := stage_text(kind, event):
            number = _("Image {number} of {count}").format(number=self._done + 1, count=self._count)
            self._status.bar.set_text(f"{number}. {text}")
        if kind == "step":
            self.fraction(event["index"] / event["count"])


class _Row:
    """One image: its choice, its picture, and its outcome."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._switch = Gtk.CheckButton(label=entry.name, focus_on_click=False)
        self._switch.set_active(entry.layer is not None)
        self._switch.set_sensitive(entry.layer is not None)
        self._said = Gtk.Label(label=entry.why, wrap=True, xalign=0.0, hexpand=True)
        self._sign = Gtk.Image()
        if entry.layer is None:
            self._sign.set_from_icon_name("dialog-warning", Gtk.IconSize.MENU)

    def attach_to(self, table: Any, number: int) -> None:
        """Become a row of a table."""
        picture = Gtk.Image()
        if self.entry.layer is not None:
            source = Source(self.entry.layer, whole(self.entry.layer), _PICTURE)
            picture.set_from_pixbuf(source.overview())
        for column, widget in enumerate((picture, self._switch, self._sign, self._said)):
            table.attach(widget, column, number, 1, 1)

    @property
    def is_chosen(self) -> bool:
        """Tell whether the image is to be restored."""
        return bool(self._switch.get_active())

    def set_sensitive(self, sensitive: bool) -> None:
        """Allow the user to choose, or not."""
        self._switch.set_sensitive(sensitive and self.entry.layer is not None)

    def begin(self) -> None:
        """Show that it is under way."""
        self._show(_("Under way ..."), "media-playback-start")

    def stop(self) -> None:
        """Show that there is no outcome."""
        self._show("", None)

    def show(self, result: Result) -> None:
        """Show the outcome of the image, which is not chosen again."""
        failed = result.kind == FAILED
        self._show(result.text, "dialog-warning" if failed else "object-select-symbolic")
        self._switch.set_active(failed)

    def _show(self, text: str, icon: str | None) -> None:
        self._said.set_text(text)
        if icon:
            self._sign.set_from_icon_name(icon, Gtk.IconSize.MENU)
        else:
            self._sign.clear()
