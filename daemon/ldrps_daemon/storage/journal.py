"""Record of every accepted job, in SQLite, until it is swept.

Write-ahead log, `synchronous=FULL`: when a call here returns, what it wrote outlives a crash of
the machine. One thread owns the connection, so that no sync ever holds up the event loop.
The events of a job lie in its folder, see `eventlog.py`; measured times, in `timings`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ldrps_engine.errors import InternalError

log = logging.getLogger("ldrps.journal")
T = TypeVar("T")

VERSION = 3
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
    layers BLOB,
    boot TEXT NOT NULL DEFAULT '',
    submitted_tick REAL NOT NULL DEFAULT 0,
    ended_tick REAL NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE key != '';
CREATE TABLE timings (
    kind TEXT NOT NULL, pixels INTEGER NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL,
    marks TEXT NOT NULL DEFAULT '[]'
);
"""
_UPGRADES = {
    1: "ALTER TABLE timings ADD COLUMN marks TEXT NOT NULL DEFAULT '[]';",
    2: """
ALTER TABLE jobs ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN submitted_tick REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN ended_tick REAL NOT NULL DEFAULT 0;
""",
}
"""Statements that upgrade a journal of a version to the next one."""
_TIMINGS_KEPT = 2000
_MOST_FREE_PAGES = 256
"""Unused pages that a journal may keep for rows to come."""
_LOG_BYTES = 4 << 20
"""Size to which the write-ahead log is cut back after it was larger."""
_ID = re.compile("[0-9a-f]{16}")
_MARKS = (0, 10)
"""Allowed numbers of marks of a timing."""
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Errors of SQLite; the second where it quotes a damaged schema."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


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
    """Daemons in a row that will have died with it, if this one does; 0: no worker has it."""
    waited: float = 0.0
    """Seconds in the queue so far."""
    crashes: int = 0
    crash_step: int = 0
    economy: int = 0
    preemptions: int = 0
    cancelling: str = ""
    ended_at: float = 0.0
    ending: bytes | None = None
    """End event, serialised."""
    layers: bytes | None = None
    """Headers of the result's layers, one event after the other, see `eventlog.pack`."""
    boot: str = ""
    """Boot in whose time the next two are, see `clock.py`."""
    submitted_tick: float = 0.0
    ended_tick: float = 0.0

    def check(self) -> None:
        """Raise ValueError for values that this daemon would not write: files get damaged."""
        for name, kind in self.__annotations__.items():
            value = getattr(self, name)
            if not isinstance(value, _KINDS[kind]) or not _is_finite(value):
                raise ValueError(f"{name} is {value!r:.40}")
        # It becomes a path.
        if not _ID.fullmatch(self.id):
            raise ValueError(f"id is {self.id!r:.40}")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Time that one job took a worker."""

    kind: str
    pixels: int
    seconds: float
    marks: tuple[float, ...] = ()
    """Seconds until each tenth of its steps was done, see `estimates.Course`; empty: unknown."""


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bytes": (bytes,),
    "int": (int,),
    "float": (float, int),
    "bytes | None": (bytes, type(None)),
}
_COLUMNS = tuple(Row.__annotations__)
_CHANGING = tuple(n for n in _COLUMNS if n not in ("id", "key", "client", "header"))


class Journal:
    """Journal of one daemon, whose lock must be held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._connection = self._thread.submit(_opened, path).result()

    async def rows(self) -> list[Row]:
        """Return all jobs, first accepted first."""
        return await self._do(_rows)

    async def accept(self, row: Row) -> None:
        """Write a new job down; InternalError if that fails, for the disk may be full."""
        marks = ", ".join("?" * len(_COLUMNS))
        words = f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({marks})"
        # A job that was swept may have its row still; its key is free all the same.
        swept = "DELETE FROM jobs WHERE key = ? AND key != '' AND ending IS NOT NULL"

        def write(db: sqlite3.Connection) -> None:
            db.execute(swept, (row.key,))
            db.execute(words, [getattr(row, name) for name in _COLUMNS])

        await self._do(write)

    async def update(self, *rows: Row) -> None:
        """Write down the current state of jobs: all of them or none."""
        going = [row for row in rows if row.ending is None]
        ended = [row for row in rows if row.ending is not None]

        def write(db: sqlite3.Connection) -> None:
            # Each statement would be synced by itself, which takes seconds for a long queue.
            db.execute("BEGIN")
            _set(db, _CHANGING, going)
            # What only a worker needs of a header, a profile or a mask, may go with the end.
            _set(db, (*_CHANGING, "header"), ended)
            db.execute("COMMIT")
            if ended:
                _shrink(db)

        await self._do(write)

    async def forget(self, ids: Iterable[str]) -> None:
        """Remove jobs that were swept."""
        gone = [(name,) for name in ids]

        def remove(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM jobs WHERE id = ?", gone)
            _shrink(db)

        await self._do(remove)

    async def timings(self) -> list[Timing]:
        """Return the measured times, oldest first."""
        return await self._do(_timings)

    async def measured(self, timing: Timing) -> None:
        """Keep a measurement, and forget the oldest ones."""
        words = "INSERT INTO timings VALUES (?, ?, ?, ?, ?)"
        old = "DELETE FROM timings WHERE rowid <= (SELECT max(rowid) FROM timings) - ?"

        known = (timing.kind, timing.pixels, timing.seconds)

        def write(db: sqlite3.Connection) -> None:
            db.execute(words, (*known, time.time(), json.dumps(timing.marks)))
            db.execute(old, (_TIMINGS_KEPT,))

        await self._do(write)

    async def close(self) -> None:
        """Close the file after all requested writes."""
        await self._do(lambda db: db.close())
        self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._transact, work)
        except _ERRORS as error:
            raise _trouble(self._path, error) from error

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._connection
        try:
            return work(db)
        finally:
            # A transaction that failed half-way must not hold the lock.
            if _is_open(db) and db.in_transaction:
                db.rollback()


