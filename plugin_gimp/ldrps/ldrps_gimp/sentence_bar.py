"""A sentence in the dialog: what went wrong and what to do, or what is good to know."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk


class SentenceBar(Gtk.InfoBar):  # type: ignore[misc]
    """Not seen before it says something."""

    def __init__(self) -> None:
        super().__init__()
        self._sentence = Gtk.Label(wrap=True, xalign=0.0, selectable=True, max_width_chars=80)
        self._sign = Gtk.Image()
        self.get_content_area().pack_start(self._sign, False, False, 0)
        self.get_content_area().add(self._sentence)

    def say(self, text: str) -> None:
        """Tell something."""
        self._show(text, Gtk.MessageType.INFO, "dialog-information")

    def complain(self, text: str) -> None:
        """Tell what went wrong."""
        self._show(text, Gtk.MessageType.ERROR, "dialog-error")

    def _show(self, text: str, kind: Any, icon: str) -> None:
        self.set_message_type(kind)
        self._sign.set_from_icon_name(icon, Gtk.IconSize.LARGE_TOOLBAR)
        self._sentence.set_text(text)
        self.set_visible(True)
        self.show_all()
