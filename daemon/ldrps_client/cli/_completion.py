"""`ldrps completion`: completion scripts for shells, made from the parser of the command line."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ldrps_client._text import cause_and_remedy
from ldrps_engine.errors import OutputError

SHELLS = ("bash", "zsh", "fish")
_FILES = {"PHOTO", "RESTORED", "PATH", "FILE", ("CERT", "KEY")}
_FOLDERS = {"IN", "OUT"}


def completion(options: Namespace) -> int:
    """Print a shell's script, or write it to a file."""
    import shtab

    from ldrps_client.cli._parser import build_parser

    parser = build_parser()
    for action in _actions(parser):
        _hint(action)
    script = shtab.complete(parser, shell=options.shell)
    if options.output:
        _write(Path(options.output), f"{script}\n")
    else:
        print(script)
    return 0


def _write(path: Path, script: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {cause_and_remedy(error)}") from None


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """List every argument of every command."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _hint(action: Any) -> None:
    """Describe an argument's values, where the parser leaves them to the command."""
    import shtab

    from ldrps_engine.settings import RECIPES, SOLVERS

    if action.metavar in _FILES:
        action.complete = shtab.FILE
    elif action.metavar in _FOLDERS:
        action.complete = shtab.DIRECTORY
    elif action.dest in ("recipe", "solver"):
        action.choices = RECIPES if action.dest == "recipe" else SOLVERS
