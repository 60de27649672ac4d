"""Right side of the dialog: findings, their amounts, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gtk

from ldrps_gimp.findings import Findings
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message
from ldrps_gimp.settings_form import SettingsForm
from ldrps_gimp.words import diagnosis_text, tones_text

_WIDTH = 400


class SettingsColumn(Gtk.ScrolledWindow):  # type: ignore[misc]
    """Column that scrolls: More is more than some screens have room for."""

    def __init__(
        self, config: Any, on_describe: Callable[[], None], on_guide: Callable[[], None]
    ) -> None:
        # Its sliders would have it share what a larger window brings, which is for the picture.
        super().__init__(hscrollbar_policy=Gtk.PolicyType.NEVER, hexpand=False)
        self._diagnosis = Gtk.Label(xalign=0.0, yalign=0.0, wrap=True, max_width_chars=44)
        # What is below must not move while the pointer is over it.
        _width, two_lines = self._diagnosis.create_pango_layout("X\nX").get_pixel_size()
        self._diagnosis.set_size_request(-1, two_lines)
        self.show_diagnosis(_("Looking at the photo ..."))
        self._findings = Findings(config)
        self.form = SettingsForm(config, on_describe, on_guide)
        self._all = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, margin_end=12)
        for widget in (self._diagnosis, self._findings, self.form):
            self._all.pack_start(widget, False, False, 0)
        self.form.set_margin_top(6)
        self.add(self._all)
        self.set_size_request(_WIDTH, -1)

    def set_usable(self, usable: bool) -> None:
        """Allow changes, or not; it scrolls in any case."""
        self._all.set_sensitive(usable)

    def show_diagnosis(self, text: str) -> None:
        """Show the diagnosis."""
        self._diagnosis.set_text(text)

    def show_damage(self, marked: bool) -> None:
        """Show the amount of damage only where there is any."""
        self._findings.show_damage(marked)

    def show_tones(self, diagnosis: Message, *, goes_on: bool) -> None:
        """Show what a glance has found; `goes_on`: noise and damage are still looked for."""
        self.show_diagnosis(tones_text(diagnosis.get("words", ""), goes_on=goes_on))
        if "amounts" in diagnosis:
            self._findings.show_tones(diagnosis["amounts"])

    def show_found(self, found: Message, fill_in: bool) -> bool:
        """Show a look's `diagnosis` and `description`, where they are there.

        `fill_in` makes the description the user's; False if there is none to fill in.
        """
        diagnosis = found.get("diagnosis", {})
        if words := diagnosis.get("words"):
            self.show_diagnosis(diagnosis_text(words))
        # A daemon of an earlier version proposes none.
        if "amounts" in diagnosis:
            self._findings.show_found(diagnosis["amounts"])
        if "description" not in found:
            return True
        text = found["description"].get("text", "")
        # Without words what an earlier look found must not stay, as if it were this photo's.
        self.form.scene.set_placeholder_text(text or _("found out from the photo"))
        # The line may be too short for it.
        self.form.scene.set_tooltip_text(text or None)
        if fill_in and text:
            self.form.scene.set_text(text)
        return bool(text) or not fill_in
