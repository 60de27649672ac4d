"""Fields of the dialog, each bound to a property of the procedure's config.

The config is what GIMP saves, loads and resets; a field follows it, and it follows the field.
"""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk


class Form(Gtk.Grid):  # type: ignore[misc]
    """Form with labels on the left, fields on the right. A label is the property's own name."""

    def __init__(self, config: Any) -> None:
        super().__init__(column_spacing=12, row_spacing=6)
        self._config = config
        self._row = 0

    def _add_field(self, name: str, field: Any, *widgets: Any) -> None:
        """Add a row."""
        text = Gtk.Label(label=self._label(name), use_underline=True, xalign=0.0)
        text.set_mnemonic_widget(field)
        field.set_hexpand(True)
        box = Gtk.Box(spacing=6)
        box.pack_start(field, True, True, 0)
        for widget in widgets:
            box.pack_start(widget, False, False, 0)
        self.attach(text, 0, self._row, 1, 1)
        self.attach(box, 1, self._row, 1, 1)
        self._row += 1

    def combo(self, name: str, pairs: list[tuple[Any, str]]) -> Any:
        """Add a choice among values, each with a text for people."""
        box = Gtk.ComboBoxText()
        for value, text in pairs:
            box.append(str(value), text)
        kind = type(pairs[0][0])

        def show(*_: Any) -> None:
            value = str(self._config.get_property(name))
            if box.get_active_id() != value and not box.set_active_id(value):
                box.append(value, value)
                box.set_active_id(value)

        def take(_box: Any) -> None:
            if (chosen := box.get_active_id()) is not None:
                self._set(name, kind(chosen))

        self._bind(name, box, "changed", show, take)
        self._add_field(name, box)
        return box

    def scale(self, name: str, low: float, high: float) -> None:
        """Add a slider."""
        adjustment = Gtk.Adjustment(lower=low, upper=high, step_increment=0.05, page_increment=0.1)
        slider = Gtk.Scale(adjustment=adjustment, digits=2, value_pos=Gtk.PositionType.RIGHT)
        self._number(name, slider)
        self._add_field(name, slider)

    def spin(self, name: str, low: float, high: float, digits: int = 0, word: str = "") -> None:
        """Add a number to type. `word` is shown for the lowest one."""
        adjustment = Gtk.Adjustment(lower=low, upper=high, step_increment=1, page_increment=10)
        field = Gtk.SpinButton(adjustment=adjustment, digits=digits, activates_default=True)
        if word:
            # What is no number is no input; the value stays.
            field.set_update_policy(Gtk.SpinButtonUpdatePolicy.IF_VALID)
            field.connect("output", _show_word, low, word)
        self._number(name, field, whole=digits == 0)
        self._add_field(name, field)

    def _number(self, name: str, widget: Any, *, whole: bool = False) -> None:
        def show(*_: Any) -> None:
            widget.set_value(self._config.get_property(name))

        def take(_widget: Any) -> None:
            value = widget.get_value()
            self._set(name, round(value) if whole else value)

        self._bind(name, widget, "value-changed", show, take)

    def entry(self, name: str, *widgets: Any) -> Any:
        """Add a line of text."""
        line = Gtk.Entry(activates_default=True)

        def show(*_: Any) -> None:
            text = self._config.get_property(name) or ""
            if line.get_text() != text:
                line.set_text(text)

        def take(_line: Any) -> None:
            self._set(name, line.get_text())

        self._bind(name, line, "changed", show, take)
        self._add_field(name, line, *widgets)
        return line

    def check(self, name: str) -> None:
        """Add a switch, below the fields."""
        button = Gtk.CheckButton(label=self._label(name), use_underline=True)

        def show(*_: Any) -> None:
            button.set_active(self._config.get_property(name))

        def take(_button: Any) -> None:
            self._set(name, button.get_active())

        self._bind(name, button, "toggled", show, take)
        self.attach(button, 1, self._row, 1, 1)
        self._row += 1

    def note(self, name: str, texts: dict[str, str]) -> None:
        """Add a line below the field of a choice, by its value."""
        line = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=44)
        line.get_style_context().add_class("dim-label")

        def show(*_: Any) -> None:
            text = texts.get(self._config.get_property(name), "")
            line.set_text(text)
            line.set_no_show_all(not text)
            line.set_visible(bool(text))

        show()
        self._config.connect(f"notify::{name}", show)
        self.attach(line, 0, self._row, 2, 1)
        self._row += 1

    def _label(self, name: str) -> str:
        return str(self._config.find_property(name).nick)

    def _bind(self, name: str, widget: Any, signal: str, show: Any, take: Any) -> None:
        show()
        widget.connect(signal, take)
        self._config.connect(f"notify::{name}", show)

    def _set(self, name: str, value: Any) -> None:
        if self._config.get_property(name) != value:
            self._config.set_property(name, value)


def _show_word(field: Any, lowest: float, word: str) -> bool:
    """Show a word in the place of a number; True says that the text has been set."""
    if field.get_value() > lowest:
        return False
    field.set_text(word)
    return True
