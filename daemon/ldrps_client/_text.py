"""File names and other texts on their way out: to people's eyes, and into JSON.

Names are bytes to the system. Python represents bytes that are not UTF-8 as lone surrogates, which
neither a terminal nor JSON takes.
"""

from __future__ import annotations

import base64
import errno
import json
import math
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

_REMEDIES = {
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "choose another place",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.ELOOP: "check its links",
    errno.EISDIR: "give a file",
    errno.EIO: "check its disk",
    errno.ESTALE: "connect its disk again",
    errno.EMFILE: "raise the limit of open files",
    errno.ENFILE: "raise the limit of open files",
    errno.EBUSY: "close what uses it",
    errno.ETXTBSY: "close what uses it",
}
_ANY_REMEDY = "try again once that is put right"


def plain(text: Path | str) -> str:
    """Replace invalid UTF-8 by U+FFFD; control characters are kept."""
    return os.fsencode(text).decode("utf-8", "replace")


def shown(text: Path | str) -> str:
    """Prepare a text for one line of a terminal or a log; control characters become harmless."""
    return "".join(_visible(c) for c in plain(text))


def _visible(character: str) -> str:
    # Cc: a new line in a name would look like a second message, and an escape could say anything.
    if unicodedata.category(character) != "Cc":
        return character
    return character.encode("unicode_escape").decode("ascii")


def named(key: str, path: Path | str) -> dict[str, str]:
    """Return a path for JSON: under `key`, and where it is no text, its bytes under `key_bytes`."""
    text, data = plain(path), os.fsencode(path)
    if text.encode() == data:
        return {key: text}
    return {key: text, f"{key}_bytes": base64.b64encode(data).decode("ascii")}


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line, at once: a program may wait for it at a pipe's end."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    print(json_text(value, ascii_only=encoding != "utf8"), flush=True)


def json_text(value: dict[str, Any], *, ascii_only: bool = False) -> str:
    """Return one JSON object on one line, valid whatever the values are."""
    return json.dumps(_valid(value), ensure_ascii=ascii_only, allow_nan=False, default=str)


def _valid(value: Any) -> Any:
    match value:
        case str() | Path():
            return plain(value)
        case float():
            # JSON has no other numbers.
            return value if math.isfinite(value) else None
        case dict():
            return {_valid(str(key)): _valid(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_valid(inner) for inner in value]
    return value


def cause(error: Exception) -> str:
    """Return the system's words for an error, to go on with in a sentence."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def cause_and_remedy(error: Exception) -> str:
    """Return the system's words for an error of a file, and what to do about that."""
    return f"{cause(error)}; {_REMEDIES.get(getattr(error, 'errno', None) or 0, _ANY_REMEDY)}"
