"""The dialog. It stays open until there is a result, or the user does not want one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp, GimpUi, GLib, Gtk

from ldrps_gimp.canvas import Canvas, warm_up
from ldrps_gimp.choices import (
    DECIDE,
    MAX_NOISE,
    MAX_RECURRENCES,
    MAX_STEPS,
    Choices,
)
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.fields import Form
from ldrps_gimp.guide import PATH, open_guide
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message
from ldrps_gimp.names import output_names, recipe_names
from ldrps_gimp.place import default_place
from ldrps_gimp.preview_pane import PreviewPane
from ldrps_gimp.procedures import PREVIEW, choices_of
from ldrps_gimp.progress import stage_text
from ldrps_gimp.refusals import check
from ldrps_gimp.restoration import Outcome, Restoration
from ldrps_gimp.results import is_simple
from ldrps_gimp.sentence_bar import SentenceBar
from ldrps_gimp.words import diagnosis_text

_PUMP_SECONDS = 0.02
_LEAVING = (
    Gtk.ResponseType.CANCEL,
    Gtk.ResponseType.CLOSE,
    Gtk.ResponseType.DELETE_EVENT,
    Gtk.ResponseType.NONE,
)


def restore_in_dialog(procedure: Any, config: Any, layer: Any) -> tuple[Outcome, Choices]:
    """Ask, restore, and return the result with what was chosen.

    CancelledError if the user closed the dialog.
    """
    GimpUi.init(procedure.get_name())
    check(layer, Choices())
    # Before there is a dialog that would stand still.
    warm_up()
    with contextlib.closing(RestoreDialog(procedure, config, layer)) as dialog:
        return dialog.ask()


class RestoreDialog:
    """One dialog for one layer. It is also the Report of the restorations it starts."""

    def __init__(self, procedure: Any, config: Any, layer: Any) -> None:
        self._config, self._layer = config, layer
        self._daemon = Daemon(default_place(), self._idle)
        self._looked = Restoration(layer, Choices(), self._daemon, self)
        self._canvas: Canvas | None = None
        self._busy = self._looking = self._stopped = self._closed = False
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("Restore (LD-RPS)"))
        self._dialog.set_ok_label(_("Rest_ore"))
        self._dialog.connect("response", self._on_response)
        self._dialog.connect("delete-event", self._on_delete)
        self._build()

    def close(self) -> None:
        """Nothing of it stays."""
        self._daemon.close()
        self._dialog.destroy()

    def ask(self) -> tuple[Outcome, Choices]:
        """Until there is a result."""
        GLib.idle_add(self._look, priority=GLib.PRIORITY_LOW)
        while self._dialog.run() and not self._closed:
            try:
                choices = choices_of(self._config)
                check(self._layer, choices)
                outcome = self._restore(choices)
                if outcome.changed:
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

    def _build(self) -> None:
        self._pane = PreviewPane(self._layer, self._looked.area, self._on_toggle)
        self._diagnosis = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=44)
        self._diagnosis.set_text(_("Looking at the photo ..."))
        left = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        left.pack_start(self._pane, True, True, 0)
        left.pack_start(self._diagnosis, False, False, 0)
        if self._layer.get_filters():
            left.pack_start(self._make_effects_row(), False, False, 0)
        self._left = left
        self._form = self._make_form()
        both = Gtk.Box(spacing=18, border_width=12)
        both.pack_start(left, False, False, 0)
        both.pack_start(self._form, True, True, 0)
        content = self._dialog.get_content_area()
        content.pack_start(both, True, True, 0)
        content.pack_start(self._make_status(), False, False, 0)
        content.show_all()
        self._bar.set_visible(False)
        self._error.set_visible(False)

    def _make_form(self) -> Any:
        form = Form(self._config)
        form.combo("recipe", recipe_names())
        form.scale("strength", 0.0, 1.0)
        ask = Gtk.Button(label=_("_Ask"), use_underline=True)
        ask.set_tooltip_text(_("Have the daemon's model describe the scene"))
        ask.connect("clicked", lambda _button: self._describe())
        self._scene = form.entry("description", ask)
        self._scene.set_placeholder_text(_("found out from the photo"))
        form.combo("output", output_names())
        form.check(PREVIEW)
        more = Form(self._config)
        decide = (DECIDE, _("Decided from the photo"))
        counts = [(count, str(count)) for count in range(MAX_RECURRENCES + 1)]
        more.combo("recurrences", [decide, *counts])
        more.spin("steps", DECIDE, MAX_STEPS, word=_("decided"))
        more.spin("noise-sigma", DECIDE, MAX_NOISE, digits=1, word=_("measured"))
        more.spin("seed", 0, 2**31 - 1)
        self._models = more.combo("model", [("bundled", _("The one that came with it"))])
        more.check("generated")
        expander = Gtk.Expander(label=_("More"), child=more)
        form.attach(expander, 0, 20, 2, 1)
        guide = Gtk.Button(label=_("_Guide"), use_underline=True, halign=Gtk.Align.START)
        guide.connect("clicked", lambda _button: self._open_guide())
        form.attach(guide, 0, 21, 2, 1)
        return form

    def _make_effects_row(self) -> Any:
        """Say that effects are not restored, and offer to restore what is seen of them."""
        words = _("The layer's effects are left out of what is restored; the result has them too.")
        text = Gtk.Label(label=words, xalign=0.0, wrap=True, max_width_chars=44)
        label = _("Restore what is see_n, as a new layer")
        seen = Gtk.Button(label=label, use_underline=True)
        seen.connect("clicked", lambda _button: self._take_what_is_seen())
        self._effects = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._effects.pack_start(text, False, False, 0)
        self._effects.pack_start(seen, False, False, 0)
        return self._effects

    def _make_status(self) -> Any:
        self._bar = Gtk.ProgressBar(show_text=True, margin=12)
        self._error = SentenceBar()
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.pack_start(self._bar, False, False, 0)
        box.pack_start(self._error, False, False, 0)
        return box

    # What the user does.

    def _on_response(self, _dialog: Any, response: int) -> None:
        # Reset, and what else GIMP has put there, stops nothing. A look makes way for the work.
        if response in _LEAVING or (self._looking and response == Gtk.ResponseType.OK):
            self._stopped = self._busy
        self._closed = response == Gtk.ResponseType.DELETE_EVENT

    def _on_delete(self, *_: Any) -> bool:
        # Between two runs GTK would destroy the dialog under our hands.
        self._stopped = self._closed = True
        return True

    def _on_toggle(self, before: bool) -> None:
        if self._canvas:
            self._canvas.set_visible(not before)

    def _take_what_is_seen(self) -> None:
        """Go on with a new layer at the top, which holds the whole image as it is seen."""
        if self._busy:
            return
        image = self._layer.get_image()
        name = _("{layer} (as seen)").format(layer=self._layer.get_name())
        made = Gimp.Layer.new_from_visible(image, image, name)
        if not image.insert_layer(made, None, 0):
            return self._complain(_("GIMP refused the result; its error console says why."))
        Gimp.displays_flush()
        self._layer = made
        self._looked = Restoration(made, Choices(), self._daemon, self)
        self._left.remove(self._pane)
        self._left.remove(self._effects)
        self._pane = PreviewPane(made, self._looked.area, self._on_toggle)
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
            with self._working(_("Looking at the photo ...")):
                self._looking = True
                found = self._looked.look()
                self._offer_models()
            self._tell_found(found, fill_in)
        except CancelledError:
            self._diagnosis.set_text("")
        except RestoreError as error:
            self._diagnosis.set_text("")
            self._complain(str(error))
        finally:
            self._looking = False
        return False

    def _offer_models(self) -> None:
        known = {row[1] for row in self._models.get_model()}
        try:
            models = self._daemon.models()
        except CancelledError:
            raise
        except RestoreError:
            # A daemon of an earlier version does not tell.
            return
        for name in models:
            if name not in known:
                self._models.append(name, name)

    def _tell_found(self, found: Message, fill_in: bool) -> None:
        if words := found.get("diagnosis", {}).get("words"):
            self._diagnosis.set_text(diagnosis_text(words))
        if "description" in found:
            self._tell_scene(found["description"].get("text", ""), fill_in)

    def _tell_scene(self, text: str, fill_in: bool) -> None:
        # Without words what an earlier look found must not stay, as if it were this photo's.
        self._scene.set_placeholder_text(text or _("found out from the photo"))
        # The line may be too short for it.
        self._scene.set_tooltip_text(text or None)
        if fill_in and text:
            self._scene.set_text(text)
        elif fill_in:
            self._say(_("What the photo shows is not certain; describe it in your own words."))

    def _restore(self, choices: Choices) -> Outcome:
        work = Restoration(self._layer, choices, self._daemon, self)
        # Over one that is seen through a mask or a mode it would show something else.
        seen = self._layer.get_visible() and is_simple(self._layer)
        if self._config.get_property(PREVIEW) and seen:
            self._canvas = Canvas(self._layer, work.area, work.part is not None, self._idle)
        self._form.set_sensitive(False)
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, False)
        try:
            with self._working(_("Starting")):
                # What is under way must not be in the picture that is taken of the selection.
                return work.run(before_finish=self._end_preview)
        finally:
            self._end_preview()
            self._pane.reset()
            self._form.set_sensitive(True)
            self._dialog.set_response_sensitive(Gtk.ResponseType.OK, True)

    def _end_preview(self) -> None:
        if self._canvas:
            self._canvas.close()
            self._canvas = None

    @contextlib.contextmanager
    def _working(self, text: str) -> Iterator[None]:
        self._busy, self._stopped = True, False
        self._error.set_visible(False)
        self._bar.set_visible(True)
        self.stage(text)
        try:
            yield
        finally:
            self._busy = False
            self._bar.set_visible(False)

    def _idle(self) -> None:
        """Keep the dialog alive, for a moment at most; break off if that is wanted."""
        until = time.monotonic() + _PUMP_SECONDS
        while Gtk.events_pending() and time.monotonic() < until:
            Gtk.main_iteration_do(False)
        if self._stopped:
            self._stopped = False
            raise CancelledError

    # How it goes.

    def stage(self, text: str) -> None:
        """Say what is done now."""
        self._bar.set_text(text)
        self._bar.set_fraction(0.0)

    def fraction(self, done: float) -> None:
        """Move the bar."""
        self._bar.set_fraction(done)

    def event(self, kind: str, event: Message) -> None:
        """Show what the daemon tells."""
        if kind == "preview":
            raster, pixels = event["raster"], event["pixels"]
            self._pane.show_coming(raster["width"], raster["height"], pixels)
            if self._canvas:
                self._canvas.show(raster["width"], raster["height"], pixels)
        elif kind in ("diagnosis", "description"):
            self._tell_found({kind: event}, fill_in=False)
        elif text := stage_text(kind, event):
            self._bar.set_text(text)
        if kind == "step":
            self._bar.set_fraction(event["index"] / event["count"])

    def _say(self, text: str) -> None:
        self._error.say(text)

    def _complain(self, text: str) -> None:
        self._error.complain(text)
