"""The `ldrps` command. Whatever happens, the user sees a sentence and never a stack trace."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from ldrps_client.cli._output import print_error
from ldrps_client.cli._parser import build_parser
from ldrps_client.cli._serve import serve
from ldrps_engine.errors import InternalError, LdrpsError

__all__ = ["main"]

INTERRUPTED = 130
BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, see `ldrps --help`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        if given[:1] == ["serve"]:
            # Behind argparse's back: its options are the daemon's own, --help included.
            return serve(given[1:])
        options = build_parser().parse_args(given)
        return int(options.run(options))
    except LdrpsError as error:
        return print_error(error, as_json=as_json)
    except KeyboardInterrupt:
        print("ldrps: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        return print_error(_bug(error), as_json=as_json)


def _bug(error: Exception) -> InternalError:
    if os.environ.get("LDRPS_DEBUG"):
        traceback.print_exc()
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return InternalError(
        f"an unforeseen error ({what}); please report it, LDRPS_DEBUG=1 shows more"
    )
