"""Arguments of `ldrps`. The commands themselves are imported when they run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from typing import Any, NoReturn

from ldrps_client._amounts import AMOUNT_HELP
from ldrps_client._names import FORMER_OPTIONS, OTHER_WORDS
from ldrps_client.cli._completion import SHELLS
from ldrps_client.cli._darktable import add_arguments as add_darktable_arguments
from ldrps_client.cli._gimp import add_arguments as add_gimp_arguments
from ldrps_client.cli._immich import add_arguments as add_immich_arguments
from ldrps_client.cli._models import add_arguments as add_models_arguments
from ldrps_client.cli._watch import add_arguments as add_watch_arguments
from ldrps_client.cli._web import add_arguments as add_web_arguments
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import ALL_STAGES, FINDINGS, LAYERS, RECIPES, SOLVERS
from ldrps_wire.hints import did_you_mean

_EPILOG = """\
exit codes:
  0  done                          7  no daemon answers, or it went away
  2  a setting or option is wrong  8  the daemon's queue is full; try again later
  3  not a photo we can take       9  no such job
  4  larger than a limit          10  the job was cancelled
  5  the result cannot be written 11  a worker died, or a bug showed itself
  6  a model is missing or broken 12  the daemon does not let you in
                                 130 stopped by Ctrl-C, 143 by SIGTERM
"""

Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """Parser that reports errors in one sentence, as everything else does."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a whole command line; SettingsError for what is wrong in it."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            inner = _innermost(self, args or ())
            name = unknown[0].partition("=")[0]
            known = [word for action in inner._actions for word in action.option_strings]
            hint = did_you_mean(name, known, FORMER_OPTIONS) if name[:2] == "--" else ""
            inner.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see '{self.prog} --help'")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [str(choice) for choice in action.choices or ()]
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), choices, OTHER_WORDS)
            known = ", ".join(choices)
            raise argparse.ArgumentError(
                action, f"'{value}' is not known; choose from {known}{hint}"
            )

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse's own passes over what cannot be written.
        print(message, end="", file=file or sys.stderr, flush=True)


