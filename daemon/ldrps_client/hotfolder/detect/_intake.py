"""Settled files become entries of the ledger: new, known already, or results of ours."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from ldrps_client._text import cause
from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.detect._mounts import Presence
from ldrps_client.hotfolder.detect._rules import settings_for
from ldrps_client.hotfolder.detect._settling import identity_of
from ldrps_client.hotfolder.store._entry import Identity
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.work._amending import Amender
from ldrps_client.hotfolder.work._place import content_of
from ldrps_client.hotfolder.work._retry import Backoff, is_common, unforeseen
from ldrps_client.hotfolder.work._worker import Notify
from ldrps_client.provenance import read_mark
from ldrps_engine.errors import LdrpsError, OutputError, PhotoError
from ldrps_engine.settings import Settings


class Intake:
    """Reads settled files once, in a thread of its own, because archives are large."""

    def __init__(
        self,
        config: FolderConfig,
        ledger: Ledger,
        presence: Presence,
        *,
        notify: Notify,
        again: Callable[[Path], None],
        on_new: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        """Take `again(path)`, to let a file settle once more, and `on_new()` for new entries."""
        self._config = config
        self._ledger = ledger
        self._presence = presence
        self._notify = notify
        self._again = again
        self._on_new = on_new
        self._stop = stop
        self._amender = Amender(config, ledger, presence, notify)
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, path: Path) -> None:
        """Queue a file that has settled."""
        with self._lock:
            self._open += 1
        self._queue.put(path)

    def is_idle(self) -> bool:
        """True once all queued files have been dealt with."""
        return self._open == 0

    def join(self, seconds: float) -> None:
        """Wait for the end, after `stop` was set."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (path := self._queue.get()) is not None and not self._stop.is_set():
            self._take_surely(path)
            with self._lock:
                self._open -= 1
            self._on_new()

    def _take_surely(self, path: Path) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                return self.take(path)
            except LdrpsError as error:
                # The ledger's disk is full, or nothing can be opened.
                pause = backoff.next()
                self._notify("waiting", message=str(error), seconds=pause)
                self._stop.wait(pause)
            except Exception as bug:
                # Not even listing it worked. The next scan tries again; others go on.
                fault, relative = unforeseen(bug), self._parts(path)[0]
                return self._notify("failed", relative, reason=fault.reason, message=str(fault))

    def take(self, path: Path) -> None:
        """Make an entry of a settled file, unless there is nothing to be done for it."""
        try:
            self._take(path)
        except LdrpsError as error:
            if isinstance(error, OutputError) or is_common(error):
                raise
            # Waiting for it would hold up all others.
            self._list(path, error)
        except Exception as bug:
            fault = unforeseen(bug)
            if is_common(fault):
                raise fault from bug
            self._list(path, fault)

    def _take(self, path: Path) -> None:
        before = identity_of(path)
        if before is None:
            return
        relative, folder, name = self._parts(path)
        if self._config.rules.takes_sidecar(relative):
            if self._amender.take(path):
                self._ledger.note_sidecar(folder, name, before)
            return
        try:
            content = content_of(path)
        except FileNotFoundError:
            return
        except OSError as error:
            # If its mount went away, the scan after it is back finds the file.
            if not self._presence.missing():
                why = cause(error)
                what = f"{path} cannot be read: {why}; check its permissions and its disk"
                if is_common(error):
                    raise PhotoError(what) from error
                self._list(path, PhotoError(what))
            return
        if identity_of(path) != before:
            self._again(path)
        elif self._ledger.is_output(content) or _is_marked(path):
            self._ledger.note_output(folder, name, before)
        else:
            self._add(relative, folder, name, before, content)

    def _parts(self, path: Path) -> tuple[str, bytes, bytes]:
        """Return a path within the watched folder, and its folder and name for the ledger."""
        relative = os.path.relpath(path, self._config.root)
        folder, name = os.path.split(relative)
        return relative, os.fsencode(folder), os.fsencode(name)

    def _add(self, relative: str, folder: bytes, name: bytes, now: Identity, content: str) -> None:
        settings = self._settings(relative)
        entry = self._ledger.add(folder, name, now, content, settings)
        if os.fsdecode(entry.source) != relative:
            self._notify("duplicate", relative, of=os.fsdecode(entry.source))
        elif entry.state == "queued":
            self._notify("found", relative, recipe=settings.recipe)

    def _settings(self, relative: str) -> Settings:
        settings = self._config.settings
        return settings_for(relative, settings) if self._config.recipe_by_folder else settings

    def _list(self, path: Path, error: LdrpsError) -> None:
        """List a file as failed. Its content is not known, so its path and times stand for it."""
        now = identity_of(path)
        if now is None:
            return
        relative, folder, name = self._parts(path)
        stand_in = f"unreadable {relative} {now}".encode("utf-8", "surrogateescape")
        content = hashlib.sha256(stand_in).hexdigest()
        settings = self._settings(relative)
        why = {"reason": error.reason, "message": str(error)}
        self._ledger.add_failed(folder, name, now, content, settings, **why)
        self._notify("failed", relative, **why)


def _is_marked(path: Path) -> bool:
    try:
        return read_mark(path) is not None
    except LdrpsError as error:
        if is_common(error):
            raise
        return False
