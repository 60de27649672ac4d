"""Note on the layer's effects, which are not restored, and the offer to restore what is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gimp, Gtk

from ldrps_gimp.i18n import _


class EffectsRow(Gtk.Box):  # type: ignore[misc]
    """Words above a button."""

    def __init__(self, on_seen: Callable[[], None]) -> None:
        """Take the receiver: `on_seen` is called if what is seen is to be restored."""
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        words = _("The layer's effects are left out of what is restored; the result has them too.")
        text = Gtk.Label(label=words, xalign=0.0, wrap=True, max_width_chars=44)
        label = _("Restore what is see_n, as a new layer")
        seen = Gtk.Button(label=label, use_underline=True)
        seen.connect("clicked", lambda _button: on_seen())
        self.pack_start(text, False, False, 0)
        self.pack_start(seen, False, False, 0)


def layer_of_what_is_seen(layer: Any) -> Any:
    """Put the whole image of a layer, as it is seen, into a new layer at its top.

    None if GIMP refuses it.
    """
    image = layer.get_image()
    name = _("{layer} (as seen)").format(layer=layer.get_name())
    made = Gimp.Layer.new_from_visible(image, image, name)
    if not image.insert_layer(made, None, 0):
        return None
    Gimp.displays_flush()
    return made
