"""Journals of daemons in tests: what is in them, and what was moved aside."""

import sqlite3

from ldrps_daemon.storage.recovery import LOST
from ldrps_daemon.storage.repository import JOURNAL

PIXELS = b"x" * (20 * 16 * 3)
"""Samples of the photo that each accepted job has."""


def in_journal(spool, words, *values):
    with sqlite3.connect(spool / JOURNAL) as db:
        found = db.execute(words, values).fetchall()
    db.close()
    return found


def lost(spool):
    return sorted(path.name for path in (spool / LOST).glob("*"))


async def seen(_, jobs):
    return [one.id for one in jobs]
