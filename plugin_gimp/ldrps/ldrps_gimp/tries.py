"""Last tries: their settings, each with a small picture of the outcome.

They are kept in one small file of the user's own. Nothing of a photo is in it but that picture.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ldrps_gimp.choices import Choices
from ldrps_gimp.endpoint import state_folder
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.ownership import replace_file

MOST = 5
SIDE = 64
"""Longer side of a picture, in pixels."""
_MOST_PICTURE = 1 << 16
_MOST_FILE = 1 << 20
_KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}


@dataclass(frozen=True)
class Try:
    """One try."""

    choices: Choices
    picture: bytes
    """Picture as PNG."""


class Tries:
    """Last tries, the newest first."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or state_file()

    def all(self) -> list[Try]:
        """Return those that can be read; none from a file that is broken."""
        try:
            with self._file.open("rb") as file:
                kept = json.loads(file.read(_MOST_FILE))
        except (OSError, ValueError):
            return []
        return list(_read(kept))[:MOST] if isinstance(kept, list) else []

    def add(self, new: Try) -> list[Try]:
        """Keep one more, in the place of one with the same settings, and no more than MOST.

        Where it cannot be kept, it is known until GIMP ends.
        """
        if len(new.picture) > _MOST_PICTURE:
            return self.all()
        others = [each for each in self.all() if each.choices != new.choices]
        tries = [new, *others][:MOST]
        with contextlib.suppress(OSError, RestoreError):
            replace_file(self._file, json.dumps([_as_plain(each) for each in tries]).encode())
        return tries


def state_file() -> Path:
    """Return the file under `$XDG_STATE_HOME`, else where the system keeps such files."""
    return state_folder() / "gimp" / "tries.json"


def _as_plain(one: Try) -> dict[str, Any]:
    picture = base64.b64encode(one.picture).decode("ascii")
    return {"settings": one.choices.as_dict(), "picture": picture}


def _read(kept: list[Any]) -> Iterator[Try]:
    """Yield the valid tries: another version may have written the file, or a hand."""
    for each in kept:
        with contextlib.suppress(RestoreError, TypeError, KeyError, AttributeError, binascii.Error):
            picture = base64.b64decode(each["picture"], validate=True)
            yield Try(_choices(each["settings"]), picture)


def _choices(given: dict[str, Any]) -> Choices:
    known = {field.name: str(field.type) for field in fields(Choices)}
    read = {name: value for name, value in given.items() if name in known}
    for name, value in read.items():
        if not isinstance(value, _KINDS[known[name]]):
            raise TypeError(name)
    return Choices(**read)
