"""Status of the watched folders, read from their ledgers whether a watcher runs or not."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

from ldrps_client._text import named, plain
from ldrps_client.hotfolder.report._failures import write_failures
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import StateFolder, state_folder, state_home
from ldrps_engine.errors import NotFoundError

_SHOWN = 20


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
            "now": ledger.fact("now") if running else "not watched",
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
