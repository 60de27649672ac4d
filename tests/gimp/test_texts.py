"""In a real GIMP: every word of the dialog is for people, and is German for a German."""

import json
import re

import pytest

from gimp.gimp_app import START_SECONDS

NO_WORDS = ["published", "-1", "8-bit", "sigma", "diffusion", "prior", "parameter"]
# All labels, hints and choices of the dialog's widgets, built but never shown.
WALK = """
import glob, json, sys
sys.path.insert(0, "/mnt/tests")
exec(open("/mnt/tests/gimp/helpers.py").read())
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
import gi
gi.require_version("Gtk", "3.0")
from gi.repository import Gtk
Gtk.init_check([])
from ldrps_gimp.effects_row import EffectsRow
from ldrps_gimp.pixels import whole
from ldrps_gimp.preview_pane import PreviewPane
from ldrps_gimp.settings_column import SettingsColumn

image, layer = new_image(300, 200)
nothing = lambda *_: None
config = PDB.lookup_procedure("ldrps-restore").create_config()
column = SettingsColumn(config, nothing, nothing)
found = set()

def walk(widget):
    for read in ("get_label", "get_text", "get_tooltip_text", "get_placeholder_text"):
        text = getattr(widget, read, lambda: None)()
        if text:
            found.add(text.replace("_", ""))
    if isinstance(widget, Gtk.ComboBox):
        found.update(row[0] for row in widget.get_model())
    if isinstance(widget, Gtk.Container):
        widget.forall(walk)

for each in (column, PreviewPane(layer, whole(layer), nothing, nothing), EffectsRow(nothing)):
    walk(each)
print("FOUND", json.dumps(sorted(found)))
"""


@pytest.fixture(scope="module")
def texts(window):
    """The dialog's texts by language."""
    (window.app.shared / "walk.py").write_text(WALK)

    def walk(language):
        done = window.app.run(
            f"LANGUAGE={language} gimp-console -id --quit --batch-interpreter=python-fu-eval "
            "-b 'exec(open(\"/mnt/shared/walk.py\").read())'",
            START_SECONDS,
        )
        line = re.search(r"FOUND (.*)", done)
        assert line, done
        return set(json.loads(line[1]))

    return {language: walk(language) for language in ("en", "de")}


def test_they_are_for_people(texts):
    assert len(texts["en"]) > 40
    wrong = [text for text in texts["en"] for word in NO_WORDS if word in text.lower()]
    assert wrong == []


def test_all_are_german_for_a_german(texts):
    # The rest are numbers, units, and words that both languages have.
    same = {text for text in texts["en"] & texts["de"] if re.search("[A-Za-z]{3}", text)}
    assert same == set()
    assert len(texts["de"]) == len(texts["en"])
