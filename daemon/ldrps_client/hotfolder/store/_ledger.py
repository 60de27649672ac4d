"""State of a watched folder's photos, in SQLite: survives any crash between two lines.

A photo is its content and its settings (`key`), wherever it lies and whatever it is called.
Paths are bytes, because file names need not be text.

queued -> working -> placing -> done
|           `-> (a crash) done if the output is there, else queued
`-> skipped, failed, gone, or queued again
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ldrps_client._text import plain
from ldrps_client.hotfolder.store import _statements
from ldrps_client.hotfolder.store._entry import (
    COLUMNS,
    Entry,
    Identity,
    Known,
    State,
    Verdict,
    entry_of,
)
from ldrps_client.hotfolder.store._schema import STEPS
from ldrps_engine.errors import OutputError
from ldrps_engine.settings import Settings
from ldrps_wire.database import connect, transaction, upgrade, version_of

_WAIT_SECONDS = 30.0
OURS = "ours"
"""Placeholder for the key of a file that is a result, not a photo to restore."""
SIDECAR = "sidecar"
"""Placeholder for the key of a sidecar whose contents are all in the result."""


class Ledger:
    """Ledger of one folder. May be used from many threads, and read by other processes."""

    def __init__(self, path: Path) -> None:
        """Open, or make, the ledger; OutputError if that fails."""
        self.path = path
        self._lock = threading.RLock()
        self._seen: int | None = None
        with _readable_errors(path):
            self._db = connect(path, _WAIT_SECONDS)
            self._db.create_function("folder_of", 1, os.path.dirname, deterministic=True)
            self._db.execute("PRAGMA journal_mode = WAL")
            if version_of(self._db) > len(STEPS):
                raise OutputError(f"{path} was written by a later version of ldrps; use that one")
            upgrade(self._db, STEPS)

    def changed_elsewhere(self) -> bool:
        """Tell whether another process has written to the ledger since the last call."""
        version = self._rows("PRAGMA data_version")[0][0]
        changed, self._seen = bool(version != self._seen), version
        return changed

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a transaction; `durable`: on the disk at its end, against a power cut too."""
        with self._lock, _readable_errors(self.path):
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with transaction(self._db) as db:
                yield db

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, _readable_errors(self.path):
            return self._db.execute(query, values).fetchall()

    def fact(self, name: str) -> str:
        """Return a remembered word; empty if there is none."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", plain(name))
        return str(rows[0][0]) if rows else ""

    def remember(self, name: str, value: str) -> None:
        """Keep a word beyond this process."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (plain(name), plain(value)))

    def known(self, folder: bytes) -> dict[bytes, Known]:
        """Return the files of one folder, not of those below it."""
        rows = self._rows(
            "SELECT name, size, mtime, ctime, key, settings_digest FROM files WHERE folder = ?",
            folder,
        )
        return {row[0]: Known(Identity(*row[1:4]), row[4], row[5]) for row in rows}

    def is_output(self, content: str) -> bool:
        """Tell whether some result has exactly these bytes."""
        return bool(self._rows("SELECT 1 FROM photos WHERE output_content = ?", content))

    def add(
        self, folder: bytes, name: bytes, identity: Identity, content: str, settings: Settings
    ) -> Entry:
        """Take in a settled photo; returns the existing entry if the content is known."""
        # After a power cut a scan finds the file again.
        with self._writing(durable=False) as db:
            return _statements.add(db, folder, name, identity, content, settings)

    def add_failed(
        self,
        folder: bytes,
        name: bytes,
        identity: Identity,
        content: str,
        settings: Settings,
        *,
        reason: str,
        message: str,
    ) -> None:
        """Take in a file that nothing can be done for; no worker ever sees it queued."""
        with self._writing() as db:
            entry = _statements.add(db, folder, name, identity, content, settings)
            db.execute(
                "UPDATE photos SET state = 'failed', reason = ?, message = ?, ended_at = ?"
                " WHERE key = ?",
                (reason, plain(message), time.time(), entry.key),
            )

    def note_output(self, folder: bytes, name: bytes, identity: Identity) -> None:
        """Note that a file in the watched folder is a result: never to be restored."""
        with self._writing(durable=False) as db:
            _statements.note_file(db, folder, name, identity, OURS, OURS)

    def note_sidecar(self, folder: bytes, name: bytes, identity: Identity) -> None:
        """Note that nothing is left to be done for a sidecar as it is now."""
        with self._writing(durable=False) as db:
            _statements.note_file(db, folder, name, identity, SIDECAR, SIDECAR)

    def named_from(self, folder: bytes, stem: bytes) -> list[tuple[bytes, str]]:
        """Return (name, key) of a folder's photos called `stem`, or `stem`, a dot, and more."""
        rows = self._rows(
            "SELECT name, key FROM files WHERE folder = ? AND (name = ? OR name BETWEEN ? AND ?)",
            *(folder, stem, stem + b".", stem + b"/"),
        )
        return [(name, key) for name, key in rows if key not in (OURS, SIDECAR)]

    def forget(self, fact: str) -> None:
        """Remember a word no longer."""
        with self._writing() as db:
            db.execute("DELETE FROM facts WHERE name = ?", (plain(fact),))

    def forget_files(self, folder: bytes, names: Iterable[bytes]) -> None:
        """Forget files that have gone. The outcomes of their photos stay known."""
        with self._writing(durable=False) as db:
            db.executemany(
                "DELETE FROM files WHERE folder = ? AND name = ?", [(folder, n) for n in names]
            )

    def entry(self, key: str) -> Entry:
        """Return the photo with this key, which must be there."""
        entry = self.find(key)
        if entry is None:
            raise KeyError(key)
        return entry

    def find(self, key: str) -> Entry | None:
        """Return the photo with this key; None if it was dropped meanwhile."""
        rows = self._rows(f"SELECT {COLUMNS} FROM photos WHERE key = ?", key)
        return entry_of(rows[0]) if rows else None

    def entries(self, *states: State, limit: int = -1, newest: bool = False) -> list[Entry]:
        """Yield photos in some states, in the order in which they came (`newest`: ended) first."""
        marks = ", ".join("?" for _ in states)
        order = "ended_at DESC, number DESC" if newest else "number"
        query = f"SELECT {COLUMNS} FROM photos WHERE state IN ({marks}) ORDER BY {order} LIMIT ?"
        return [entry_of(row) for row in self._rows(query, *states, limit)]

    def sources(self, key: str) -> list[bytes]:
        """Return every path within the folder at which a photo was seen."""
        rows = self._rows("SELECT folder, name FROM files WHERE key = ?", key)
        return [folder + b"/" + name if folder else name for folder, name in rows]

    def counts(self) -> dict[str, int]:
        """Count the photos in each state."""
        return dict(self._rows("SELECT state, count(*) FROM photos GROUP BY state"))

    def failures(self) -> tuple[int, float]:
        """Return the number of failed photos, and the sum of their times, which shows changes."""
        query = "SELECT count(*), total(ended_at) FROM photos WHERE state = 'failed'"
        count, when = self._rows(query)[0]
        return int(count), float(when)

    def seconds(self) -> float:
        """Return the working time of all results together, in seconds."""
        return float(self._rows("SELECT total(seconds) FROM photos WHERE state = 'done'")[0][0])

    def has(self, *states: State) -> bool:
        """Tell whether any photo is in one of these states."""
        # All at once: between two queries a photo may go from the second state to the first.
        marks = ", ".join("?" for _ in states)
        return bool(self._rows(f"SELECT 1 FROM photos WHERE state IN ({marks}) LIMIT 1", *states))

    def has_queued_outside(self, folders: Iterable[bytes], keys: Iterable[str] = ()) -> bool:
        """Tell whether a photo is queued that lies in none of these folders, nor is one of
        these."""
        query = (
            "SELECT 1 FROM photos WHERE state = 'queued'"
            " AND key NOT IN (SELECT value FROM json_each(?))"
            " AND hex(folder_of(source)) NOT IN (SELECT value FROM json_each(?)) LIMIT 1"
        )
        return bool(self._rows(query, json.dumps(list(keys)), _hex(folders)))

    def claim(self, skip: Iterable[str] = (), folders: Iterable[bytes] = ()) -> Entry | None:
        """Return the next queued photo, now being worked on.

        `skip` are keys, `folders` the folders of photos, to leave for later.
        """
        with self._writing() as db:
            row = db.execute(
                f"SELECT {COLUMNS} FROM photos WHERE state = 'queued'"
                " AND key NOT IN (SELECT value FROM json_each(?))"
                " AND hex(folder_of(source)) NOT IN (SELECT value FROM json_each(?))"
                " ORDER BY number LIMIT 1",
                (json.dumps(list(skip)), _hex(folders)),
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE photos SET state = 'working' WHERE number = ?", (row[0],))
            return _statements.entry(db, row[1])

    def change(self, key: str, **values: Any) -> None:
        """Set columns of one photo, in one transaction."""
        columns = ", ".join(f"{name} = ?" for name in values)
        # Messages name files, whose names need not be text.
        texts = [plain(value) if isinstance(value, str) else value for value in values.values()]
        with self._writing() as db:
            db.execute(f"UPDATE photos SET {columns} WHERE key = ?", (*texts, key))

    def end(self, key: str, state: State, **values: Any) -> None:
        """Close a photo's account for now."""
        self.change(key, state=state, ended_at=time.time(), **values)

    def judge(self, entry: Entry, verdict: Verdict, place: bytes | None = None) -> None:
        """Set the verdict of a person on a result, for all photos that share that very file."""
        with self._writing() as db:
            db.execute(
                "UPDATE photos SET verdict = ?, place = ? WHERE state = 'done' AND output = ?"
                " AND output_content IS ? AND place IS ?",
                (verdict, place, entry.output, entry.output_content, entry.place),
            )

    def results(self, *verdicts: Verdict, limit: int = -1) -> list[Entry]:
        """Return the results with some verdicts, the newest first."""
        marks = ", ".join("?" for _ in verdicts)
        query = (
            f"SELECT {COLUMNS} FROM photos WHERE state = 'done' AND verdict IN ({marks})"
            " ORDER BY ended_at DESC, number DESC LIMIT ?"
        )
        return [entry_of(row) for row in self._rows(query, *verdicts, limit)]

    def verdicts(self) -> dict[str, int]:
        """Count the results with each verdict."""
        query = "SELECT verdict, count(*) FROM photos WHERE state = 'done' GROUP BY verdict"
        return dict(self._rows(query))

    def holds(self, output: bytes, content: str) -> bool:
        """Tell whether a photo's result is a file with these bytes at this path."""
        query = "SELECT 1 FROM photos WHERE output = ? AND output_content = ?"
        return bool(self._rows(query, output, content))

    def drop(self, key: str) -> None:
        """Forget a photo whose file has become another one."""
        with self._writing() as db:
            db.execute("DELETE FROM files WHERE key = ?", (key,))
            db.execute("DELETE FROM photos WHERE key = ? AND state != 'done'", (key,))

    def retry_failed(self) -> int:
        """Queue everything that failed; returns how many."""
        with self._writing() as db:
            done = db.execute(
                "UPDATE photos SET state = 'queued', tries = 0, round = round + 1"
                " WHERE state = 'failed'"
            )
            return done.rowcount


def _hex(folders: Iterable[bytes]) -> str:
    """Encode folders as JSON of SQLite's hex(): names need not be text."""
    return json.dumps([folder.hex().upper() for folder in folders])


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one sentence; a full disk is the usual one."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"the ledger {path} cannot be used ({error}); free some space, or mend its disk"
        ) from error
    except sqlite3.DatabaseError as error:
        raise OutputError(
            f"the ledger {path} is damaged ({error}); move it away: results are known by their "
            "marks too, where they still have their names"
        ) from error
