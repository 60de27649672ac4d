"""Results of the hot folder on the page, to be looked at and accepted or rejected.

All is read from the ledgers, whether a watcher runs or not, and verdicts are written there. Views
are made of the files themselves, so that a photo is judged at its own pixels.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldrps_client._text import shown
from ldrps_client.files import LoadedFile, decode
from ldrps_client.hotfolder.detect._settling import identity_of
from ldrps_client.hotfolder.report._thumbnails import picture_path
from ldrps_client.hotfolder.report.status import activity, state_folders
from ldrps_client.hotfolder.store._entry import Entry, Verdict
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import StateFolder, state_home
from ldrps_client.hotfolder.work._place import content_of
from ldrps_client.hotfolder.work._review import Review, result_path
from ldrps_client.provenance import read_mark
from ldrps_client.web._reading import AFTER, BEFORE, SMALL, findings
from ldrps_client.web._views import write_view
from ldrps_engine.errors import LdrpsError, NotFoundError, SettingsError

MOST = 200
"""Most results listed of each folder and verdict, the newest."""
# Most results whose views are kept; some megabytes each.
_KEPT = 12
_GROUPS: tuple[tuple[Verdict, ...], ...] = (
    ("",),
    ("accepted",),
    # Those on their way wait for a disk.
    ("rejected", "rejecting", "returning"),
)
_STATES = {"": "open", "accepted": "accepted"}
_ACTS = {"accepted": Review.accept, "rejected": Review.reject, "": Review.undo}


class Watched:
    """Hot folders of this user. Used from many threads."""

    def __init__(self, folder: Path) -> None:
        """Take the `folder` for views, which others remove."""
        self._folder = folder
        self._making = threading.Lock()
        self._number = 0
        self._views: OrderedDict[Path, tuple[Any, dict[str, Any]]] = OrderedDict()

    def listing(self) -> dict[str, Any]:
        """Return all that there is to show, with a version that changes when it does."""
        folders: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        for state in state_folders():
            try:
                with closing(Ledger(state.ledger)) as ledger:
                    folders.append(_folder(state, ledger))
                    results += _results(state, ledger)
            except LdrpsError as error:
                # The others are shown all the same.
                folders.append({"id": state.path.name, "trouble": shown(str(error))})
        answer = {"folders": folders, "results": results}
        digest = hashlib.sha256(json.dumps(answer).encode()).hexdigest()
        return {"version": digest[:16], **answer}

    def judge(self, folder: str, key: str, verdict: object) -> None:
        """Accept or reject a result, or take that back (empty)."""
        if not isinstance(verdict, str) or verdict not in _ACTS:
            raise SettingsError(f"verdict is {shown(str(verdict))}; use accepted, rejected or ''")
        with _opened(folder) as opened:
            _ACTS[verdict](Review(_root(opened.ledger), opened.ledger), key)

    def details(self, folder: str, key: str) -> dict[str, Any]:
        """Return the facts about one result, read from its files; that makes its views too."""
        with _opened(folder) as opened:
            entry = _entry(opened.ledger, key)
            return self._views_of(opened, entry) | _trouble(opened.ledger, entry)

    def picture(self, folder: str, key: str, which: str) -> Path:
        """Return the file of a picture of one result; NotFoundError if there is none."""
        with _opened(folder) as opened:
            entry = _entry(opened.ledger, key)
            path = picture_path(opened.state.pictures, entry.key, AFTER)
            if which != SMALL:
                self._views_of(opened, entry)
                path = self._place(opened, entry) / which
        if which not in (BEFORE, AFTER, SMALL) or not path.is_file():
            raise NotFoundError("there is no such picture of this result; reload the page")
        return path

    def _views_of(self, opened: _Opened, entry: Entry) -> dict[str, Any]:
        """Return the facts about a result whose views are made; again if its files have changed."""
        files = [_seen(path) for path in (result_path(entry), _source(opened.ledger, entry))]
        place = self._place(opened, entry)
        with self._making:
            made, facts = self._views.get(place, (None, {}))
            if made != files:
                self._number += 1
                facts = _looked_at(place, opened, entry) | {"number": self._number}
            self._views[place] = files, facts
            self._views.move_to_end(place)
            self._drop_old()
            return facts

    def _place(self, opened: _Opened, entry: Entry) -> Path:
        # Two folders may hold the same photo.
        return self._folder / f"watched-{opened.state.path.name}-{entry.key[:24]}"

    def _drop_old(self) -> None:
        while len(self._views) > _KEPT:
            old, _ = self._views.popitem(last=False)
            shutil.rmtree(old, ignore_errors=True)


def _folder(state: StateFolder, ledger: Ledger) -> dict[str, Any]:
    """Describe one folder, with the numbers of its photos; finishes moves that were interrupted."""
    root = _root(ledger)
    Review(root, ledger).settle()
    verdicts, counts = ledger.verdicts(), ledger.counts()
    return {
        "id": state.path.name,
        "root": shown(str(root)),
        "now": activity(root, state, ledger),
        "open": verdicts.get("", 0),
        "accepted": verdicts.get("accepted", 0),
        "rejected": verdicts.get("rejected", 0),
        "failed": counts.get("failed", 0),
    }


def _results(state: StateFolder, ledger: Ledger) -> Iterator[dict[str, Any]]:
    root = _root(ledger)
    for verdicts in _GROUPS:
        for entry in ledger.results(*verdicts, limit=MOST):
            yield _listed(state, root, entry)
    for entry in ledger.entries("failed", limit=MOST, newest=True):
        yield _listed(state, root, entry) | {"trouble": shown(entry.message)}


def _listed(state: StateFolder, root: Path, entry: Entry) -> dict[str, Any]:
    path = result_path(entry)
    return {
        "id": f"{state.path.name}/{entry.key}",
        "state": "failed" if entry.state == "failed" else _STATES.get(entry.verdict, "rejected"),
        "name": shown(os.path.basename(os.fsdecode(entry.source))),
        "source": shown(str(root / os.fsdecode(entry.source))),
        "result": shown(str(path)) if entry.output else "",
        "there": bool(entry.output) and os.path.lexists(path),
        "small": picture_path(state.pictures, entry.key, AFTER).is_file(),
        "words": shown(entry.words or entry.message),
        "findings": [shown(one) for one in findings(entry.words)] if entry.words else [],
        "warnings": [shown(sentence) for sentence in entry.warnings],
        "recipe": entry.settings.recipe,
        "strength": entry.settings.strength,
        "amounts": dict(entry.settings.amounts),
        "seconds": entry.seconds,
        "when": entry.ended_at,
    }


def _seen(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time, which identify it even after it was moved."""
    now = identity_of(path)
    return (now.size, now.mtime) if now else None


