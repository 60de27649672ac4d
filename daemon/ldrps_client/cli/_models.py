"""`ldrps models`: the catalogue, downloads, and models in memory."""

from __future__ import annotations

import argparse
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ldrps_client.cli._output import print_json
from ldrps_engine.errors import SettingsError

if TYPE_CHECKING:
    from ldrps_client.client import Client
    from ldrps_client.models import ModelInfo

_ACTIONS = {
    "list": "list the models there are",
    "show": "show one model",
    "pull": "fetch a model, or what is missing of it",
    "verify": "read a model's files again and check them",
    "load": "bring a model into memory",
    "unload": "give a model's memory back",
    "remove": "delete a model, or forget one of your own",
}
_TELL_SECONDS = 1.0
_WIDE = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `ldrps models`."""
    words = "; ".join(f"{action}: {what}" for action, what in _ACTIONS.items())
    parser.add_argument("action", choices=tuple(_ACTIONS), help=words)
    parser.add_argument("name", nargs="?", metavar="MODEL", help="a name that `list` shows")


def models(options: Namespace) -> int:
    """Do one action."""
    if options.action == "list" and options.name:
        raise SettingsError(
            f"list shows all models; for one of them, run 'ldrps models show {options.name}'"
        )
    # Only now: the parser, which knows this module, answers without it.
    from ldrps_client.client import Client

    with Client(options.address) as client:
        if options.action == "list":
            return _list(client.models.list(), options.json)
        name = _name(options)
        if options.action == "show":
            return _show(client.models.show(name), options.json)
        result = _do(client, options.action, name, silent=options.json)
    if options.json:
        print_json({"action": options.action, "model": name, **result})
    else:
        print(_done(options.action, name, result))
    return 0


def _name(options: Namespace) -> str:
    if not options.name:
        raise SettingsError(f"say which model to {options.action}; see 'ldrps models list'")
    return str(options.name)


def _do(client: Client, action: str, name: str, *, silent: bool) -> dict[str, Any]:
    if action == "remove":
        return {"freed_bytes": client.models.remove(name)}
    with _printed_progress(name, silent=silent) as on_progress:
        if action == "pull":
            client.models.pull(name, on_progress)
        elif action == "verify":
            client.models.verify(name, on_progress)
        elif action == "load":
            client.models.load(name)
        else:
            client.models.unload(name)
    return {}


def _done(action: str, name: str, result: dict[str, Any]) -> str:
    if action == "remove":
        return f"{name} removed, {size(result['freed_bytes'])} freed"
    words = {"pull": "is installed", "verify": "is as it should be", "load": "is in memory"}
    return f"{name} {words.get(action, 'is out of memory')}"


def _list(found: list[ModelInfo], as_json: bool) -> int:
    if as_json:
        print_json({"models": [asdict(model) for model in found]})
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("model", "kind", "is", "size", "memory", "licence", ""):
        right = title in ("size", "memory")
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for model in found:
        table.add_row(
            model.name, model.kind, _state(model), size(model.bytes), size(model.memory_bytes),
            model.licence, model.title,
        )  # fmt: skip
    # Programs that read the table get it whole; a terminal cuts the last column.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
    return 0


def _show(model: ModelInfo, as_json: bool) -> int:
    if as_json:
        print_json(asdict(model))
        return 0
    terms = f" ({model.terms})" if model.terms else ""
    print(f"{model.name}: {model.title}")
    print(f"  kind      {model.kind}, family {model.family or 'of its own'}")
    print(f"  is        {_state(model)}")
    print(f"  licence   {model.licence}{terms}")
    if model.accept:
        print(f"  accept    the licence on {model.page}, then set HF_TOKEN")
    if model.page:
        print(f"  from      {model.page} at {model.revision}")
    print(f"  size      {size(model.bytes)}")
    print(f"  memory    about {size(model.memory_bytes)}")
    if model.view:
        print(f"  works at  {model.view} pixels on the long side")
    return 0


def _state(model: ModelInfo) -> str:
    if model.devices:
        return "in memory on " + ", ".join(model.devices)
    return "installed" if model.installed else "not installed"


@contextmanager
def _printed_progress(name: str, *, silent: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Report progress on standard error: one line, which a terminal shows rewritten."""
    last, on_terminal, is_open = 0.0, sys.stderr.isatty(), False

    def on_progress(file: str, done: int, total: int) -> None:
        nonlocal last, is_open
        now = time.monotonic()
        is_over = 0 < total <= done
        if silent or (not is_over and now - last < (0.1 if on_terminal else _TELL_SECONDS)):
            return
        last = now
        much = f"{size(done)} of {size(total)}, {100 * done // total} %, " if total else ""
        text = f"{name}: {much}{file}"
        if on_terminal:
            is_open = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    try:
        yield on_progress
    finally:
        if is_open:
            print(file=sys.stderr)


def size(count: int) -> str:
    """Format bytes for display, in powers of ten; empty for none."""
    if not count:
        return ""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
