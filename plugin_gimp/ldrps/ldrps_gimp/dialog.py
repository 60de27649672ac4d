"""Dialog for one layer. It stays open until there is a result, or the user does not want one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gi.repository import GimpUi, GLib, Gtk

from ldrps_gimp.canvas import Canvas, warm_up
from ldrps_gimp.choices import AMOUNTS, DAMAGE, NEW_LAYER, Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.effects_row import EffectsRow, layer_of_what_is_seen
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.glance import is_large
from ldrps_gimp.guide import PATH, open_guide
from ldrps_gimp.i18n import _
from ldrps_gimp.looking import Looking
from ldrps_gimp.messages import Message
from ldrps_gimp.output import is_simple
from ldrps_gimp.pictures import Source, picture_of
from ldrps_gimp.pixels import whole
from ldrps_gimp.places import Places
from ldrps_gimp.preview_pane import PreviewPane
from ldrps_gimp.procedures import PREVIEW, as_settings, choices_of, keep
from ldrps_gimp.progress import stage_text
from ldrps_gimp.pumping import Pumping
from ldrps_gimp.refusals import check
from ldrps_gimp.restoration import Outcome, Restoration
from ldrps_gimp.settings_column import SettingsColumn
from ldrps_gimp.status import Status
from ldrps_gimp.tries import SIDE
from ldrps_gimp.tries_row import TriesRow
from ldrps_gimp.viewing import crop_around

_SIZE = 1160, 724
# Settings that change how the result looks.
_OF_PIXELS = (
    "recipe",
    "strength",
    "description",
    "recurrences",
    "steps",
    "noise-sigma",
    "seed",
    "model",
    "selection",
)
_LEAVING = (
    Gtk.ResponseType.CANCEL,
    Gtk.ResponseType.CLOSE,
    Gtk.ResponseType.DELETE_EVENT,
    Gtk.ResponseType.NONE,
)


def restore_in_dialog(procedure: Any, config: Any, layer: Any) -> tuple[Outcome, Choices]:
    """Ask, restore, and return the result with the choices.

    CancelledError if the user closed the dialog.
    """
    GimpUi.init(procedure.get_name())
    check(layer, Choices())
    with contextlib.closing(RestoreDialog(procedure, config, layer)) as dialog:
        return dialog.ask()


class RestoreDialog(Pumping):
    """One dialog for one layer. It is also the Report of the restorations it starts."""

    def __init__(self, procedure: Any, config: Any, layer: Any) -> None:
        self._config, self._layer = config, layer
        self._daemon = Daemon(default_endpoint(), self._idle)
        looked = Restoration(layer, Choices(), self._daemon, self)
        self._canvas: Canvas | None = None
        self._places = Places(lambda: not (self._busy or self._closed), self._try)
        # Work that makes way: a look, a place that is tried.
        self._trying = self._yields = self._busy = self._stopped = self._closed = False
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("Restore (LD-RPS)"))
        self._dialog.set_ok_label(_("Rest_ore"))
        self._dialog.connect("response", self._on_response)
        self._dialog.connect("delete-event", self._on_delete)
        self._dialog.set_default_size(*_SIZE)
        self._build(looked)
        for name in (*_OF_PIXELS, *(f"amount-{name}" for name in AMOUNTS)):
            config.connect(f"notify::{name}", lambda *_: self._on_settings())
        self._on_settings()

    def close(self) -> None:
        """Destroy the dialog."""
        self._places.forget()
        self._daemon.close()
        self._dialog.destroy()

    def ask(self) -> tuple[Outcome, Choices]:
        """Run until there is a result."""
        GLib.idle_add(self._look, priority=GLib.PRIORITY_LOW)
        # While the daemon looks; the dialog is there by then.
        GLib.idle_add(warm_up, priority=GLib.PRIORITY_LOW)
        while self._dialog.run() and not self._closed:
            try:
                choices = choices_of(self._config)
                check(self._layer, choices)
                outcome = self._restore(choices)
                if outcome.changed:
                    seen = Source(outcome.layer, whole(outcome.layer), SIDE)
                    self._remember(choices, seen.overview())
                    return outcome, choices
                self._say("\n".join([outcome.summary, *outcome.remarks]))
            except CancelledError:
                self._say(_("Cancelled. The image is as it was."))
            except RestoreError as error:
                self._complain(str(error))
            if self._closed:
                break
        raise CancelledError

    # How it looks.

    def _build(self, looked: Restoration) -> None:
        self._pane = self._make_pane(looked)
        self._left = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._left.pack_start(self._pane, True, True, 0)
        self._tries = TriesRow(self._take_try)
        self._left.pack_end(self._tries, False, False, 0)
        if self._layer.get_filters():
            self._effects = EffectsRow(self._take_what_is_seen)
            self._left.pack_start(self._effects, False, False, 0)
        both = Gtk.Box(spacing=18, border_width=12)
        both.pack_start(self._left, True, True, 0)
        self._settings = SettingsColumn(self._config, self._describe, self._open_guide)
        both.pack_start(self._settings, False, False, 0)
        self._looking = Looking(looked, self._daemon, self._settings)
        content = self._dialog.get_content_area()
        content.pack_start(both, True, True, 0)
        self._status = Status()
        content.pack_start(self._status, False, False, 0)
        content.show_all()
        self._dialog.get_widget_for_response(Gtk.ResponseType.OK).grab_focus()

    def _make_pane(self, work: Restoration) -> PreviewPane:
        return PreviewPane(self._layer, work.area, self._on_toggle, self._on_place)

    # What the user does.

    def _on_response(self, _dialog: Any, response: int) -> None:
        # Reset, and what else GIMP has put there, stops nothing.
        if response in _LEAVING or (self._yields and response == Gtk.ResponseType.OK):
            self._stopped = self._busy
        self._closed = response == Gtk.ResponseType.DELETE_EVENT

    def _on_delete(self, *_: Any) -> bool:
        # Between two runs GTK would destroy the dialog under our hands.
        self._stopped = self._closed = True
        return True

    def _on_toggle(self, before: bool) -> None:
        if self._canvas:
            self._canvas.set_visible(not before)

    def _on_settings(self) -> None:
        """Hide what was restored with other settings."""
        self._settings.show_damage(self._config.get_property("selection") == DAMAGE)
        self._pane.show_settings(self._settings_key())
        self._places.want_again()

    def _settings_key(self) -> str:
        try:
            return repr(choices_of(self._config).to_message())
        except RestoreError:
            # What is impossible is reported when it is tried.
            return ""

    def _on_place(self, x: float, y: float) -> None:
        if self._busy and not self._yields:
            return
        # What is done ahead goes on, and so does a glance.
        self._stopped = self._looking.is_close or (self._trying and not self._places.is_ahead)
        self._places.want(x, y)

    def _take_what_is_seen(self) -> None:
        """Go on with a new layer at the top, which holds the whole image as it is seen."""
        if self._busy:
            return
        made = layer_of_what_is_seen(self._layer)
        if made is None:
            return self._complain(_("GIMP refused the result; its error console says why."))
        self._layer = made
        looked = Restoration(made, Choices(), self._daemon, self)
        self._looking = Looking(looked, self._daemon, self._settings)
        self._left.remove(self._pane)
        self._left.remove(self._effects)
        self._pane = self._make_pane(looked)
        self._places.forget()
        self._left.pack_start(self._pane, True, True, 0)
        self._left.reorder_child(self._pane, 0)
        self._pane.show_all()
        self._look()

    def _describe(self) -> None:
        if not self._busy:
            self._look(fill_in=True)

    def _open_guide(self) -> None:
        if not open_guide():
            self._say(_("No browser was found; the guide is {path}.").format(path=PATH))

    # What takes time.

    def _look(self, *, fill_in: bool = False) -> bool:
        """Diagnose and describe. The dialog's loop runs on inside; False ends an idle source."""
        if self._busy or self._closed:
            return False
        try:
            with self._working(_("Looking at the photo ..."), yields=True):
                is_certain = self._looking.look(fill_in=fill_in)
            if not is_certain:
                text = _("What the photo shows is not certain; describe it in your own words.")
                self._say(text)
            self._go_ahead()
        except CancelledError:
            # For a place, for all of it, or to leave.
            pass
        except RestoreError as error:
            self._complain(str(error))
        self._places.go_on()
        return False

    def _go_ahead(self) -> None:
        """Restore the middle of a large photo, which is measured for all places by that."""
        area = self._pane.area
        if is_large(area):
            self._places.want(area.width / 2, area.height / 2, ahead=True)

    def _try(self, x: float, y: float) -> None:
        """Restore the place that the user looks at."""
        key = self._settings_key()
        if self._pane.has_place(key, x, y):
            return
        self._trying = True
        try:
            self._restore_place(key, x, y)
        except CancelledError:
            # For another place, or to leave.
            return
        except RestoreError as error:
            self._complain(str(error))
        finally:
            self._trying = False
            self._pane.mark(None)

    def _restore_place(self, key: str, x: float, y: float) -> None:
        choices = choices_of(self._config)
        check(self._layer, choices)
        work = Restoration(self._layer, choices, self._daemon, self)
        if work.area != self._pane.area:
            # The selection has changed, or what it marks.
            x, y = x + self._pane.area.x - work.area.x, y + self._pane.area.y - work.area.y
            self._pane.show_area(self._layer, work.area)
        box = crop_around((work.area.width, work.area.height), x, y)
        self._pane.mark(box)
        with self._working(_("Restoring this place ..."), yields=True):
            pixels = work.excerpt(box)
        self._pane.show_place(key, box, pixels)
        if not self._places.is_ahead:
            self._remember(choices, picture_of(box.width, box.height, pixels))

    def _remember(self, choices: Choices, picture: Any) -> None:
        """Save these settings and their picture, without the output choice."""
        self._tries.add(replace(choices, output=NEW_LAYER, generated=False), picture)

    def _take_try(self, choices: Choices) -> None:
        """Apply the settings of a try, and restore the place in view with them."""
        if self._busy and not self._yields:
            return
        settings = as_settings(choices)
        for name in ("output", "generated"):
            del settings[name]
        keep(self._config, settings)

    def _restore(self, choices: Choices) -> Outcome:
        work = Restoration(self._layer, choices, self._daemon, self)
        # Over one that is seen through a mask or a mode it would show something else.
        seen = self._layer.get_visible() and is_simple(self._layer)
        if self._config.get_property(PREVIEW) and seen:
            self._canvas = Canvas(self._layer, work.area, work.part is not None, self._idle)
        self._settings.set_usable(False)
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, False)
        try:
            with self._working(_("Starting")):
                # What is under way must not be in the picture that is taken of the selection.
                return work.run(before_finish=self._end_preview)
        finally:
            self._end_preview()
            self._pane.reset()
            self._settings.set_usable(True)
            self._dialog.set_response_sensitive(Gtk.ResponseType.OK, True)

    def _end_preview(self) -> None:
        if self._canvas:
            self._canvas.close()
            self._canvas = None

    @contextlib.contextmanager
    def _working(self, text: str, *, yields: bool = False) -> Iterator[None]:
        """Show that something is under way; it `yields` to what the user wants next."""
        self._busy, self._stopped, self._yields = True, False, yields
        self._status.begin(text)
        try:
            yield
        finally:
            self._busy = self._yields = False
            self._status.end()

    # How it goes.

    def stage(self, text: str) -> None:
        """Show the current stage."""
        self._status.stage(text)

    def fraction(self, done: float) -> None:
        """Move the bar."""
        self._status.bar.set_fraction(done)

    def event(self, kind: str, event: Message) -> None:
        """Show an event of the daemon."""
        if kind == "preview":
            if self._places.is_ahead:
                # The user has asked for no place yet, so no coarse preview is shown.
                return
            raster, pixels = event["raster"], event["pixels"]
            self._pane.show_coming(raster["width"], raster["height"], pixels)
            if self._canvas:
                self._canvas.show(raster["width"], raster["height"], pixels)
        elif kind in ("diagnosis", "description"):
            self._settings.show_found({kind: event}, fill_in=False)
        elif text := stage_text(kind, event):
            self._status.bar.set_text(text)
        if kind == "step":
            self._status.bar.set_fraction(event["index"] / event["count"])

    def _say(self, text: str) -> None:
        self._status.say(text)

    def _complain(self, text: str) -> None:
        self._status.complain(text)
