"""The list failed.csv: photos that could not be restored, and why, for a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ldrps_client._text import plain
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_engine.model_store.atomic import write_atomically

_COLUMNS = ("photo", "reason", "message", "tries", "when")


def write_failures(path: Path, ledger: Ledger, root: Path) -> None:
    """Rewrite the file, whole or not at all."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for entry in ledger.entries("failed"):
        photo = plain(root / os.fsdecode(entry.source))
        when = datetime.fromtimestamp(entry.ended_at).isoformat(timespec="seconds")
        rows.writerow((photo, entry.reason, entry.message, entry.tries, when))
    # The ledger has it all; the next change writes the file again.
    with suppress(OSError):
        write_atomically(path, text.getvalue().encode(errors="replace"))
