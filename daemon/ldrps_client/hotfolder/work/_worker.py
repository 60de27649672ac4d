"""Way of one photo: read, diagnosed, handed in, waited for, placed. Safe to be killed anywhere."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, cast

from ldrps_client import events
from ldrps_client._result import Result
from ldrps_client._text import cause_and_remedy
from ldrps_client.client import Choices, Client
from ldrps_client.files import LoadedFile, decode
from ldrps_client.files._names import longest_name
from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.detect._mounts import Presence
from ldrps_client.hotfolder.detect._rules import ending_for, result_name
from ldrps_client.hotfolder.detect._settling import identity_of
from ldrps_client.hotfolder.report._thumbnails import keep_pictures
from ldrps_client.hotfolder.store._entry import Entry, settings_digest
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import StateFolder
from ldrps_client.hotfolder.work._filters import is_wanted
from ldrps_client.hotfolder.work._place import content_of, pass_on, place, staged_path, sweep
from ldrps_client.hotfolder.work._retry import is_common
from ldrps_client.hotfolder.work._review import rejected_path
from ldrps_client.hotfolder.work._sidecars import identities, with_sidecars
from ldrps_client.provenance import pixel_digest, read_mark, sidecar_for
from ldrps_engine.analysis.inset import diagnose_photo
from ldrps_engine.errors import LdrpsError, OutputError, PhotoError
from ldrps_engine.photo import Depth


class StoppedError(Exception):
    """End of the watcher; the photo is taken up again at the next start."""


class ChangedError(Exception):
    """Change of the file since it was taken in."""


class Notify(Protocol):
    """Receiver of events; see `_show`."""

    def __call__(self, kind: str, photo: str = "", **facts: object) -> None: ...


class Worker:
    """Works on one photo at a time; each thread has its own."""

    def __init__(
        self,
        config: FolderConfig,
        state: StateFolder,
        ledger: Ledger,
        client: Client,
        *,
        notify: Notify,
        stop: threading.Event,
        presence: Presence,
        again: Callable[[Path], None],
    ) -> None:
        """Take the parts; `again(path)` lets a file settle again."""
        self._config = config
        self._state = state
        self._ledger = ledger
        self._client = client
        self._notify = notify
        self._stop = stop
        self._presence = presence
        self._again = again

    def work(self, entry: Entry) -> None:
        """Bring a claimed photo to its end. LdrpsError says why that failed.

        StoppedError and ChangedError are no failures.
        """
        source = self._config.root / os.fsdecode(entry.source)
        loaded = self._read(source, entry)
        shown = os.fsdecode(entry.source)
        if self._is_clean(entry, loaded):
            self._skip(entry, loaded)
        elif found := self._made_before(entry, loaded):
            self._know(entry, found, found)
        elif found := self._rejected_before(entry, loaded):
            output = self._config.target / os.path.dirname(shown) / found.name
            self._know(entry, found, output, verdict="rejected", place=os.fsencode(found))
        else:
            result = self._restored(entry, loaded)
            # Only now: while the daemon worked they may have come or changed.
            seen = identities(source)
            result = replace(result, source=with_sidecars(loaded, self._config.keyword))
            target = self._keep(entry, loaded, result)
            self._notify(
                "done",
                shown,
                output=str(target),
                words=result.summary,
                seconds=round(result.seconds, 1),
            )
            self._warn(shown, result.source)
            for path in identities(source).items() - seen.items():
                # It came in just these moments, and goes the way of those that come later.
                self._again(path[0])
            keep_pictures(self._state.pictures, entry.key, loaded.photo, result.photo)

    def _warn(self, shown: str, source: LoadedFile | None) -> None:
        """Report oddities of a photo or its sidecars that were tolerated."""
        for sentence in source.warnings if source else ():
            self._notify("warning", shown, message=sentence)

    def _read(self, source: Path, entry: Entry) -> LoadedFile:
        if identity_of(source) is None:
            raise ChangedError
        try:
            loaded = decode(source)
        except PhotoError:
            self._check_content(source, entry)
            raise
        # After decoding: what was read is what the ledger knows, even if it changes from now on.
        self._check_content(source, entry)
        return loaded

    def _check_content(self, source: Path, entry: Entry) -> None:
        try:
            content = content_of(source)
        except FileNotFoundError:
            raise ChangedError from None
        except OSError as error:
            why = cause_and_remedy(error)
            raise PhotoError(f"{source} cannot be read: {why}") from error
        if content != entry.content:
            raise ChangedError

    def _is_clean(self, entry: Entry, loaded: LoadedFile) -> bool:
        if not self._config.filters:
            return False
        found = diagnose_photo(loaded.photo)
        self._ledger.change(entry.key, diagnosis=json.dumps(asdict(found)), words=found.words())
        return not is_wanted(self._config.filters, found)

    def _skip(self, entry: Entry, loaded: LoadedFile) -> None:
        shown, words = os.fsdecode(entry.source), self._ledger.entry(entry.key).words
        if (wanted := self._config.link_clean) != "no":
            folder = self._folder(entry)
            staged = staged_path(folder, entry.key, loaded.path.suffix)
            try:
                with writing_to(folder):
                    how = pass_on(loaded.path, staged, folder / loaded.path.name, wanted)
            finally:
                sweep(folder, entry.key)
            if how != wanted:
                message = f"no {wanted} can be made in {folder}, so originals are copied to it"
                self._notify("warning", shown, message=message)
        self._ledger.end(entry.key, "skipped", message="it needs nothing")
        self._notify("skipped", shown, words=words)

    def _know(self, entry: Entry, found: Path, output: Path, **values: Any) -> None:
        """Record an existing result as the photo's."""
        self._ledger.end(
            entry.key,
            "done",
            output=os.fsencode(output),
            output_content=content_of(found),
            message="was there already",
            **values,
        )
        shown = os.fsdecode(entry.source)
        self._notify("done", shown, output=str(found), words="was there already", seconds=0.0)

    def _made_before(self, entry: Entry, loaded: LoadedFile) -> Path | None:
        """Find an existing result, from a ledger that was lost or another machine."""
        return _made(loaded, entry, lambda number: self._target(entry, loaded, number))

    def _rejected_before(self, entry: Entry, loaded: LoadedFile) -> Path | None:
        """Find an existing result that was rejected then."""

        def path(number: int) -> Path:
            return rejected_path(entry, self._target(entry, loaded, number))

        return _made(loaded, entry, path)

    def _restored(self, entry: Entry, loaded: LoadedFile) -> Result:
        shown = os.fsdecode(entry.source)
        job = self._client.submit(
            loaded,
            detached=True,
            batch=True,
            # The same after a crash, another one after the daemon said that it failed.
            idempotency_key=f"watch-{entry.key}-{entry.round}",
            **cast(Choices, entry.settings.as_dict()),
        )
        self._ledger.change(entry.key, job=job)
        self._notify("started", shown, job=job)

        def on_event(event: events.Event) -> None:
            if self._stop.is_set():
                raise StoppedError
            if isinstance(event, events.Step):
                self._notify("step", shown, index=event.index, count=event.count)
            elif isinstance(event, events.Restarted):
                self._notify("warning", shown, message=event.words)

        return self._client.result(job, source=loaded, on_event=on_event)

    def _keep(self, entry: Entry, loaded: LoadedFile, result: Result) -> Path:
        folder = self._folder(entry)
        staged = staged_path(folder, entry.key, self._ending(loaded))
        try:
            with writing_to(folder):
                result.save(staged, force=True)
                _share_as(loaded.path, staged)
                target = self._named(entry, loaded, staged)
        finally:
            # Also on a full disk, where a part of it may lie.
            sweep(folder, entry.key)
        diagnosis = asdict(result.diagnosis) if result.diagnosis else {}
        self._ledger.end(
            entry.key,
            "done",
            diagnosis=json.dumps(diagnosis),
            words=result.summary,
            seconds=result.seconds,
            warnings=json.dumps(result.source.warnings if result.source else ()),
            reason="",
            message="",
        )
        return target

    def _named(self, entry: Entry, loaded: LoadedFile, staged: Path) -> Path:
        number = 1
        while True:
            target = self._target(entry, loaded, number)
            taken = os.path.lexists(target)
            # If it is the same result, another process that watches this folder was faster.
            if taken and not _is_made_from(target, loaded, entry):
                number += 1
                continue
            # Written down first: after a crash the next start knows what it may find there.
            self._ledger.change(
                entry.key,
                state="placing",
                output=os.fsencode(target),
                output_content=content_of(target if taken else staged),
            )
            try:
                if not taken:
                    place(staged, target)
                return target
            except FileExistsError:
                # It may be the sidecar's name that is taken.
                number += 0 if os.path.lexists(target) else 1

    def _folder(self, entry: Entry) -> Path:
        """Return the folder of the result; made, if the folder of all results is there."""
        inside = os.path.dirname(os.fsdecode(entry.source))
        folder = self._config.target / inside
        self._presence.check()
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _ending(self, loaded: LoadedFile) -> str:
        deep = loaded.photo.depth is not Depth.U8
        return ending_for(loaded.path.name, deep=deep, alpha=loaded.photo.alpha is not None)

    def _target(self, entry: Entry, loaded: LoadedFile, number: int) -> Path:
        inside = os.path.dirname(os.fsdecode(entry.source))
        name = result_name(
            loaded.path.name,
            self._config.pattern,
            entry.settings.recipe,
            number,
            self._ending(loaded),
            longest_name(self._config.target),
        )
        return self._config.target / inside / name


def _made(loaded: LoadedFile, entry: Entry, path_of: Callable[[int], Path]) -> Path | None:
    """Return the first of the files numbered without a gap that is this photo's result."""
    for number in itertools.count(1):
        if not os.path.isfile(path := path_of(number)):
            return None
        if _is_made_from(path, loaded, entry):
            return path
    return None


def _is_made_from(path: Path, loaded: LoadedFile, entry: Entry) -> bool:
    """Tell whether a file says that it is the result of this photo under these settings."""
    try:
        mark = read_mark(path)
        if mark is None or settings_digest(mark.settings()) != settings_digest(entry.settings):
            return False
    except LdrpsError as error:
        if is_common(error):
            # Else a second result would be made.
            raise
        return False
    return mark.derived_from.pixels == pixel_digest(loaded.photo)


def _share_as(original: Path, result: Path) -> None:
    """Share the result with readers of the original; only its owner can always write to it."""
    for path in (result, sidecar_for(result)):
        with suppress(OSError):
            path.chmod(original.stat().st_mode & 0o664 | 0o600)


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise errors of the system as ours."""
    try:
        yield
    except OSError as error:
        why = cause_and_remedy(error)
        raise OutputError(f"{folder} cannot be written to: {why}") from error