def _set(db: sqlite3.Connection, columns: Sequence[str], rows: Sequence[Row]) -> None:
    words = f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"
    db.executemany(words, [[*(getattr(row, name) for name in columns), row.id] for row in rows])


def _shrink(db: sqlite3.Connection) -> None:
    """Give the disk back what large rows took, which counts towards the spool's size no more."""
    if db.execute("PRAGMA freelist_count").fetchone()[0] > _MOST_FREE_PAGES:
        # Not by `execute`, which asks once where each time frees one page.
        db.executescript("PRAGMA incremental_vacuum;")


def _is_open(db: sqlite3.Connection) -> bool:
    try:
        return db.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


def _trouble(path: Path, error: Exception) -> InternalError:
    """Phrase an error of SQLite as a sentence."""
    said = " ".join(str(error).split())
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_FULL) & 0xFF
    if isinstance(error, UnicodeDecodeError):
        said, code = "its tables have names that are no text", sqlite3.SQLITE_CORRUPT
    if code in _DAMAGED:
        return InternalError(
            f"the journal {path} cannot be read ({said}); move its folder away to start afresh, "
            "and keep it, for the photos lie in there"
        )
    if code in _READ_ONLY:
        return _read_only(path, said)
    return InternalError(
        f"the journal {path} cannot be written ({said}); see that the disk has room"
    )


def _read_only(path: Path, why: object) -> InternalError:
    return InternalError(
        f"the journal {path} cannot be written ({why}); make its folder writable, or give "
        "another one with --spool"
    )


def _opened(path: Path) -> sqlite3.Connection:
    try:
        # Autocommit: each statement is a transaction of its own.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _trouble(path, error) from None
    try:
        path.chmod(0o600)
        version = _prepared(db)
    except _ERRORS as error:
        db.close()
        raise _trouble(path, error) from None
    except OSError as error:
        db.close()
        raise _read_only(path, error.strerror) from None
    if version != VERSION:
        db.close()
        raise InternalError(
            f"the journal {path} was written by another version of the daemon; "
            "start that one, or move its folder away to start afresh"
        )
    return db


def _prepared(db: sqlite3.Connection) -> int:
    """Make the tables, or upgrade them, and check that they are whole; returns their version."""
    # Damaged letters must cost one row, not all of them.
    db.text_factory = lambda data: data.decode(errors="backslashreplace")
    if not db.execute("PRAGMA page_count").fetchone()[0]:
        # Before there is a table; a journal that has some keeps its way, and all its pages.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    db.execute("PRAGMA synchronous = FULL")
    # Shows a file that can only be read now, and not with the first photo.
    db.execute("BEGIN IMMEDIATE")
    db.execute("ROLLBACK")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        version = VERSION
    while version in _UPGRADES:
        words = f"BEGIN; {_UPGRADES[version]} PRAGMA user_version = {version + 1}; COMMIT;"
        db.executescript(words)
        version += 1
    if version == VERSION:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            damaged = sqlite3.DatabaseError(found)
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
        db.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs LIMIT 0")
    return version


def _rows(db: sqlite3.Connection) -> list[Row]:
    found = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs ORDER BY seq").fetchall()
    return [Row(**dict(zip(_COLUMNS, values, strict=True))) for values in found]


def _timings(db: sqlite3.Connection) -> list[Timing]:
    words = "SELECT kind, pixels, seconds, marks FROM timings ORDER BY rowid"
    found = [_timing(*values) for values in db.execute(words)]
    if bad := found.count(None):
        log.warning("%d measurements in the journal are damaged and not heeded", bad)
    return [timing for timing in found if timing]


def _timing(kind: Any, pixels: Any, seconds: Any, marks: Any) -> Timing | None:
    """Parse a measurement; None if it is damaged, which only makes estimates worse."""
    try:
        known = tuple(float(mark) for mark in json.loads(marks))
        timing = Timing(kind=str(kind), pixels=int(pixels), seconds=float(seconds), marks=known)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    sound = all(math.isfinite(number) and number >= 0 for number in (*known, timing.seconds))
    return timing if sound and timing.pixels >= 0 and len(known) in _MARKS else None


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
