"""Findings, each with a switch and an amount that is set to what the diagnosis proposes."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk

from ldrps_gimp.choices import AMOUNTS, DECIDE, MAX_AMOUNT
from ldrps_gimp.messages import Message
from ldrps_gimp.names import finding_names

_STEP = 0.05
# Findings that a small copy of a photo shows as well.
_TONES = ("haze", "light", "cast", "colour")


class Findings(Gtk.Grid):  # type: ignore[misc]
    """One row for each amount of a config. It follows the config, and the config follows it."""

    def __init__(self, config: Any) -> None:
        super().__init__(column_spacing=12, row_spacing=2)
        self._marked = self._found_damage = False
        self._rows = {name: _Row(self, config, name) for name in AMOUNTS}
        for place, row in enumerate(self._rows.values()):
            self.attach(row.switch, 0, place, 1, 1)
            self.attach(row.slider, 1, place, 1, 1)

    def show_found(self, amounts: Message) -> None:
        """Set all amounts to the proposed ones; an absent one was not proposed."""
        for name, row in self._rows.items():
            row.propose(amounts.get(name, 0.0))
        self._found_damage = "damage" in amounts
        self._show_damage()

    def show_tones(self, amounts: Message) -> None:
        """Set the amounts of tones alone to the proposed ones."""
        for name in _TONES:
            self._rows[name].propose(amounts.get(name, 0.0))

    def show_damage(self, marked: bool) -> None:
        """Show the amount of damage where some is marked, or was found."""
        self._marked = marked
        self._show_damage()

    def _show_damage(self) -> None:
        marked, row = self._marked or self._found_damage, self._rows["damage"]
        for widget in (row.switch, row.slider):
            widget.set_no_show_all(not marked)
            widget.set_visible(marked)


class _Row:
    """A switch and a slider for one amount."""

    def __init__(self, owner: Any, config: Any, name: str) -> None:
        self._config, self._name = config, f"amount-{name}"
        # Damage that is marked is filled.
        self._proposed = 1.0 if name == "damage" else 0.0
        # A switch that neither the photo nor the user has set is drawn so.
        self._known = self._following = False
        # Return restores, also after a click here.
        self.switch = Gtk.CheckButton(label=finding_names()[name], focus_on_click=False)
        adjustment = Gtk.Adjustment(lower=0, upper=MAX_AMOUNT, step_increment=_STEP)
        self.slider = Gtk.Scale(adjustment=adjustment, hexpand=True)
        self.slider.set_value_pos(Gtk.PositionType.RIGHT)
        self.slider.add_mark(1.0, Gtk.PositionType.BOTTOM, None)
        self.slider.connect("format-value", lambda _scale, value: f"{round(100 * value)} %")
        self.slider.get_accessible().set_name(finding_names()[name])
        self.switch.connect("toggled", self._on_toggled)
        self.slider.connect("value-changed", self._on_moved)
        config.connect(f"notify::{self._name}", lambda *_: self._follow())
        self._follow()

    def propose(self, amount: float) -> None:
        """Take what the diagnosis proposes."""
        self._proposed, self._known = amount, True
        self._follow()

    @property
    def _amount(self) -> float:
        chosen = self._config.get_property(self._name)
        return self._proposed if chosen == DECIDE else float(chosen)

    @property
    def _is_open(self) -> bool:
        return not self._known and self._config.get_property(self._name) == DECIDE

    def _follow(self) -> None:
        self._following = True
        amount = self._amount
        self.switch.set_active(amount > 0)
        self.switch.set_inconsistent(self._is_open)
        self.slider.set_sensitive(amount > 0)
        # Off, it stands where it would begin.
        self.slider.set_value(amount or self._proposed or 1.0)
        self._following = False

    def _on_toggled(self, switch: Any) -> None:
        if not self._following:
            self._choose((self._proposed or 1.0) if switch.get_active() else 0.0)

    def _on_moved(self, slider: Any) -> None:
        if not self._following:
            # The slider never reaches 0: turning the finding off is what the switch is for.
            self._choose(max(_STEP / 5, round(slider.get_value(), 2)))

    def _choose(self, amount: float) -> None:
        as_proposed = self._known and amount == self._proposed
        chosen = float(DECIDE) if as_proposed else amount
        if self._config.get_property(self._name) != chosen:
            self._config.set_property(self._name, chosen)
