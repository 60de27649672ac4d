"""History of a layer, kept in the layer itself: JSON in a parasite that XCF files save."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from gi.repository import Gimp

from ldrps_gimp import VERSION
from ldrps_gimp.choices import NEW_IMAGE, Choices
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _

NAME = "ldrps-provenance"
# Former names of settings, in images that were saved before they became today's.
_FORMER = {"invented": "generated"}
# On a layer of an image, what cannot be undone would close the way back to earlier steps.
_FLAGS = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE


def source_record(layer: Any) -> dict[str, Any]:
    """Return the data by which the source layer of a result is found again."""
    return {"layer": layer.get_name(), "tattoo": layer.get_tattoo()}


def parasite(choices: Choices, source: dict[str, Any], found: dict[str, Any]) -> Any:
    """Make the parasite of a result. `found`: the daemon's diagnosis, description and end."""
    record = {
        "software": "LD-RPS Restore",
        "version": VERSION,
        "settings": choices.as_dict(),
        "source": source,
        **found,
    }
    # ASCII: the Python binding takes a byte for signed, and refuses those above 127.
    data = json.dumps(record).encode("ascii")
    return Gimp.Parasite.new(NAME, _FLAGS, data)


def record_of(layer: Any) -> dict[str, Any] | None:
    """Read the record in a layer; None if it is none of ours, or broken."""
    kept = layer.get_parasite(NAME)
    if kept is None:
        return None
    try:
        record = json.loads(bytes(kept.get_data()).rstrip(b"\0"))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def choices_of(record: dict[str, Any]) -> Choices:
    """Return the settings in a record; unknown ones of a later version are left out."""
    known = {field.name for field in fields(Choices)}
    given = record.get("settings")
    if not isinstance(given, dict):
        raise RestoreError("settings", _broken())
    today = {_FORMER.get(name, name): value for name, value in given.items()}
    try:
        return Choices(**{name: value for name, value in today.items() if name in known})
    except TypeError:
        # A word where a number should be: nothing that we have written.
        raise RestoreError("settings", _broken()) from None


def source_of(record: dict[str, Any], image: Any) -> Any | None:
    """Find the layer that a result was made from, if it is still in the image."""
    source = record.get("source")
    if choices_of(record).output == NEW_IMAGE:
        # The number is another image's.
        return None
    tattoo = source.get("tattoo") if isinstance(source, dict) else None
    return image.get_layer_by_tattoo(tattoo) if isinstance(tattoo, int) else None


def _broken() -> str:
    return _("The layer's settings are broken; choose them again.")
