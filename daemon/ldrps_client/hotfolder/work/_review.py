"""A person's verdicts on results: accepted, rejected and moved away, or withdrawn.

A rejected result keeps its entry, so that its photo is never restored again with these settings.
The move is recorded before it begins and after it has ended; if a crash interrupts it, `settle`
finishes it. Originals are never touched.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ldrps_client._text import cause
from ldrps_client.files._folders import is_same
from ldrps_client.hotfolder.detect._rules import REJECTED
from ldrps_client.hotfolder.store._entry import Entry, Verdict
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import results_lock
from ldrps_client.hotfolder.work._place import content_of
from ldrps_client.provenance import read_mark, sidecar_for
from ldrps_engine.errors import NotFoundError, OutputError, SettingsError


def result_path(entry: Entry) -> Path:
    """Return where a result lies now, rejected or not."""
    away = entry.place if entry.verdict == "rejected" else None
    return Path(os.fsdecode(away or entry.output or b""))


def rejected_path(entry: Entry, output: Path) -> Path:
    """Return where a result goes when it is rejected: a folder of ours that mirrors the tree."""
    inside = Path(os.path.dirname(os.fsdecode(entry.source))).parts
    folders = output.parent.parts
    if folders[len(folders) - len(inside) :] != inside:
        # The photo has been moved since.
        inside = ()
    target = Path(*folders[: len(folders) - len(inside)])
    return target.joinpath(REJECTED, *inside, output.name)


class Review:
    """Verdicts on the results of one folder; may be given while it is watched."""

    def __init__(self, root: Path, ledger: Ledger) -> None:
        self._root = root
        self._ledger = ledger

    def accept(self, key: str) -> None:
        """Mark a result as accepted."""
        with results_lock(self._ledger.path):
            entry = self._entry(key)
            if entry.verdict == "rejected":
                raise SettingsError(f"{_name(entry)} was rejected; undo that first")
            self.check(entry)
            self._ledger.judge(entry, "accepted")

    def reject(self, key: str) -> None:
        """Move a result, and its sidecar if it has one, into the folder of rejected ones."""
        with results_lock(self._ledger.path):
            entry = self._entry(key)
            if entry.verdict == "rejected":
                return
            self.check(entry)
            output = result_path(entry)
            wanted = rejected_path(entry, output)
            try:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                self._move(entry, "rejecting", output, _free(wanted))
            except OSError as error:
                raise _refusal(f"{output} cannot be moved to {wanted.parent}", error) from error

    def undo(self, key: str) -> None:
        """Take a verdict back; a rejected result returns to where it was."""
        with results_lock(self._ledger.path):
            entry = self._entry(key)
            if entry.verdict != "rejected":
                return self._ledger.judge(entry, "")
            output, place = Path(os.fsdecode(entry.output or b"")), result_path(entry)
            if not os.path.lexists(place):
                raise NotFoundError(f"{place} is not there any more, so it cannot be moved back")
            for path in (output, sidecar_for(output)):
                if os.path.lexists(path):
                    raise OutputError(f"{path} is there by now; move it away, then undo again")
            try:
                self._move(entry, "returning", place, output)
            except OSError as error:
                raise _refusal(f"{place} cannot be moved back to {output}", error) from error
            _tidy(place.parent)

    def settle(self) -> None:
        """Finish moves that a crash interrupted; those whose disk is away wait for it."""
        for entry in self._ledger.results("rejecting", "returning"):
            with results_lock(self._ledger.path), suppress(OSError):
                self._finish(self._entry(entry.key))

    def check(self, entry: Entry) -> None:
        """Raise unless a result is there and is what was made for this photo.

        Whatever else has that name by now belongs to the user.
        """
        path = result_path(entry)
        if not os.path.lexists(path):
            raise NotFoundError(
                f"{path} is not there any more; if its disk is away, connect it and try again"
            )
        originals = [self._root / os.fsdecode(name) for name in self._ledger.sources(entry.key)]
        if path.is_symlink() or not path.is_file() or any(is_same(path, o) for o in originals):
            raise OutputError(f"{path} is no result of ours any more; it is left as it is")
        try:
            content = content_of(path)
        except OSError as error:
            raise _refusal(f"{path} cannot be read", error) from error
        if content in (entry.output_content, self._ledger.fact(f"amending {entry.key}")):
            return
        if self._ledger.holds(os.fsencode(path), content):
            raise OutputError(f"{path} is the result of another photo by now; it is left as it is")
        if read_mark(path) is None:
            raise OutputError(
                f"{path} has been changed and no longer says that it is a result; "
                "it is left as it is"
            )

    def _entry(self, key: str) -> Entry:
        entry = self._ledger.find(key)
        if entry is None or entry.state != "done" or not entry.output:
            raise NotFoundError("this result is not known any more; reload the page")
        return entry

    def _move(self, entry: Entry, on_the_way: Verdict, source: Path, target: Path) -> None:
        """Move a file, recorded before and after; nothing has changed if that raises OSError."""
        place = target if on_the_way == "rejecting" else source
        self._ledger.judge(entry, on_the_way, os.fsencode(place))
        moving = self._ledger.entry(entry.key)
        try:
            _rename_both(source, target)
        except OSError:
            self._ledger.judge(moving, entry.verdict, entry.place)
            raise
        self._end(moving)

    def _end(self, moving: Entry) -> None:
        if moving.verdict == "rejecting":
            self._ledger.judge(moving, "rejected", moving.place)
        else:
            self._ledger.judge(moving, "")

    def _finish(self, moving: Entry) -> None:
        output, place = (Path(os.fsdecode(path or b"")) for path in (moving.output, moving.place))
        source, target = (output, place) if moving.verdict == "rejecting" else (place, output)
        _rename_both(source, target)
        if os.path.lexists(target):
            self._end(moving)


def _rename_both(source: Path, target: Path) -> None:
    """Rename a result and its sidecar, both or neither; goes on where a crash interrupted it."""
    moved: list[tuple[Path, Path]] = []
    try:
        for one, other in ((source, target), (sidecar_for(source), sidecar_for(target))):
            if os.path.lexists(one) and _reserve(other):
                os.replace(one, other)
                moved.append((one, other))
    except OSError:
        with suppress(OSError):
            _unreserve(target, sidecar_for(target))
            for one, other in moved:
                os.replace(other, one)
        raise


def _reserve(path: Path) -> bool:
    """Take a name, so that renaming to it replaces nothing; False if a file was moved there."""
    try:
        path.open("xb").close()
    except FileExistsError:
        # Empty: taken before a crash. Otherwise what was to be moved there has arrived.
        return path.stat().st_size == 0
    return True


def _unreserve(*paths: Path) -> None:
    for path in paths:
        if path.is_file() and not path.stat().st_size:
            path.unlink()


def _free(wanted: Path) -> Path:
    """Return the first of the numbered names that neither a result nor a sidecar has."""
    path, number = wanted, 1
    while os.path.lexists(path) or os.path.lexists(sidecar_for(path)):
        number += 1
        path = wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}")
    return path


def _tidy(folder: Path) -> None:
    """Remove folders that are empty now, up to the one of all that was rejected."""
    with suppress(OSError):
        while True:
            folder.rmdir()
            if folder.name == REJECTED:
                return
            folder = folder.parent


def _name(entry: Entry) -> str:
    return os.fsdecode(entry.source)


def _refusal(what: str, error: OSError) -> OutputError:
    return OutputError(f"{what}: {cause(error)}; nothing was changed")
