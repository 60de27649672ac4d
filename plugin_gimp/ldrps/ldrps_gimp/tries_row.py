"""Last tries in the dialog: one click, and their settings are back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from gi.repository import GdkPixbuf, GLib, Gtk

from ldrps_gimp.choices import Choices
from ldrps_gimp.i18n import _
from ldrps_gimp.tries import SIDE, Tries, Try
from ldrps_gimp.words import settings_text


class TriesRow(Gtk.Box):  # type: ignore[misc]
    """A button for each of the last tries; not seen before there is one."""

    def __init__(self, on_chosen: Callable[[Choices], None]) -> None:
        super().__init__(spacing=6)
        self._on_chosen, self._tries = on_chosen, Tries()
        self._buttons = Gtk.Box(spacing=6)
        label = Gtk.Label(label=_("Last tries"), xalign=0.0, wrap=True)
        label.get_style_context().add_class("dim-label")
        self.pack_start(label, False, False, 0)
        self.pack_start(self._buttons, False, False, 0)
        self.set_no_show_all(True)
        self._show(self._tries.all())

    def add(self, choices: Choices, picture: Any) -> None:
        """Add a try, with a picture of the outcome."""
        longer = max(picture.get_width(), picture.get_height())
        width, height = (
            max(1, round(side * min(1.0, SIDE / longer)))
            for side in (picture.get_width(), picture.get_height())
        )
        small = picture.scale_simple(width, height, GdkPixbuf.InterpType.BILINEAR)
        _fine, data = small.save_to_bufferv("png", [], [])
        self._show(self._tries.add(Try(choices, bytes(data))))

    def _show(self, tries: list[Try]) -> None:
        for button in self._buttons.get_children():
            button.destroy()
        for one in tries:
            # A picture that is broken is not worth a button.
            with contextlib.suppress(GLib.Error):
                self._buttons.pack_start(self._button(one), False, False, 0)
        self.set_visible(bool(self._buttons.get_children()))
        for child in self.get_children():
            child.show_all()

    def _button(self, one: Try) -> Any:
        loader = GdkPixbuf.PixbufLoader()
        try:
            loader.write(one.picture)
        finally:
            loader.close()
        # Return restores, also after a click here.
        button = Gtk.Button(focus_on_click=False, relief=Gtk.ReliefStyle.NONE)
        button.set_image(Gtk.Image.new_from_pixbuf(loader.get_pixbuf()))
        button.set_always_show_image(True)
        text = settings_text(one.choices)
        button.set_tooltip_text(text)
        button.get_accessible().set_name(text)
        button.connect("clicked", lambda _button: self._on_chosen(one.choices))
        return button
