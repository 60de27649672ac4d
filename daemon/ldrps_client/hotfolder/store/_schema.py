"""Tables of the ledger, and the upgrades from former versions."""

from __future__ import annotations

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS photos (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    settings TEXT NOT NULL,
    source BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    round INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    job TEXT NOT NULL DEFAULT '',
    output BLOB,
    output_content TEXT,
    diagnosis TEXT NOT NULL DEFAULT '{}',
    words TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    found_at REAL NOT NULL,
    ended_at REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS photos_by_state ON photos (state, number);
CREATE INDEX IF NOT EXISTS photos_by_output ON photos (output_content);
CREATE TABLE IF NOT EXISTS files (
    folder BLOB NOT NULL,
    name BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    key TEXT NOT NULL,
    plan TEXT NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_key ON files (key);
"""
_JUDGED = """
ALTER TABLE photos ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
ALTER TABLE photos ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
ALTER TABLE photos ADD COLUMN place BLOB;
CREATE INDEX photos_by_verdict ON photos (verdict, state, ended_at);
"""
_RENAMED = "ALTER TABLE files RENAME COLUMN plan TO settings_digest;"
STEPS = (_SCHEMA, _JUDGED, _RENAMED)
"""Statements that lead from each version of the schema to the next."""
