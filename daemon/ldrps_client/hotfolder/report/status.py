"""Status of the watched folders, read from their ledgers whether a watcher runs or not."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from ldrps_client._text import cause_and_remedy, named, plain
from ldrps_client.hotfolder.report._failures import write_failures
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import (
    StateFolder,
    one_watcher,
    state_folder,
    state_home,
)
from ldrps_engine.errors import NotFoundError, OutputError

_SHOWN = 20
GONE = "gone"
"""Activity of a folder that is not where it was watched."""


def states_of(roots: list[Path]) -> list[tuple[Path, StateFolder]]:
    """Return the state of each folder; of all that were ever watched, if none is named.

    NotFoundError if a named one never was.
    """
    if not roots:
        return _all_states()
    found = [(root, state_folder(root)) for root in roots]
    for root, state in found:
        if not state.ledger.is_file():
            raise NotFoundError(f"{root} was never watched; start with 'ldrps watch {root}'")
    return found


def state_folders() -> list[StateFolder]:
    """Return the state of every folder that was ever watched."""
    try:
        folders = sorted(path for path in state_home().iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    return [state for state in map(StateFolder, folders) if state.ledger.is_file()]


def _all_states() -> list[tuple[Path, StateFolder]]:
    found = []
    for state in state_folders():
        with closing(Ledger(state.ledger)) as ledger:
            found.append((Path(ledger.fact("root")), state))
    return found


def status_of(root: Path, state: StateFolder) -> dict[str, Any]:
    """Return one folder's status as plain values."""
    with closing(Ledger(state.ledger)) as ledger:
        counts = ledger.counts()
        running = state.is_watched()
        begun = counts.get("working", 0) + counts.get("placing", 0)
        return {
            **named("folder", root),
            "running": running,
            "now": activity(root, state, ledger),
            "done": counts.get("done", 0),
            "skipped": counts.get("skipped", 0),
            # What was begun is gone on with at the next start.
            "queued": counts.get("queued", 0) + (0 if running else begun),
            "working": begun if running else 0,
            "failed": counts.get("failed", 0),
            "gone": counts.get("gone", 0),
            "failures": [_failure(e) for e in ledger.entries("failed", limit=_SHOWN, newest=True)],
            "failed_csv": plain(state.failed),
            "log": plain(state.log),
        }


def activity(root: Path, state: StateFolder, ledger: Ledger) -> str:
    """Say in words what goes on with a folder: `not watched`, `gone`, or what its watcher does."""
    if state.is_watched():
        return ledger.fact("now")
    # The ledger knows a name that is no text with U+FFFD in it, by which no folder is found.
    is_there = root.is_dir() or "\ufffd" in str(root)
    return "not watched" if is_there else GONE


def forget(root: Path, state: StateFolder) -> None:
    """Remove all that is known of a folder; OutputError if it is being watched.

    Photos and results stay; results are recognised by their marks if it is watched again.
    """
    with one_watcher(state, root):
        try:
            shutil.rmtree(state.path)
        except OSError as error:
            why = cause_and_remedy(error)
            raise OutputError(f"{state.path} cannot be removed: {why}") from None


def _failure(entry: Entry) -> dict[str, Any]:
    return {
        **named("photo", os.fsdecode(entry.source)),
        "reason": entry.reason,
        "message": plain(entry.message),
        "tries": entry.tries,
    }


def retry_failed(root: Path, state: StateFolder) -> int:
    """Queue all failures of a folder again, for a running watcher too; returns how many."""
    with closing(Ledger(state.ledger)) as ledger:
        count = ledger.retry_failed()
        write_failures(state.failed, ledger, root)
    return count
