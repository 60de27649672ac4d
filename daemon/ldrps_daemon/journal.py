"""What the daemon must not forget: every accepted job, in SQLite, until it is swept.

Write-ahead log, `synchronous=FULL`: when a call here returns, what it wrote outlives a crash of
the machine. One thread owns the connection, so that no sync ever holds up the event loop.
What a job has told lies in its folder, see `eventlog.py`; what was measured, in `timings`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ldrps_engine.errors import InternalError

log = logging.getLogger("ldrps.journal")
T = TypeVar("T")

VERSION = 2
_SCHEMA = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    client TEXT NOT NULL,
    header BLOB NOT NULL,
    submitted_at REAL NOT NULL,
    started_at REAL NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    waited REAL NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    crash_step INTEGER NOT NULL DEFAULT 0,
    economy INTEGER NOT NULL DEFAULT 0,
    preemptions INTEGER NOT NULL DEFAULT 0,
    cancelling TEXT NOT NULL DEFAULT '',
    ended_at REAL NOT NULL DEFAULT 0,
    ending BLOB,
    layers BLOB
);
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE key != '';
CREATE TABLE timings (
    kind TEXT NOT NULL, pixels INTEGER NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL,
    marks TEXT NOT NULL DEFAULT '[]'
);
"""
_UPGRADES = {1: "ALTER TABLE timings ADD COLUMN marks TEXT NOT NULL DEFAULT '[]';"}
"""What makes the next version of a journal of this one."""
_TIMINGS_KEPT = 2000


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job as it is written down."""

    id: str
    key: str
    client: str
    header: bytes
    submitted_at: float
    started_at: float = 0.0
    running: int = 0
    """0: no worker has it. Else how many daemons in a row will have died with it, if this one
    does."""
    waited: float = 0.0
    """Seconds in the queue so far."""
    crashes: int = 0
    crash_step: int = 0
    economy: int = 0
    preemptions: int = 0
    cancelling: str = ""
    ended_at: float = 0.0
    ending: bytes | None = None
    """The end event."""
    layers: bytes | None = None
    """The result's layer headers, one event record after the other, see `eventlog.py`."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long one job took a worker."""

    kind: str
    pixels: int
    seconds: float
    marks: tuple[float, ...] = ()
    """Seconds until each tenth of its steps was done, see `estimates.Course`; empty if that was
    not kept."""


_COLUMNS = tuple(Row.__annotations__)
_CHANGING = tuple(n for n in _COLUMNS if n not in ("id", "key", "client", "header"))


class Journal:
    """The journal of one daemon, whose lock must be held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._connection = self._thread.submit(_opened, path).result()

    async def rows(self) -> list[Row]:
        """All jobs, first accepted first."""
        return await self._do(_rows)

    async def accept(self, row: Row) -> None:
        """Write a new job down; InternalError if it cannot be done, for the disk may be full."""
        marks = ", ".join("?" * len(_COLUMNS))
        words = f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({marks})"
        # A job that was swept may have its row still; its key is free all the same.
        swept = "DELETE FROM jobs WHERE key = ? AND key != '' AND ending IS NOT NULL"

        def write(db: sqlite3.Connection) -> None:
            db.execute(swept, (row.key,))
            db.execute(words, [getattr(row, name) for name in _COLUMNS])

        await self._do(write)

    async def update(self, row: Row) -> None:
        """Write down how a job stands now."""
        words = f"UPDATE jobs SET {', '.join(f'{n} = ?' for n in _CHANGING)} WHERE id = ?"
        values = [*(getattr(row, name) for name in _CHANGING), row.id]
        await self._do(lambda db: db.execute(words, values))

    async def forget(self, ids: Iterable[str]) -> None:
        """Jobs that were swept."""
        gone = [(name,) for name in ids]
        await self._do(lambda db: db.executemany("DELETE FROM jobs WHERE id = ?", gone))

    async def timings(self) -> list[Timing]:
        """What was measured, oldest first."""
        return await self._do(_timings)

    async def measured(self, timing: Timing) -> None:
        """Keep a measurement, and forget those long ago."""
        words = "INSERT INTO timings VALUES (?, ?, ?, ?, ?)"
        old = "DELETE FROM timings WHERE rowid <= (SELECT max(rowid) FROM timings) - ?"

        known = (timing.kind, timing.pixels, timing.seconds)

        def write(db: sqlite3.Connection) -> None:
            db.execute(words, (*known, time.time(), json.dumps(timing.marks)))
            db.execute(old, (_TIMINGS_KEPT,))

        await self._do(write)

    async def close(self) -> None:
        """After everything asked for has been written."""
        await self._do(lambda db: db.close())
        self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._transact, work)
        except sqlite3.Error as error:
            raise InternalError(
                f"the journal {self._path} cannot be written ({error}); see that the disk has room"
            ) from error

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._connection
        try:
            return work(db)
        finally:
            # A transaction that failed half-way must not hold the lock.
            if _is_open(db) and db.in_transaction:
                db.rollback()


def _is_open(db: sqlite3.Connection) -> bool:
    try:
        return db.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


def _opened(path: Path) -> sqlite3.Connection:
    try:
        # Autocommit: each statement is a transaction of its own.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            version = VERSION
        while version in _UPGRADES:
            words = f"BEGIN; {_UPGRADES[version]} PRAGMA user_version = {version + 1}; COMMIT;"
            db.executescript(words)
            version += 1
    except sqlite3.Error as error:
        raise InternalError(
            f"the journal {path} cannot be read ({error}); move its folder away to start afresh"
        ) from None
    if version != VERSION:
        db.close()
        raise InternalError(
            f"the journal {path} was written by another version of the daemon; "
            "start that one, or move its folder away to start afresh"
        )
    return db


def _rows(db: sqlite3.Connection) -> list[Row]:
    found = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs ORDER BY seq").fetchall()
    return [Row(**dict(zip(_COLUMNS, values, strict=True))) for values in found]


def _timings(db: sqlite3.Connection) -> list[Timing]:
    words = "SELECT kind, pixels, seconds, marks FROM timings ORDER BY rowid"
    return [
        Timing(kind=kind, pixels=pixels, seconds=took, marks=tuple(json.loads(marks)))
        for kind, pixels, took, marks in db.execute(words)
    ]
