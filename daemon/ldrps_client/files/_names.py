"""Names of files that we make: none longer than its folder takes, whatever it was made from."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ldrps_engine.errors import OutputError
from ldrps_wire import system

_LONGEST = 255
_SIDECAR = ".xmp"


def longest_name(folder: Path) -> int:
    """Return the most bytes of a name in a folder, with room for a sidecar's ending behind it."""
    longest = system.longest_name(folder) or _LONGEST
    # FAT and the like say more than they take; eCryptfs has 143.
    return min(longest, _LONGEST) - len(_SIDECAR)


def check_name(path: Path) -> None:
    """Refuse a name that is longer than its folder takes."""
    length, longest = len(os.fsencode(path.name)), longest_name(path.parent)
    if length > longest:
        raise OutputError(
            f"{path}: its name has {length} bytes; choose one of at most {longest}, "
            "so that a sidecar can stand beside it"
        )


def fitting(stem: str, name_of: Callable[[str], str], longest: int) -> str:
    """Shorten a stem from its end until `name_of(stem)` has at most `longest` bytes."""
    while stem and len(os.fsencode(name_of(stem))) > longest:
        stem = stem[:-1]
    return stem


def part_path(path: Path) -> Path:
    """Return a hidden name next to a file, under which it is written before it gets its own."""
    mark = secrets.token_hex(4)
    longest = longest_name(path.parent)
    stem = fitting(path.name, lambda stem: f".{stem}.{mark}.part", longest)
    return path.with_name(f".{stem}.{mark}.part")
