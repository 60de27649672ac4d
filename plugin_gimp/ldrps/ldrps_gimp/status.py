"""Foot of the dialog: progress, and a sentence for the user."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk


class SentenceBar(Gtk.InfoBar):  # type: ignore[misc]
    """Bar for a sentence; hidden until it has one."""

    def __init__(self) -> None:
        super().__init__()
        self._sentence = Gtk.Label(wrap=True, xalign=0.0, selectable=True, max_width_chars=80)
        self._sign = Gtk.Image()
        self.get_content_area().pack_start(self._sign, False, False, 0)
        self.get_content_area().add(self._sentence)

    def say(self, text: str) -> None:
        """Show a sentence."""
        self._show(text, Gtk.MessageType.INFO, "dialog-information")

    def complain(self, text: str) -> None:
        """Show an error."""
        self._show(text, Gtk.MessageType.ERROR, "dialog-error")

    def _show(self, text: str, kind: Any, icon: str) -> None:
        self.set_message_type(kind)
        self._sign.set_from_icon_name(icon, Gtk.IconSize.LARGE_TOOLBAR)
        self._sentence.set_text(text)
        self.set_no_show_all(False)
        self.show_all()


class Status(Gtk.Box):  # type: ignore[misc]
    """Bar for the progress, with errors and notes."""

    def __init__(self) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL)
        # There, or a sentence in its place: the picture must not jump when something begins.
        sides = {"margin_start": 12, "margin_end": 12, "margin_bottom": 6}
        self.bar = Gtk.ProgressBar(show_text=True, opacity=0, **sides)
        self._sentence = SentenceBar()
        self._sentence.set_no_show_all(True)
        self.pack_start(self.bar, False, False, 0)
        self.pack_start(self._sentence, False, False, 0)

    def begin(self, text: str) -> None:
        """Show that something is under way; earlier sentences no longer hold."""
        self._sentence.set_visible(False)
        self.bar.set_visible(True)
        self.bar.set_opacity(1)
        self.stage(text)

    def end(self) -> None:
        """Show that nothing is under way."""
        self.bar.set_opacity(0)

    def stage(self, text: str) -> None:
        """Show the current stage."""
        self.bar.set_text(text)
        self.bar.set_fraction(0.0)

    def say(self, text: str) -> None:
        """Show a sentence."""
        self._sentence.say(text)
        self._make_room()

    def complain(self, text: str) -> None:
        """Show an error."""
        self._sentence.complain(text)
        self._make_room()

    def _make_room(self) -> None:
        """Let a sentence have the bar's place, unless something is under way."""
        self.bar.set_visible(self.bar.get_opacity() > 0)
