"""The `ldrps` command. Whatever happens, the user sees a sentence and never a stack trace."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from ldrps_client._text import plain, shown
from ldrps_client.cli._batch import TerminatedError
from ldrps_client.cli._output import (
    output_fails,
    print_error,
    silenced,
    unforeseen,
    unprinted,
)
from ldrps_client.cli._parser import build_parser
from ldrps_client.cli._serve import serve
from ldrps_engine.errors import LdrpsError, SettingsError

__all__ = ["main"]

INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141
_TEXTS = ("description", "model", "describer", "id", "keyword", "name", "address")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, see `ldrps --help`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    lines = given[:1] == ["restore"] and "--json-lines" in given
    _print_any_name()
    # For numpy, which is not loaded yet: OpenBLAS's threads wait for each other by spinning, at
    # many times the cost of the small products of a diagnosis. Workers do the same.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return _surely_printed(_run(given, as_json=lines or "--json" in given))


def _run(given: list[str], *, as_json: bool) -> int:
    try:
        if given[:1] == ["serve"]:
            # Behind argparse's back: its options are the daemon's own, --help included.
            return serve(given[1:])
        options = build_parser().parse_args(given)
        _check_text(options)
        return int(options.run(options))
    except LdrpsError as error:
        return print_error(error, as_json=as_json)
    except KeyboardInterrupt as end:
        print("ldrps: stopped", file=sys.stderr)
        return TERMINATED if isinstance(end, TerminatedError) else INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left.
        silenced()
        return BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and output_fails(error):
            silenced()
            return print_error(unprinted(error), as_json=False)
        return print_error(unforeseen(error), as_json=as_json)


def _surely_printed(code: int) -> int:
    """Write what is still to be printed; returns the exit code, which says if that failed."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        silenced()
        return code or BROKEN_PIPE
    except OSError as error:
        silenced()
        lost = print_error(unprinted(error), as_json=False)
        return code or lost
    return code


def _check_text(options: argparse.Namespace) -> None:
    """Refuse words that are not text, which only file names may be."""
    for name in _TEXTS:
        word = getattr(options, name, None)
        if isinstance(word, str) and plain(word) != word:
            raise SettingsError(f"{name} '{shown(word)}' is not text; give it in UTF-8")


def _print_any_name() -> None:
    """Make output tolerate any file name: it need not be in the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        # Where another program runs us, they may be anything.
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
