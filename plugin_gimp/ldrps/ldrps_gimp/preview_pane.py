"""The picture in the dialog: the photo, what is coming of it, and a toggle between the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GdkPixbuf, Gegl, GLib, Gtk

from ldrps_gimp.i18n import _
from ldrps_gimp.pixels import Area

_WIDTH, _HEIGHT = 340, 300
_CLAMP = Gegl.AbyssPolicy.CLAMP


class PreviewPane(Gtk.Box):  # type: ignore[misc]
    """Shows the photo until there is something to compare it with."""

    def __init__(self, layer: Any, area: Area, on_toggle: Callable[[bool], None]) -> None:
        """`on_toggle` is told whether the photo as it was is to be seen."""
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._before = _thumbnail(layer, area)
        self._size = self._before.get_width(), self._before.get_height()
        self._after: Any = None
        self._image = Gtk.Image.new_from_pixbuf(self._before)
        self._image.set_size_request(_WIDTH, _HEIGHT)
        self._toggle = Gtk.ToggleButton(label=_("_Before"), use_underline=True, sensitive=False)
        self._toggle.set_tooltip_text(_("Show the photo as it was, here and on the canvas"))
        self._toggle.connect("toggled", self._on_toggled, on_toggle)
        self.pack_start(self._image, True, True, 0)
        self.pack_start(self._toggle, False, False, 0)

    def show_coming(self, width: int, height: int, pixels: bytes) -> None:
        """Show an RGB picture of 8 bits as what is coming."""
        picture = _pixbuf(width, height, pixels)
        self._after = picture.scale_simple(*self._size, GdkPixbuf.InterpType.BILINEAR)
        self._toggle.set_sensitive(True)
        self._draw()

    def reset(self) -> None:
        """Back to the photo alone."""
        self._after = None
        self._toggle.set_active(False)
        self._toggle.set_sensitive(False)
        self._draw()

    def _on_toggled(self, toggle: Any, on_toggle: Callable[[bool], None]) -> None:
        self._draw()
        on_toggle(toggle.get_active())

    def _draw(self) -> None:
        old = self._after is None or self._toggle.get_active()
        self._image.set_from_pixbuf(self._before if old else self._after)


def _thumbnail(layer: Any, area: Area) -> Any:
    # Not get_sub_thumbnail: its Python binding frees the picture's data twice.
    scale = min(_WIDTH / area.width, _HEIGHT / area.height, 1.0)
    width, height = max(1, int(area.width * scale)), max(1, int(area.height * scale))
    place = Gegl.Rectangle.new(int(area.x * scale), int(area.y * scale), width, height)
    buffer = layer.get_buffer()
    return _pixbuf(width, height, bytes(buffer.get(place, scale, "R'G'B' u8", _CLAMP)))


def _pixbuf(width: int, height: int, pixels: bytes) -> Any:
    space = GdkPixbuf.Colorspace.RGB
    data = GLib.Bytes.new(pixels)
    return GdkPixbuf.Pixbuf.new_from_bytes(data, space, False, 8, width, height, 3 * width)
