"""Displays of events: terminal, JSON lines, desktop."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ldrps_client._text import named, print_json, shown
from ldrps_client.hotfolder.report._log import Log, duration, line_of

# Events too frequent for a log.
_QUIET = {"step"}
# Events shown once, until something else happens.
_REPEATED = {"waiting", "paused", "away"}
_ROUTINE = {"scanned", "started"}
# Events with a line of their own on a terminal, and its colour.
_STYLES = {
    **dict.fromkeys(("done", "skipped", "amended", "back"), "green"),
    **dict.fromkeys(("failed", "stopped"), "red"),
    **dict.fromkeys(("warning", "away", "overflow"), "yellow"),
    "duplicate": "dim",
}
# Facts that are names of files.
_PATHS = {"output", "of"}
_LONGEST_NAME = 32
_RATE_SECONDS = 600.0


Show = Callable[[Path, str, str, dict[str, object]], None]
"""Receiver of events: folder, event, photo, and facts."""


class Display(Protocol):
    """Display of the events in all folders of a watcher, one at a time."""

    def show(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None: ...

    def close(self) -> None: ...


class FolderNotifier:
    """Receiver of one folder's events: for the log, a display, and readers of the state."""

    def __init__(self, folder: Path, log: Log, show: Show) -> None:
        self._folder = folder
        self._show = show
        self._lock = threading.Lock()
        self._last = ("", "")
        self.now = "watching"
        """Current activity, in words."""
        self._log = log

    def __call__(self, kind: str, photo: str = "", **facts: object) -> None:
        """Pass an event on, see `_worker.Notify`."""
        with self._lock:
            if kind not in _QUIET | _ROUTINE:
                # By the message as well: waiting for another reason is news.
                same = (kind, str(facts.get("message", ""))) == self._last
                self._last = (kind, str(facts.get("message", "")))
                if kind in _REPEATED and same:
                    return
            self.now = _now(kind, facts, self.now)
            if kind not in _QUIET:
                self._log.write(self._folder, kind, photo, facts)
            self._show(self._folder, kind, photo, facts)


def _now(kind: str, facts: dict[str, object], before: str) -> str:
    if kind in _REPEATED:
        return f"{kind}: {facts.get('message', '')}"
    return "watching" if kind in ("done", "back", "skipped") else before


class Lines:
    """Lines for everything that is not routine, for a pipe or a journal."""

    def show(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        """Print the event."""
        if kind not in _QUIET | _ROUTINE:
            where = shown(folder / photo) if photo else shown(folder)
            print(f"{where}: {line_of(kind, '', facts)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing."""


class JsonLines:
    """Stream of events for scripts: one JSON object a line on standard output."""

    def show(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        """Print the event."""
        if kind in _QUIET:
            return
        record: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": kind,
            **named("folder", folder),
            **(named("photo", photo) if photo else {}),
        }
        for name, value in facts.items():
            record |= named(name, str(value)) if name in _PATHS else {name: value}
        print_json(record)

    def close(self) -> None:
        """Do nothing."""


def _sentence(kind: str, photo: str, facts: dict[str, object]) -> str:
    """Describe an event for people who watch."""
    name, message = shown(photo), shown(str(facts.get("message", "")))
    if kind == "done":
        took = duration(float(str(facts["seconds"]))) if "seconds" in facts else "begun earlier"
        return f"{name}: {facts.get('words', 'restored')}, {took}"
    if kind == "duplicate":
        return f"{name} is the same photo as {shown(str(facts['of']))}"
    return message if name in message else f"{name}: {message or facts.get('words', '')}"


def _short(name: str) -> str:
    """Shorten a name to leave room for the rest of its line."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


class Terminal:
    """Lines for finished photos, and below them the current activity, with counts and rate."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.text import Text

        self._console: Any = Console(stderr=True)
        self._text: Any = Text
        self._progress: Any = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
        )
        self._all: Any = self._progress.add_task("photos", total=0, note="looking")
        self._tasks: dict[tuple[Path, str], Any] = {}
        self._found: set[tuple[Path, str]] = set()
        self._resumed = 0
        self._ended: deque[float] = deque()
        self._progress.start()

    def show(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        """Update the display."""
        self._count(folder, kind, photo, facts)
        if kind in _STYLES:
            text = self._text(f"{kind:<9} ", _STYLES[kind])
            text.append(_sentence(kind, photo or str(folder), facts), style="default")
            self._console.print(text, highlight=False)

    def _count(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        task, name = (folder, photo), _short(shown(Path(photo).name))
        if kind == "found":
            self._found.add(task)
        elif kind == "resumed":
            self._resumed += int(str(facts["count"]))
        elif kind == "started":
            if task not in self._tasks:
                self._tasks[task] = self._progress.add_task(name, total=None, note="")
        elif kind == "step" and task in self._tasks:
            self._progress.update(self._tasks[task], total=facts["count"], completed=facts["index"])
        elif kind in ("done", "failed", "skipped", "gone", "retry"):
            if task in self._tasks:
                self._progress.remove_task(self._tasks.pop(task))
            if kind != "retry":
                if task in self._found:
                    self._found.discard(task)
                else:
                    # Found by an earlier run, which only said how many there were.
                    self._resumed = max(0, self._resumed - 1)
                self._ended.append(time.monotonic())
        self._note(kind, facts)

    def _note(self, kind: str, facts: dict[str, object]) -> None:
        now = time.monotonic()
        # A rate of the last minutes: over all of a night, a pause would count for ever.
        while len(self._ended) > 2 and now - self._ended[0] > _RATE_SECONDS:
            self._ended.popleft()
        completed = self._progress.tasks[0].completed + (kind in ("done", "failed", "skipped"))
        left = len(self._found) + self._resumed
        note = f"{left} to do"
        if len(self._ended) > 2:
            per_hour = (len(self._ended) - 1) / max(now - self._ended[0], 0.1) * 3600
            note += f", {per_hour:.0f} an hour"
            note += f", about {duration(left / per_hour * 3600)} left" if left else ""
        if kind in _REPEATED:
            note = f"{kind}: {facts.get('message', '')}"
        self._progress.update(self._all, completed=completed, total=completed + left, note=note)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


class Desktop:
    """Another display, with notifications in addition where the desktop shows them."""

    def __init__(self, inner: Display) -> None:
        self._inner = inner
        self._command = shutil.which("notify-send")
        self._done = 0
        self._open: set[tuple[Path, str]] = set()

    def show(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        """Pass an event on; notify of failures and of the end of a batch."""
        self._inner.show(folder, kind, photo, facts)
        task = (folder, photo)
        if kind == "found":
            self._open.add(task)
        elif kind == "failed":
            self._notify(f"{shown(photo)} could not be restored", str(facts.get("message", "")))
        if kind in ("done", "failed", "skipped", "gone"):
            self._done += kind == "done"
            self._open.discard(task)
            # Once per batch, not per photo: there may be thousands.
            if not self._open and self._done:
                self._notify("Photos restored", f"{self._done} in {shown(folder)}")
                self._done = 0

    def _notify(self, title: str, text: str) -> None:
        if self._command:
            # Not waited for: a desktop that does not answer must not hold up the photos.
            subprocess.Popen(
                [self._command, "--app-name=LD-RPS Restore", title, text],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """Close the other display."""
        self._inner.close()
