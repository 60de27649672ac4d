"""Parts of the ledger's transactions, each run within an open one."""

from __future__ import annotations

import json
import sqlite3
import time

from ldrps_client.hotfolder.store._entry import (
    COLUMNS,
    Entry,
    Identity,
    entry_of,
    photo_key,
    settings_digest,
)
from ldrps_engine.settings import Settings


def add(
    db: sqlite3.Connection,
    folder: bytes,
    name: bytes,
    identity: Identity,
    content: str,
    settings: Settings,
) -> Entry:
    """Take in a settled photo; returns the existing entry if the content is known."""
    key, digest = photo_key(content, settings), settings_digest(settings)
    path = folder + b"/" + name if folder else name
    old = db.execute(
        "SELECT key FROM files WHERE folder = ? AND name = ?", (folder, name)
    ).fetchone()
    note_file(db, folder, name, identity, key, digest)
    if old and old[0] != key:
        _supersede(db, old[0], path)
    db.execute(
        "INSERT OR IGNORE INTO photos (key, content, settings, source, found_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (key, content, json.dumps(settings.as_dict()), path, time.time()),
    )
    db.execute(
        "UPDATE photos SET state = 'queued', source = ?, tries = 0"
        " WHERE key = ? AND state = 'gone'",
        (path, key),
    )
    # Before the transaction ends: once others see the photo they may be done with it at once.
    return entry(db, key)


def entry(db: sqlite3.Connection, key: str) -> Entry:
    """Return the photo with this key, which must be there."""
    query = f"SELECT {COLUMNS} FROM photos WHERE key = ?"
    return entry_of(db.execute(query, (key,)).fetchone())


def note_file(
    db: sqlite3.Connection, folder: bytes, name: bytes, identity: Identity, key: str, digest: str
) -> None:
    """Remember a file as it is now, and its photo."""
    db.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
        (folder, name, identity.size, identity.mtime, identity.ctime, key, digest),
    )


def _supersede(db: sqlite3.Connection, key: str, path: bytes) -> None:
    """Drop the old content of a file that waited or failed and has another one now."""
    other = db.execute("SELECT folder, name FROM files WHERE key = ?", (key,)).fetchone()
    if other:
        elsewhere = other[0] + b"/" + other[1] if other[0] else other[1]
        db.execute(
            "UPDATE photos SET source = ? WHERE key = ? AND source = ?", (elsewhere, key, path)
        )
    else:
        db.execute("DELETE FROM photos WHERE key = ? AND state IN ('queued', 'failed')", (key,))
