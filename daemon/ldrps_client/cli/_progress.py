"""Progress of one photo: a bar on a terminal, a few lines in a pipe, nothing for programs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ldrps_client import events
from ldrps_client._text import named, print_json
from ldrps_client.cli._output import duration

_LINE_SECONDS = 5.0


class Progress(Protocol):
    """Progress shown while it is entered; called with each event."""

    def __call__(self, event: events.Event, /) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def progress_for(name: str, *, silent: bool) -> Progress:
    """Choose the display that suits where standard error goes."""
    if silent:
        return Silent()
    # A bar in a file would be thousands of control characters.
    return Bar(name) if sys.stderr.isatty() else Lines(name)


def text_of(event: events.Event) -> str:
    """Describe an event in words; empty if it says nothing to people."""
    match event:
        case events.Queued(why=why) if why:
            return f"waiting: {why}"
        case events.Queued(position, seconds):
            place = f"waiting, {position} before it" if position else "next in line"
            return place + (_about(seconds) if seconds else "")
        case events.Restarted(words):
            return words
        case events.Loading(model, fraction):
            return f"loading {model}, {fraction:.0%}"
        case events.Diagnosed(_, words):
            return words
        case events.Described(text, source, remarks):
            said = (f"looks like: {text} (says the {_writer(source)})",) if text else ()
            return "; ".join((*said, *remarks))
        case events.Step(stage, index, count, left):
            return f"{stage}, step {index} of {count}" + (_about(left) if left else "")
        case _:
            return ""


def _writer(source: str) -> str:
    return source if source in ("user", "tagger") else f"describer {source}"


def _about(seconds: float) -> str:
    return f", about {duration(seconds)} left"


class Silent:
    """Display for programs: none."""

    def __call__(self, event: events.Event, /) -> None:
        """Print nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class JsonLines(Silent):
    """Stream of events for programs: one JSON object a line on standard output."""

    def __init__(self, photo: Path) -> None:
        self._photo = photo

    def __enter__(self) -> Self:
        # The reader may want to end us, by a process that its shell does not name.
        self._print("started", {"pid": os.getpid()})
        return self

    def __call__(self, event: events.Event, /) -> None:
        """Print the event unless it is a picture."""
        match event:
            case events.Diagnosed(diagnosis, words):
                self._print("diagnosed", {"diagnosis": asdict(diagnosis), "words": words})
            case (
                events.Queued()
                | events.Restarted()
                | events.Loading()
                | events.Described()
                | events.Step()
            ):
                self._print(type(event).__name__.lower(), asdict(event))

    def _print(self, kind: str, facts: dict[str, Any]) -> None:
        print_json({"event": kind, **named("photo", self._photo), **facts})


def print_end(record: dict[str, Any]) -> None:
    """Print the last line about a photo: its --json record."""
    print_json({"event": "failed" if "error" in record else "done", **record})


class Lines(Silent):
    """Lines of text: one for every new kind of event, and for steps one now and then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last_kind = ""
        self._last_time = 0.0

    def __call__(self, event: events.Event, /) -> None:
        """Print the event unless it repeats the last line."""
        kind = event.stage if isinstance(event, events.Step) else type(event).__name__
        now = time.monotonic()
        # Steps of one stage come several times a second; a new stage is always shown.
        if kind == self._last_kind and now - self._last_time < _LINE_SECONDS:
            return
        if text := text_of(event):
            self._last_kind, self._last_time = kind, now
            print(f"{self._name}: {text}", file=sys.stderr, flush=True)


class Bar(Silent):
    """Bar that moves with the steps; findings stay above it."""

    def __init__(self, name: str) -> None:
        # Imported here, so that commands that show no bar start without it.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._rich: Any = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._name = name
        self._task: Any = self._rich.add_task("connecting", total=None, name=name)

    def __call__(self, event: events.Event, /) -> None:
        """Move the bar."""
        text = text_of(event)
        if isinstance(event, events.Restarted | events.Diagnosed | events.Described) and text:
            self._rich.console.print(f"{self._name}: {text}", markup=False, highlight=False)
        elif isinstance(event, events.Step):
            self._update(text, event.count, event.index)
        elif text:
            self._update(text, None, 0)

    def _update(self, text: str, total: int | None, completed: int) -> None:
        self._rich.update(self._task, description=text, total=total, completed=completed)

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rich.stop()
