"""Standard output and standard error: the rules for each."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ldrps_client._text import cause, print_json, shown
from ldrps_engine.errors import BusyError, InternalError, LdrpsError, OutputError

__all__ = [
    "duration",
    "error_record",
    "output_fails",
    "print_error",
    "print_json",
    "say",
    "silenced",
    "unforeseen",
    "unprinted",
    "warn",
]


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def print_error(error: LdrpsError, *, as_json: bool) -> int:
    """Print an error; returns the exit code that stands for it."""
    # Where both outputs lead to a full disk, the exit code is all that can be given.
    with suppress(OSError):
        say(error)
    if as_json:
        with suppress(OSError):
            print_json({"error": error_record(error)})
    return error.exit_code


def output_fails(error: Exception) -> bool:
    """Tell whether an error means that standard output accepts nothing more.

    Files are written with their name in the error, or in a sentence of their own.
    """
    return isinstance(error, OSError) and error.errno in _FULL and error.filename is None


def unprinted(error: OSError) -> OutputError:
    """Return the error for output that is lost."""
    words = f"what is to be printed cannot be written ({cause(error)})"
    return OutputError(f"{words}; make room where it goes")


def silenced() -> None:
    """Redirect standard output to nowhere: the interpreter must not try to write the rest."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(error: LdrpsError) -> None:
    """Print an error as one sentence for people."""
    print(f"ldrps: {shown(_sentence(error))}", file=sys.stderr)


def _sentence(error: LdrpsError) -> str:
    """Return an error's message, with what to do on a command line where that differs."""
    path = getattr(error, "taken", None)
    return f"{path} exists already; choose another name or use --force" if path else str(error)


def unforeseen(bug: Exception) -> InternalError:
    """Turn a bug into one sentence; its stack trace is printed where that is asked for."""
    if os.environ.get("LDRPS_DEBUG"):
        traceback.print_exception(bug)
    what = " ".join(f"{type(bug).__name__}: {bug}".split())
    return InternalError(
        f"an unforeseen error ({what}); please report it, LDRPS_DEBUG=1 shows more"
    )


def warn(sentences: Iterable[str]) -> None:
    """Print warnings: sentences about oddities that were tolerated."""
    for sentence in sentences:
        print(f"ldrps: warning: {shown(sentence)}", file=sys.stderr)


def error_record(error: LdrpsError) -> dict[str, Any]:
    """Convert an error to a record for programs."""
    record: dict[str, Any] = {
        "reason": error.reason,
        "message": _sentence(error),
        "exit_code": error.exit_code,
    }
    if isinstance(error, BusyError):
        record["retry_after"] = error.retry_after
    return record


def duration(seconds: float) -> str:
    """Format a duration for display: 8 s, 3 min, 2 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
