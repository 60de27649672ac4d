"""Recovery from an interruption: work in the middle is finished, or started again."""

from __future__ import annotations

import os
from pathlib import Path

from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.work._filters import diagnosis_from, is_wanted
from ldrps_client.hotfolder.work._place import content_of, place, staged_path, sweep
from ldrps_client.hotfolder.work._review import Review
from ldrps_client.hotfolder.work._worker import Notify


def take_up_all(config: FolderConfig, ledger: Ledger, notify: Notify) -> None:
    """Bring every photo to a state where work can go on; safe to be interrupted itself."""
    Review(config.root, ledger).settle()
    for entry in ledger.entries("working", "placing"):
        _take_up(config, ledger, notify, entry)
    # With other conditions than the last time they may be wanted.
    for entry in ledger.entries("skipped"):
        found = diagnosis_from(entry.diagnosis)
        if found is None or is_wanted(config.filters, found):
            ledger.change(entry.key, state="queued", message="")
    if left := ledger.counts().get("queued", 0):
        notify("resumed", count=left)


def _take_up(config: FolderConfig, ledger: Ledger, notify: Notify, entry: Entry) -> None:
    source = os.fsdecode(entry.source)
    folder = config.target / os.path.dirname(source)
    if entry.output and entry.output_content and _finish(entry, folder):
        ledger.end(entry.key, "done", reason="", message="")
        notify("done", source, output=os.fsdecode(entry.output))
    else:
        ledger.change(entry.key, state="queued")
    sweep(folder, entry.key)


def _finish(entry: Entry, folder: Path) -> bool:
    """Finish a placement, and return whether the result is in its place now."""
    target = Path(os.fsdecode(entry.output or b""))
    try:
        if os.path.exists(target):
            return content_of(target) == entry.output_content
        staged = staged_path(folder, entry.key, target.suffix)
        if content_of(staged) != entry.output_content:
            return False
        place(staged, target)
    except OSError:
        return False
    return True
