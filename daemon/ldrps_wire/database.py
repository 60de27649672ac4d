"""SQLite files of ours: each statement a transaction unless said otherwise, upgraded by steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def connect(path: Path, wait: float) -> sqlite3.Connection:
    """Open, or make, a file for any number of threads, which take turns by themselves.

    `wait`: seconds that another process may hold the lock.
    """
    return sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write all or nothing; one that fails half-way does not hold the lock."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        # An error may have ended the transaction, or closed the file.
        if _is_open(db) and db.in_transaction:
            db.execute("ROLLBACK")
        raise


def version_of(db: sqlite3.Connection) -> int:
    """Number of the steps that have led to the file's tables; 0 for a new file."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def upgrade(db: sqlite3.Connection, steps: Sequence[str]) -> None:
    """Take the steps that the file's tables lack, each some statements, all in one transaction."""
    if version_of(db) >= len(steps):
        return
    with transaction(db):
        # Asked again: another process may have been faster.
        for statement in ";".join(steps[version_of(db) :]).split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(steps)}")


def _is_open(db: sqlite3.Connection) -> bool:
    try:
        return db.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False