def _source(ledger: Ledger, entry: Entry) -> Path:
    """Return the path where the photo was seen last."""
    names = [entry.source, *ledger.sources(entry.key)]
    paths = [_root(ledger) / os.fsdecode(name) for name in names]
    return next((path for path in paths if path.is_file()), paths[0])


def _original(ledger: Ledger, entry: Entry) -> LoadedFile:
    """Read the photo as it was restored; LdrpsError if it is gone or has changed."""
    path = _source(ledger, entry)
    if path.is_file() and content_of(path) == entry.content:
        return decode(path)
    raise NotFoundError(
        f"{path} has been moved or changed since it was "
        "restored, so what was kept for the report is shown as before"
    )


def _result(ledger: Ledger, entry: Entry) -> LoadedFile:
    Review(_root(ledger), ledger).check(entry)
    return decode(result_path(entry))


def _facts(loaded: LoadedFile) -> dict[str, Any]:
    photo = loaded.photo
    kind = f"{loaded.format.name}, {photo.depth.dtype.itemsize * 8} bit"
    return {"width": photo.width, "height": photo.height, "kind": kind}


def _kept(
    state: StateFolder, entry: Entry, which: str, view: Path, facts: dict[str, Any]
) -> dict[str, Any]:
    """Use the report's thumbnail if none can be made."""
    from PIL import Image

    view.unlink(missing_ok=True)
    kept = picture_path(state.pictures, entry.key, which)
    if not kept.is_file():
        return {}
    shutil.copyfile(kept, view)
    view.chmod(0o600)
    with Image.open(view) as image:
        return {} if facts["width"] else {"width": image.width, "height": image.height}


def _looked_at(place: Path, opened: _Opened, entry: Entry) -> dict[str, Any]:
    """Read both files of a result and make its views."""
    place.mkdir(mode=0o700, exist_ok=True)
    facts: dict[str, Any] = {"width": 0, "height": 0, "kind": "", "remarks": []}
    for which, load in ((BEFORE, _original), (AFTER, _result)):
        try:
            loaded = load(opened.ledger, entry)
            write_view(place / which, loaded.photo)
            facts |= _facts(loaded)
        except (LdrpsError, OSError) as error:
            facts["remarks"].append(shown(str(error)))
            facts |= _kept(opened.state, entry, which, place / which, facts)
    return facts | _facts_of(entry)


def _facts_of(entry: Entry) -> dict[str, Any]:
    try:
        mark = read_mark(result_path(entry))
    except LdrpsError:
        mark = None
    generated = mark.generated[0] if mark and mark.generated else None
    return {"generated": generated, "description": shown(mark.description) if mark else ""}


def _trouble(ledger: Ledger, entry: Entry) -> dict[str, Any]:
    """Explain why no verdict can be given; checked each time, for files come and go."""
    try:
        Review(_root(ledger), ledger).check(entry)
    except LdrpsError as error:
        return {"trouble": shown(str(error))}
    return {"trouble": ""}


def _root(ledger: Ledger) -> Path:
    return Path(ledger.fact("root"))


def _entry(ledger: Ledger, key: str) -> Entry:
    entry = ledger.find(key)
    if entry is None or entry.state != "done" or not entry.output:
        raise NotFoundError("this result is not known any more; reload the page")
    return entry


@dataclass(frozen=True)
class _Opened:
    """One folder's state and its ledger."""

    state: StateFolder
    ledger: Ledger


@contextmanager
def _opened(folder: str) -> Iterator[_Opened]:
    """Open a folder by the name under which the page knows it."""
    for state in state_folders():
        if state.path.name == folder:
            with closing(Ledger(state.ledger)) as ledger:
                yield _Opened(state, ledger)
            return
    raise NotFoundError(f"this folder has no ledger in {state_home()} any more; reload the page")
