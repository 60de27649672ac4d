"""One self-contained HTML page: photos that came in, results, and failures."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from ldrps_client._text import cause_and_remedy, shown
from ldrps_client.files._names import part_path
from ldrps_client.hotfolder.report._log import duration
from ldrps_client.hotfolder.report._page_template import CARD, FAILURE, FOLDER, PAGE, SLIDER
from ldrps_client.hotfolder.report._thumbnails import picture_path
from ldrps_client.hotfolder.report.status import status_of
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import StateFolder
from ldrps_client.hotfolder.work._review import result_path
from ldrps_engine.errors import OutputError
from ldrps_engine.model_store.atomic import write_atomically

SHOWN = 60
"""Most photos of a folder, the newest; some 150 kB each."""
_FIGURES = {
    "noise_sigma": ("noise", "{:.1f}"),
    "haze": ("haze", "{:.2f}"),
    "darkness": ("darkness", "{:.2f}"),
    "cast": ("cast", "{:.2f}"),
    "blocks": ("blocks", "{:.1f}"),
    "hot_pixels": ("hot pixels", "{:.0f}"),
    "damage": ("damage", "{:.2%}"),
}


def write_report(path: Path, states: Sequence[tuple[Path, StateFolder]]) -> Path:
    """Write the page, whole or not at all; OutputError if that fails."""
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder; name the page, or put the folder first")
    if path.suffix.lower() not in (".html", ".htm"):
        path = path.with_name(f"{path.name}.html")
    page = report_page(states)
    try:
        write_atomically(path, page.encode(), part_path(path))
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {cause_and_remedy(error)}") from error
    return path


def report_page(states: Sequence[tuple[Path, StateFolder]]) -> str:
    """Return the page as text."""
    when = datetime.now().strftime("%Y-%m-%d %H:%M")
    folders = "".join(_folder(root, state) for root, state in states)
    return PAGE.substitute(when=when, folders=folders or "<p>No folder was ever watched.</p>")


def _folder(root: Path, state: StateFolder) -> str:
    status = status_of(root, state)
    with closing(Ledger(state.ledger)) as ledger:
        done = ledger.entries("done", limit=SHOWN, newest=True)
        failed = ledger.entries("failed", limit=10 * SHOWN, newest=True)
        skipped = ledger.entries("skipped", limit=SHOWN, newest=True)
        took = ledger.seconds()
    return FOLDER.substitute(
        name=_text(root),
        now=_text(status["now"]),
        counts=_counts(status),
        took=duration(took),
        cards="".join(_card(root, state, entry) for entry in done) or "<p>Nothing yet.</p>",
        more=_more(status["done"], len(done), "restored"),
        failures="".join(_failure(entry) for entry in failed) or _row("Nothing failed."),
        skipped="".join(_skipped(entry) for entry in skipped) or _row("Nothing was skipped."),
        skipped_more=_more(status["skipped"], len(skipped), "skipped"),
    )


def _counts(status: dict[str, Any]) -> str:
    names = {
        "done": "restored",
        "skipped": "needed nothing",
        "working": "in work",
        "queued": "waiting",
        "failed": "failed",
        "gone": "went away",
    }
    return "".join(
        f'<div class="{key}"><b>{status[key]}</b> {name}</div>' for key, name in names.items()
    )


def _more(total: int, here: int, what: str) -> str:
    return f"<p>The newest {here} of {total} {what}.</p>" if total > here else ""


def _row(text: str) -> str:
    return f"<tr><td colspan=3>{text}</td></tr>"


def _card(root: Path, state: StateFolder, entry: Entry) -> str:
    output = os.path.relpath(result_path(entry), root)
    return CARD.substitute(
        slider=_slider(state, entry),
        name=_text(os.fsdecode(entry.source)),
        output=_text(f"{output} ({entry.verdict})" if entry.verdict else output),
        words=_text(entry.words or entry.message or "not diagnosed"),
        figures=_figures(entry.diagnosis),
        recipe=_text(entry.settings.recipe),
        seconds=duration(entry.seconds),
        when=_when(entry.ended_at),
    )


def _slider(state: StateFolder, entry: Entry) -> str:
    before, after = (_picture(state, entry.key, which) for which in ("before", "after"))
    if not before or not after:
        return '<div class="none">no pictures kept</div>'
    return SLIDER.substitute(before=before, after=after, name=_text(os.fsdecode(entry.source)))


def _picture(state: StateFolder, key: str, which: str) -> str:
    try:
        data = picture_path(state.pictures, key, which).read_bytes()
    except OSError:
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _figures(diagnosis: dict[str, Any]) -> str:
    found = [
        f"{name} {form.format(float(diagnosis[key]))}"
        for key, (name, form) in _FIGURES.items()
        if key in diagnosis
    ]
    return _text(", ".join(found))


def _failure(entry: Entry) -> str:
    return FAILURE.substitute(
        name=_text(os.fsdecode(entry.source)),
        message=_text(entry.message),
        when=_when(entry.ended_at),
    )


def _skipped(entry: Entry) -> str:
    words = ", ".join(filter(None, (entry.words, _figures(entry.diagnosis))))
    return FAILURE.substitute(
        name=_text(os.fsdecode(entry.source)), message=_text(words), when=_when(entry.ended_at)
    )


def _text(value: object) -> str:
    return html.escape(shown(str(value)))


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else ""
