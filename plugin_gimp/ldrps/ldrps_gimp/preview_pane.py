"""Picture in the dialog: the photo and its restoration, on both sides of a line.

It grows with the window. The wheel zooms, dragging moves the photo or the line, and a click asks
for the place to be restored. GIMP brings no cairo for Python, so pixbufs are put together here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gdk, GLib, Gtk

from ldrps_gimp.i18n import _
from ldrps_gimp.pictures import Source, blank, draw, draw_frame, draw_line, picture_of
from ldrps_gimp.pixels import Area
from ldrps_gimp.viewing import Box, Viewing

_WIDTH, _HEIGHT = 340, 300
# Factor of one turn of the wheel.
_STEP = 1.25
# Distance in pixels from the line, within which the line is dragged.
_NEAR = 8
# Distance in pixels below which a press is a click.
_STILL = 4
# Pieces of the overview that are read until they are shown, since drawing takes its time too.
_SHOWN = 16
# Restored places that are kept, of whatever settings.
_KEPT = 24


class PreviewPane(Gtk.Box):  # type: ignore[misc]
    """Picture of the photo, until there is something to compare it with."""

    def __init__(
        self,
        layer: Any,
        area: Area,
        on_toggle: Callable[[bool], None],
        on_place: Callable[[float, float], None],
    ) -> None:
        """Take the receivers: `on_toggle` receives whether the photo as it was is to be seen.

        `on_place` receives clicks: a place in the area, in the photo's pixels.
        """
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._on_place = on_place
        self._places: dict[tuple[str, Box], Any] = {}
        self._wanted: Box | None = None
        self._coming: Any = None
        self._settings = ""
        self._held: tuple[float, float, str, bool] | None = None
        self._drawing = False
        self._view = Viewing((1, 1), (_WIDTH, _HEIGHT))
        self.show_area(layer, area)
        self._picture = Gtk.Image()
        self._window = Gtk.Layout(hexpand=True, vexpand=True)
        self._window.set_size_request(_WIDTH, _HEIGHT)
        self._window.put(self._picture, 0, 0)
        self._connect()
        words = _("Click on a place to see it restored; the wheel zooms, and dragging moves")
        hint = Gtk.Label(label=words, wrap=True, justify=Gtk.Justification.CENTER)
        hint.get_style_context().add_class("dim-label")
        self.pack_start(self._window, True, True, 0)
        self.pack_start(hint, False, False, 0)
        self.pack_start(self._make_buttons(on_toggle), False, False, 0)

    def show_area(self, layer: Any, area: Area) -> None:
        """Show another part of a layer, or another layer."""
        self.area = area
        self._source = Source(layer, area)
        self._view = Viewing((area.width, area.height), self._view.window)
        self._places.clear()
        self._coming = None
        self._read = 0
        # A large photo takes its time; the dialog is there before.
        GLib.idle_add(self._read_more, self._source)

    def _read_more(self, source: Source) -> bool:
        """Read a part of the overview, unless another one is shown by now."""
        if source is not self._source:
            return False
        more = source.read_more()
        self._read += 1
        if not more or self._read % _SHOWN == 0:
            self._draw_soon()
        return more

    def _connect(self) -> None:
        mask = Gdk.EventMask
        self._window.add_events(
            mask.SCROLL_MASK
            | mask.SMOOTH_SCROLL_MASK
            | mask.BUTTON_PRESS_MASK
            | mask.BUTTON_RELEASE_MASK
            | mask.POINTER_MOTION_MASK
        )
        self._window.connect("size-allocate", self._on_size)
        self._window.connect("scroll-event", self._on_scroll)
        self._window.connect("button-press-event", self._on_press)
        self._window.connect("motion-notify-event", self._on_motion)
        self._window.connect("button-release-event", self._on_release)

    def _make_buttons(self, on_toggle: Callable[[bool], None]) -> Any:
        self._toggle = Gtk.ToggleButton(label=_("_Before"), use_underline=True, sensitive=False)
        self._toggle.set_tooltip_text(_("Show the photo as it was, here and on the canvas"))
        self._toggle.connect("toggled", self._on_toggled, on_toggle)
        fit = Gtk.Button(label=_("_Fit"), use_underline=True)
        fit.set_tooltip_text(_("Show all of the photo"))
        fit.connect("clicked", lambda _button: self._zoom_to(0.0))
        whole = Gtk.Button(label=_("_1:1"), use_underline=True)
        whole.set_tooltip_text(_("Show the photo's pixels as they are"))
        whole.connect("clicked", lambda _button: self._zoom_to(1.0))
        row = Gtk.Box(spacing=6)
        row.pack_start(self._toggle, True, True, 0)
        for button in (self._toggle, fit, whole):
            # Return restores, also after a click here.
            button.set_focus_on_click(False)
        for button in (fit, whole):
            row.pack_start(button, False, False, 0)
        return row

    # What is to be seen.

    def show_coming(self, width: int, height: int, pixels: bytes) -> None:
        """Show an RGB picture of 8 bits as the coming result of the whole area."""
        self._coming = picture_of(width, height, pixels)
        self._changed()

    def show_place(self, settings: str, box: Box, pixels: bytes) -> None:
        """Keep a place as it was restored with some settings; RGB of 8 bits."""
        self._places[settings, box] = picture_of(box.width, box.height, pixels)
        while len(self._places) > _KEPT:
            del self._places[next(iter(self._places))]
        self._changed()

    def has_place(self, settings: str, x: float, y: float) -> bool:
        """Tell whether a place was restored with these settings."""
        return any(of == settings and box.holds(x, y) for of, box in self._places)

    def show_settings(self, settings: str) -> None:
        """Show places restored with these settings, and nothing of others."""
        if settings != self._settings:
            self._settings, self._coming = settings, None
            self._changed()

    def mark(self, box: Box | None) -> None:
        """Frame the part that is being restored."""
        self._wanted = box
        self._changed()

    def reset(self) -> None:
        """Stop showing a coming result."""
        self._coming = None
        self._toggle.set_active(False)
        self._changed()

    @property
    def _shown(self) -> list[tuple[Box, Any]]:
        return [(box, made) for (of, box), made in self._places.items() if of == self._settings]

    @property
    def _compares(self) -> bool:
        return self._coming is not None or bool(self._shown)

    # What the user does.

    def _on_toggled(self, toggle: Any, on_toggle: Callable[[bool], None]) -> None:
        self._draw_soon()
        on_toggle(toggle.get_active())

    def _on_size(self, _window: Any, given: Any) -> None:
        if (given.width, given.height) != self._view.window:
            self._look_at(self._view.resized(given.width, given.height))

    def _on_scroll(self, _window: Any, event: Any) -> bool:
        turned, _dx, dy = event.get_scroll_deltas()
        if not turned:
            up, down = Gdk.ScrollDirection.UP, Gdk.ScrollDirection.DOWN
            dy = {up: -1.0, down: 1.0}.get(event.direction, 0.0)
        self._look_at(self._view.zoomed(_STEP**-dy, event.x, event.y))
        return True

    def _on_press(self, _window: Any, event: Any) -> bool:
        if event.button == Gdk.BUTTON_PRIMARY:
            what = "line" if self._is_near_line(event.x) else "photo"
            self._held = event.x, event.y, what, False
        return True

    def _on_motion(self, _window: Any, event: Any) -> bool:
        if self._held is None:
            self._point("col-resize" if self._is_near_line(event.x) else "default")
            return True
        x, y, what, moved = self._held
        if not moved and max(abs(event.x - x), abs(event.y - y)) < _STILL:
            return True
        self._held = event.x, event.y, what, True
        if what == "line":
            self._look_at(self._view.split_at(event.x))
        else:
            self._look_at(self._view.dragged(event.x - x, event.y - y))
        return True

    def _on_release(self, _window: Any, event: Any) -> bool:
        held, self._held = self._held, None
        if held and held[2:] == ("photo", False) and self._view.shows(event.x, event.y):
            self._on_place(*self._view.place(event.x, event.y))
        return True

    def _is_near_line(self, x: float) -> bool:
        return self._compares and abs(x - self._view.line) <= _NEAR

    def _point(self, name: str) -> None:
        window = self._window.get_window()
        if window is not None:
            window.set_cursor(Gdk.Cursor.new_from_name(window.get_display(), name))

    def _zoom_to(self, zoom: float) -> None:
        across, down = self._view.window
        self._look_at(self._view.at(zoom, across / 2, down / 2))

    def _look_at(self, view: Viewing) -> None:
        if view != self._view:
            self._view = view
            self._draw_soon()

    # How it is drawn.

    def _changed(self) -> None:
        self._toggle.set_sensitive(self._compares)
        self._draw_soon()

    def _draw_soon(self) -> None:
        """Draw once for all that happens until GTK has time."""
        if not self._drawing:
            self._drawing = True
            GLib.idle_add(self._draw, priority=GLib.PRIORITY_HIGH_IDLE + 25)

    def _draw(self) -> bool:
        self._drawing = False
        view = self._view
        out = blank(*view.window)
        before, place = self._source.seen(view)
        draw(out, before, view, place, 0.0)
        if self._compares and not self._toggle.get_active():
            self._draw_after(out)
        if self._wanted:
            draw_frame(out, view, self._wanted)
        self._picture.set_from_pixbuf(out)
        return False

    def _draw_after(self, out: Any) -> None:
        view = self._view
        if self._coming is not None:
            draw(out, self._coming, view, Box(0, 0, *view.photo), view.line)
        for box, made in self._shown:
            draw(out, made, view, box, view.line)
        draw_line(out, view)
