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
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ldrps_daemon.storage.journal_file import ERRORS, open_journal, phrased
from ldrps_daemon.storage.rows import COLUMNS, Row, Timing
from ldrps_wire.database import transaction

log = logging.getLogger("ldrps.journal")
T = TypeVar("T")

_TIMINGS_KEPT = 2000
# Unused pages that a journal may keep for rows to come.
_MOST_FREE_PAGES = 256
# Allowed numbers of marks of a timing.
_MARKS = (0, 10)
_CHANGING = tuple(n for n in COLUMNS if n not in ("id", "key", "client", "header"))


class Journal:
    """Journal of one daemon, whose lock must be held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._connection = self._thread.submit(open_journal, path).result()

    async def rows(self) -> list[Row]:
        """Return all jobs, first accepted first."""
        return await self._do(_rows)

    async def accept(self, row: Row) -> None:
        """Write a new job down; InternalError if that fails, for the disk may be full."""
        marks = ", ".join("?" * len(COLUMNS))
        words = f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({marks})"
        # A job that was swept may have its row still; its key is free all the same.
        swept = "DELETE FROM jobs WHERE key = ? AND key != '' AND ending IS NOT NULL"

        def write(db: sqlite3.Connection) -> None:
            db.execute(swept, (row.key,))
            db.execute(words, [getattr(row, name) for name in COLUMNS])

        await self._do(write)

    async def update(self, *rows: Row) -> None:
        """Write down the current state of jobs: all of them or none."""
        going = [row for row in rows if row.ending is None]
        ended = [row for row in rows if row.ending is not None]

        def write(db: sqlite3.Connection) -> None:
            # Each statement would be synced by itself, which takes seconds for a long queue.
            with transaction(db):
                _set(db, _CHANGING, going)
                # What only a worker needs of a header, a profile or a mask, may go with the end.
                _set(db, (*_CHANGING, "header"), ended)
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
            return await loop.run_in_executor(self._thread, work, self._connection)
        except ERRORS as error:
            raise phrased(self._path, error) from error


def _set(db: sqlite3.Connection, columns: Sequence[str], rows: Sequence[Row]) -> None:
    words = f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"
    db.executemany(words, [[*(getattr(row, name) for name in columns), row.id] for row in rows])


def _shrink(db: sqlite3.Connection) -> None:
    """Give the disk back what large rows took, which counts towards the spool's size no more."""
    if db.execute("PRAGMA freelist_count").fetchone()[0] > _MOST_FREE_PAGES:
        # Not by `execute`, which asks once where each time frees one page.
        db.executescript("PRAGMA incremental_vacuum;")


def _rows(db: sqlite3.Connection) -> list[Row]:
    found = db.execute(f"SELECT {', '.join(COLUMNS)} FROM jobs ORDER BY seq").fetchall()
    return [Row(**dict(zip(COLUMNS, values, strict=True))) for values in found]


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
