"""What goes to the standard output and what to the error output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from ldrps_engine.errors import BusyError, LdrpsError


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line, at once: a program may wait for it at the end of a pipe."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), flush=True)


def print_error(error: LdrpsError, *, as_json: bool) -> int:
    """Say what went wrong; returns the exit code that stands for it."""
    say(error)
    if as_json:
        print_json({"error": error_record(error)})
    return error.exit_code


def say(error: LdrpsError) -> None:
    """One sentence for people."""
    print(f"ldrps: {error}", file=sys.stderr)


def warn(sentences: Iterable[str]) -> None:
    """What went well although something is odd."""
    for sentence in sentences:
        print(f"ldrps: warning: {sentence}", file=sys.stderr)


def error_record(error: LdrpsError) -> dict[str, Any]:
    """The same for programs."""
    record: dict[str, Any] = {
        "reason": error.reason,
        "message": str(error),
        "exit_code": error.exit_code,
    }
    if isinstance(error, BusyError):
        record["retry_after"] = error.retry_after
    return record


def duration(seconds: float) -> str:
    """For people: 8 s, 3 min, 2 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
