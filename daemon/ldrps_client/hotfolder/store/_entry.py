"""Rows of the ledger as plain objects."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from ldrps_engine.settings import Settings
from ldrps_wire.former_names import current_figures, current_settings, former_settings

State = Literal["queued", "working", "placing", "done", "skipped", "failed", "gone"]
Verdict = Literal["", "accepted", "rejecting", "rejected", "returning"]
"""Verdict of a person on a result. The two in the middle of a move are finished after a crash."""

COLUMNS = (
    "number, key, content, settings, source, state, round, tries, reason, message, job, output,"
    " output_content, diagnosis, words, seconds, found_at, ended_at, warnings, verdict, place"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Size and times that show a file to be unchanged without reading it."""

    size: int
    mtime: int
    """Nanoseconds, as `ctime`; compared for equality only, so that no clock has to be right."""
    ctime: int


@dataclass(frozen=True, slots=True)
class Known:
    """Record of one file in the ledger."""

    identity: Identity
    key: str
    digest: str
    """Digest of the settings that the key was made with."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One photo."""

    number: int
    key: str
    content: str
    settings: Settings
    source: bytes
    """Path within the watched folder."""
    state: State
    round: int
    """Number of times it was handed in to no avail; part of the idempotency key."""
    tries: int
    reason: str
    message: str
    job: str
    output: bytes | None
    output_content: str | None
    diagnosis: dict[str, Any]
    words: str
    seconds: float
    found_at: float
    ended_at: float
    warnings: tuple[str, ...]
    """Warnings, a sentence each."""
    verdict: Verdict
    place: bytes | None
    """Path of a rejected result, or of a result being moved there or back."""


def settings_digest(settings: Settings) -> str:
    """Digest the settings that differ from the defaults: new settings change no old key."""
    given, neutral = settings.as_dict(), Settings().as_dict()
    chosen = {name: value for name, value in given.items() if value != neutral[name]}
    # A file whose digest changes is restored again, so no renaming may change one.
    return hashlib.sha256(json.dumps(former_settings(chosen), sort_keys=True).encode()).hexdigest()[
        :32
    ]


def photo_key(content: str, settings: Settings) -> str:
    """Return a key that is the same for the same bytes under the same settings."""
    return hashlib.sha256(f"{content} {settings_digest(settings)}".encode()).hexdigest()


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Make an entry from a row of COLUMNS."""
    values = dict(zip(COLUMNS.replace(",", "").split(), row, strict=True))
    values["settings"] = _settings(json.loads(values["settings"]))
    values["diagnosis"] = current_figures(json.loads(values["diagnosis"]))
    values["warnings"] = tuple(json.loads(values["warnings"]))
    return Entry(**values)


def _settings(values: dict[str, Any]) -> Settings:
    known = Settings().as_dict()
    # A ledger may have been written by a version with other settings; JSON knows no tuples.
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in current_settings(values).items()
        if name in known
    }
    return Settings(**chosen)
