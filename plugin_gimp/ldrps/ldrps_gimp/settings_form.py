"""Settings of the dialog, as far as they are the same for every photo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gtk

from ldrps_gimp.choices import DECIDE, MAX_NOISE, MAX_RECURRENCES, MAX_STEPS
from ldrps_gimp.fields import Form
from ldrps_gimp.i18n import _
from ldrps_gimp.names import output_hints, output_names, recipe_names, selection_names
from ldrps_gimp.procedures import PREVIEW

BUNDLED = "bundled"


class SettingsForm(Form):
    """All settings but the amounts of findings, the rarer ones under More."""

    def __init__(
        self, config: Any, on_describe: Callable[[], None], on_guide: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.combo("recipe", recipe_names())
        self.scale("strength", 0.0, 1.0)
        ask = Gtk.Button(label=_("_Ask"), use_underline=True)
        ask.set_tooltip_text(_("Have the daemon's model describe the scene"))
        ask.connect("clicked", lambda _button: on_describe())
        self.scene = self.entry("description", ask)
        self.scene.set_placeholder_text(_("found out from the photo"))
        self.combo("selection", selection_names())
        self.combo("output", output_names())
        self.note("output", output_hints())
        guide = Gtk.Button(label=_("_Guide"), use_underline=True, halign=Gtk.Align.START)
        guide.connect("clicked", lambda _button: on_guide())
        # Beside the switch: where all findings are listed, there is no room for a row of its own.
        self.attach(guide, 0, self._row, 1, 1)
        self.check(PREVIEW)
        self.attach(self._make_more(config), 0, 20, 2, 1)

    def _make_more(self, config: Any) -> Any:
        more = Form(config)
        decide = (DECIDE, _("Decided from the photo"))
        counts = [(count, str(count)) for count in range(MAX_RECURRENCES + 1)]
        more.combo("recurrences", [decide, *counts])
        more.spin("steps", DECIDE, MAX_STEPS, word=_("decided"))
        more.spin("noise-sigma", DECIDE, MAX_NOISE, digits=1, word=_("measured"))
        more.spin("seed", 0, 2**31 - 1)
        self._models = more.combo("model", [(BUNDLED, _("The one that came with it"))])
        more.check("generated")
        return Gtk.Expander(label=_("More"), child=more)

    def offer_models(self, names: list[str]) -> None:
        """Offer installed models besides the bundled one."""
        known = {row[1] for row in self._models.get_model()}
        for name in names:
            if name not in known:
                self._models.append(name, name)
