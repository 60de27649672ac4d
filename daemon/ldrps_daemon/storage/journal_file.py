"""The journal's file: its tables, how former ones are upgraded, and its errors as sentences."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ldrps_daemon.storage.rows import COLUMNS
from ldrps_engine.errors import InternalError
from ldrps_wire.database import connect, upgrade, version_of

_TABLES = """
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
    kind TEXT NOT NULL, pixels INTEGER NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL
)
"""
STEPS = (
    _TABLES,
    "ALTER TABLE timings ADD COLUMN marks TEXT NOT NULL DEFAULT '[]'",
    """
ALTER TABLE jobs ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN submitted_tick REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN ended_tick REAL NOT NULL DEFAULT 0
""",
    "ALTER TABLE jobs RENAME COLUMN economy TO memory_saving",
)
"""Statements that lead from each version of the tables to the next."""
_WAIT_SECONDS = 5.0
# Size to which the write-ahead log is cut back after it was larger.
_LOG_BYTES = 4 << 20
ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Errors of SQLite; the second where it quotes a damaged schema."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def open_journal(path: Path) -> sqlite3.Connection:
    """Open or create the journal; if that fails, InternalError says what to do."""
    try:
        db = connect(path, _WAIT_SECONDS)
    except sqlite3.Error as error:
        raise phrased(path, error) from None
    try:
        path.chmod(0o600)
        version = _prepared(db)
    except ERRORS as error:
        db.close()
        raise phrased(path, error) from None
    except OSError as error:
        db.close()
        raise _read_only(path, error.strerror) from None
    if version != len(STEPS):
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
    upgrade(db, STEPS)
    version = version_of(db)
    if version == len(STEPS):
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            damaged = sqlite3.DatabaseError(found)
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
        db.execute(f"SELECT {', '.join(COLUMNS)} FROM jobs LIMIT 0")
    return version


def phrased(path: Path, error: Exception) -> InternalError:
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