def _innermost(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command that a command line names, or of the command within it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            named = [action.choices[word] for word in words if word in action.choices]
            return _innermost(named[0], words) if named else parser
    return parser


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    parser = _Parser(
        prog="ldrps",
        description="Restore photos without saying what is wrong with them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_restore(commands)
    _add_diagnose(commands)
    _add_redo(commands)
    _add_group(commands, "watch", "restore what appears in folders", add_watch_arguments)
    _add_group(commands, "web", "restore photos in a page of the browser", add_web_arguments)
    _add_serve(commands)
    _add_group(commands, "models", "list, fetch and load models", add_models_arguments)
    _add_group(
        commands, "gimp", "install the GIMP plug-in, or find out what is wrong", add_gimp_arguments
    )
    _add_group(
        commands,
        "darktable",
        "add restoring to darktable, or find out what is wrong",
        add_darktable_arguments,
    )
    _add_group(commands, "immich", "restore photos of an Immich server", add_immich_arguments)
    _add_daemon_commands(commands)
    _add_completion(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"ldrps {metadata.version('ldrps')}", flush=True)
        parser.exit()


def _add(commands: Any, name: str, run: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    parser.set_defaults(run=_later(run))
    return parser


def _add_group(
    commands: Any, name: str, summary: str, add: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add a command with a module of its own, which also adds its arguments."""
    parser = _add(commands, name, f"_{name}:{name}", summary)
    add(parser)
    _add_common(parser)


def _later(where: str) -> Command:
    """Return the command in `module:function`, imported when it is called."""
    module, _, function = where.partition(":")

    def run(options: argparse.Namespace) -> int:
        command: Command = getattr(import_module(f"ldrps_client.cli.{module}"), function)
        return command(options)

    return run


def _add_restore(commands: Any) -> None:
    parser = _add(commands, "restore", "_restore:restore", "restore photos")
    add = parser.add_argument
    add("photos", nargs="+", metavar="PHOTO", help="JPEG, PNG, TIFF, WebP or AVIF")
    add("-o", "--output", metavar="PATH", help="a file, or a folder with a trailing /")
    add("--recipe", default="auto", metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    add("--strength", type=float, default=1.0, metavar="X", help="0 to 1 (default: 1)")
    add("--description", metavar="TEXT", help="the scene in your own words (default: found out)")
    add("--recurrences", type=int, metavar="N", help="further passes, 0 to 3")
    add("--steps", type=int, metavar="N", help="sampling steps, 1 to 1000")
    add("--seed", type=int, default=0, metavar="N", help="same seed, same result (default: 0)")
    several = "write N results of the seeds from --seed on, as NAME-1 to NAME-N"
    add("--variants", type=int, metavar="N", help=several)
    add("--model", default="bundled", metavar="NAME", help="prior to use (default: bundled)")
    add("--describer", default="auto", metavar="NAME", help="model that describes it, or tagger")
    add("--solver", metavar="NAME", help=f"one of {', '.join(SOLVERS)}")
    add("--noise-sigma", type=float, metavar="X", help="noise in 8-bit steps (default: measured)")
    colour = "let auto and fast colour photos that have none"
    add("--allow-colour", action="store_true", help=colour)
    filled = "fill what is found (auto), nothing (off), or what is white in a picture"
    add("--damage", metavar="MASK", help=f"{filled} (default: the recipe's)")
    add("--amount", action="append", metavar="NAME=X", help=AMOUNT_HELP)
    add(
        "--layers",
        metavar="NAMES",
        help=f"comma-separated, of {', '.join((*LAYERS, ALL_STAGES, FINDINGS))}",
    )
    add("--before-after", metavar="PATH", help="also write both side by side")
    signing = "sign content credentials with a certificate and its key, in PEM form"
    add("--c2pa", nargs=2, metavar=("CERT", "KEY"), help=signing)
    add("--force", action="store_true", help="replace existing files")
    add("--no-start", action="store_true", help="do not start a daemon if none answers")
    add("--sidecars", action="store_true", help="include what the photos' XMP sidecars say")
    add("--json-lines", action="store_true", help="print one JSON object for each event")
    _add_common(parser)


def _add_diagnose(commands: Any) -> None:
    parser = _add(commands, "diagnose", "_diagnose:diagnose", "say what is wrong with photos")
    parser.add_argument("photos", nargs="+", metavar="PHOTO")
    _add_json(parser)


def _add_redo(commands: Any) -> None:
    parser = _add(commands, "redo", "_redo:redo", "restore again as a result says it was made")
    add = parser.add_argument
    add("photos", nargs="+", metavar="RESTORED", help="results of ldrps restore")
    add("-o", "--output", metavar="PATH", help="a file, or a folder with a trailing /")
    add("--original", metavar="PATH", help="the original photo, or the folder that holds it")
    add("--force", action="store_true", help="replace existing files")
    add("--no-start", action="store_true", help="do not start a daemon if none answers")
    _add_common(parser)


def _add_serve(commands: Any) -> None:
    """Add `serve` for `ldrps --help` only; `main` runs it."""
    commands.add_parser("serve", help="run the daemon in this terminal", add_help=False)


def _add_completion(commands: Any) -> None:
    summary = "print what a shell completes this command with"
    parser = _add(commands, "completion", "_completion:completion", summary)
    parser.add_argument("shell", choices=SHELLS, help="the shell it is for")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it to a file")


def _add_daemon_commands(commands: Any) -> None:
    status = _add(commands, "status", "_daemon:status", "say how the daemon is")
    status.add_argument("--watch", action="store_true", help="keep going until Ctrl-C")
    _add_common(status)
    doctor = _add(commands, "doctor", "_doctor:doctor", "collect an anonymised report")
    doctor.add_argument("-o", "--output", metavar="FILE", help="write it to a file")
    _add_common(doctor)
    _add_common(_add(commands, "stop", "_daemon:stop", "stop the daemon"))
    jobs = _add(commands, "jobs", "_jobs:jobs", "list jobs, newest first")
    jobs.add_argument("--limit", type=int, default=100, metavar="N", help="at most N")
    _add_common(jobs)
    cancel = _add(commands, "cancel", "_jobs:cancel", "cancel a job")
    cancel.add_argument("id", metavar="ID", help="as `ldrps jobs` prints it")
    _add_common(cancel)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", metavar="ADDR", help="unix:PATH or 127.0.0.1:PORT")
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else"
    )
