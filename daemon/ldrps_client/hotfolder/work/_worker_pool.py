"""Threads that work on photos, and the reactions to every kind of trouble."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from ldrps_client.client import Client
from ldrps_client.files._read import MOST_BYTES
from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.detect._mounts import Presence
from ldrps_client.hotfolder.detect._settling import identity_of
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.work._blocked_folders import Blocked, place_trouble
from ldrps_client.hotfolder.work._retry import (
    GIVE_UP,
    MAX_TRIES,
    Backoff,
    RetryDecision,
    is_lasting,
    is_passing,
    retry_decision,
    unforeseen,
)
from ldrps_client.hotfolder.work._scheduler import Scheduler
from ldrps_client.hotfolder.work._worker import ChangedError, Notify, StoppedError, Worker
from ldrps_engine.errors import BusyError, LdrpsError, OutputError

_LONGEST_IDLE = 30.0
_CLOSED_SECONDS = 5.0
_RETRY_FACTOR = 6.0
# Bytes of an ordinary result: while there is room for one, only larger ones wait for more.
_ORDINARY_BYTES = 64 << 20


class WorkerPool:
    """All threads that work on one folder's photos."""

    def __init__(
        self,
        config: FolderConfig,
        ledger: Ledger,
        client: Client,
        scheduler: Scheduler,
        *,
        presence: Presence,
        worker: Callable[[], Worker],
        notify: Notify,
        again: Callable[[Path], None],
        on_end: Callable[[], None],
        stop: threading.Event,
        once: bool = False,
    ) -> None:
        """Take `worker()`, which makes a worker for one photo; `again(path)` lets a file settle.

        `on_end()` is called after every photo, however it ended. `once`: nothing is waited for
        that does not pass within a single run.
        """
        self._config = config
        self._ledger = ledger
        self._client = client
        self._scheduler = scheduler
        self._presence = presence
        self._worker = worker
        self._notify = notify
        self._again = again
        self._on_end = on_end
        self._stop = stop
        self._once = once
        self._wake = threading.Condition()
        self._news = 0
        self._lock = threading.Lock()
        self._held: dict[str, float] = {}
        self._hold_until = 0.0
        self._backoff = Backoff()
        self._blocked = Blocked()
        self._cramped = Blocked()
        self._stuck: LdrpsError | None = None
        self._open: set[str] = set()
        self._threads: list[threading.Thread] = []

    @property
    def stuck(self) -> LdrpsError | None:
        """Return what has been waited for again and again, without a success in between."""
        if self._stuck:
            return self._stuck
        waits = [each for each in (self._blocked, self._cramped) if each.names()]
        errors = [each.given_up() for each in waits]
        if not errors or None in errors or self._open:
            return None
        photos = map(os.fsdecode, self._cramped.names())
        is_more = self._ledger.has_queued_outside(self._blocked.names(), photos)
        return None if is_more else errors[0]

    def start(self, count: int) -> None:
        """Begin, with so many threads."""
        for number in range(count):
            thread = threading.Thread(target=self._run, name=f"photo-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def notify(self) -> None:
        """Announce that there may be something to do."""
        with self._wake:
            self._news += 1
            self._wake.notify_all()

    def is_idle(self) -> bool:
        """Tell whether nothing is being worked on."""
        return not self._open

    def join(self, seconds: float) -> None:
        """Wait for the threads to end, after `stop` was set."""
        self.notify()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        worker = self._worker()
        while not self._stop.is_set():
            seen = self._news
            try:
                pause = self._pause()
                if not pause:
                    with self._scheduler.place():
                        # The place may have been long in coming.
                        pause = self._pause() or self._one(worker)
            except LdrpsError as error:
                # The ledger's disk is full.
                pause = self._wait(error)
            if pause:
                with self._wake:
                    self._wake.wait_for(lambda seen=seen: self._news != seen, pause)  # type: ignore[misc]

    def _pause(self) -> float:
        """Return for how many seconds nothing may begin; 0 if something may."""
        if self._stop.is_set():
            return _CLOSED_SECONDS
        if (left := self._hold_until - time.monotonic()) > 0:
            return left
        if why := self._scheduler.closed():
            if self._ledger.has("queued"):
                self._notify("paused", message=why)
            return _CLOSED_SECONDS
        return 0.0

    def _one(self, worker: Worker) -> float:
        """Work on one photo; returns how long to wait if there is none."""
        entry = self._claim()
        if entry is None:
            return self._until_held()
        try:
            if trouble := self._place_trouble(entry):
                self._wait_for_place(entry, trouble)
                return 0.0
            self._scheduler.began()
            worker.work(entry)
            self._backoff.reset()
            self._stuck = None
        except StoppedError:
            # The entry stays `working`, and so is taken up first by the next start.
            return _CLOSED_SECONDS
        except ChangedError:
            self._surely(lambda: self._changed(entry))
        except LdrpsError as error:
            self._trouble(entry, error)
        except Exception as bug:
            self._trouble(entry, unforeseen(bug))
        finally:
            self._open.discard(entry.key)
            self._on_end()
        return 0.0

    def _claim(self) -> Entry | None:
        now = time.monotonic()
        with self._lock:
            self._held = {key: until for key, until in self._held.items() if until > now}
            skip = [*self._held, *map(os.fsdecode, self._cramped.held())]
            entry = self._ledger.claim(skip, self._blocked.held())
            if entry:
                self._open.add(entry.key)
        return entry

    def _until_held(self) -> float:
        now = time.monotonic()
        with self._lock:
            held = (self._held, self._blocked.held(), self._cramped.held())
            soonest = min(chain(*(each.values() for each in held)), default=now + _LONGEST_IDLE)
        return min(max(soonest - now, 0.05), _LONGEST_IDLE)

    def _hold(self, entry: Entry, seconds: float) -> None:
        with self._lock:
            self._held[entry.key] = time.monotonic() + seconds

    def _place_trouble(self, entry: Entry) -> OutputError | None:
        """Return the error that writing the photo's result would meet; None if there is none."""
        if self._presence.missing():
            # Which is reported, and waited for, by itself.
            return None
        source = os.fsdecode(entry.source)
        trouble = place_trouble(self._config.target, os.path.dirname(source), self._room(entry))
        if trouble is None:
            self._blocked.remove(os.path.dirname(entry.source))
            self._cramped.remove(os.fsencode(entry.key))
        return trouble

    def _room(self, entry: Entry) -> int:
        """Estimate the bytes of a photo's result; 0 for a photo that will be refused."""
        now = identity_of(self._config.root / os.fsdecode(entry.source))
        return now.size if now and now.size <= MOST_BYTES else 0

    def _wait_for_place(self, entry: Entry, error: OutputError) -> None:
        """Let the photo wait, with all whose results go to the same folder or the same disk."""
        self._surely(lambda: self._queue(entry, error))
        source = os.fsdecode(entry.source)
        if is_passing(error) and self._is_cramped(entry):
            pause = self._cramped.add(os.fsencode(entry.key), error)
            self._notify("waiting", source, message=str(error), seconds=pause)
        elif is_passing(error):
            self._wait(error)
        else:
            pause = self._blocked.add(os.path.dirname(entry.source), error)
            self._notify("waiting", message=str(error), seconds=pause)

    def _is_cramped(self, entry: Entry) -> bool:
        """Tell whether there is only too little room for one large photo."""
        inside = os.path.dirname(os.fsdecode(entry.source))
        is_large = self._room(entry) > _ORDINARY_BYTES
        return is_large and place_trouble(self._config.target, inside, _ORDINARY_BYTES) is None

    def _trouble(self, entry: Entry, error: LdrpsError) -> None:
        if self._stop.is_set():
            return
        if isinstance(error, OutputError) and (found := self._place_trouble(entry)):
            # No result could be written any more.
            return self._wait_for_place(entry, found)
        kind = RetryDecision.WAIT if self._presence.missing() else retry_decision(error)
        if kind is RetryDecision.RETRY and entry.tries + 1 >= MAX_TRIES:
            kind = RetryDecision.FAIL
        shown = os.fsdecode(entry.source)
        if kind is RetryDecision.WAIT:
            self._surely(lambda: self._queue(entry, error))
            self._wait(error)
        elif kind is RetryDecision.RETRY:
            seconds = self._config.settle * _RETRY_FACTOR**entry.tries
            self._hold(entry, seconds)
            more = {"tries": entry.tries + 1, "round": entry.round + 1}
            self._surely(lambda: self._queue(entry, error, **more))
            self._notify("retry", shown, reason=error.reason, message=str(error), seconds=seconds)
        else:
            self._surely(lambda: self._list(entry, error))
            self._notify("failed", shown, reason=error.reason, message=str(error))

    def _queue(self, entry: Entry, error: LdrpsError, **values: int) -> None:
        self._ledger.change(
            entry.key, state="queued", reason=error.reason, message=str(error), **values
        )

    def _list(self, entry: Entry, error: LdrpsError) -> None:
        self._ledger.end(
            entry.key, "failed", reason=error.reason, message=str(error), tries=entry.tries + 1
        )

    def _wait(self, error: LdrpsError) -> float:
        """Pause all work because of a fault not caused by a photo; returns the seconds."""
        pause = error.retry_after if isinstance(error, BusyError) else self._backoff.next()
        pause = min(pause, _LONGEST_IDLE * 2)
        self._hold_until = time.monotonic() + pause
        ends_here = self._once and is_lasting(error)
        if self._backoff.failures >= GIVE_UP or ends_here:
            self._stuck = error
        if not ends_here:
            self._notify("waiting", message=str(error), seconds=pause)
        return pause

    def _changed(self, entry: Entry) -> None:
        """Handle a changed file: it settles again, or has a twin, or has gone."""
        paths = [
            self._config.root / os.fsdecode(source) for source in self._ledger.sources(entry.key)
        ]
        present = [path for path in paths if identity_of(path) is not None]
        if present:
            self._ledger.drop(entry.key)
            for path in present:
                self._again(path)
        elif missing := self._presence.missing():
            self._ledger.change(entry.key, state="queued")
            self._wait(OutputError(missing))
        else:
            message = "the file went away before its turn"
            self._ledger.end(entry.key, "gone", message=message)
            self._notify("gone", os.fsdecode(entry.source))

    def _surely(self, write: Callable[[], None]) -> None:
        """Write to the ledger, however long its disk stays full."""
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                return write()
            except LdrpsError as error:
                pause = backoff.next()
                self._notify("waiting", message=str(error), seconds=pause)
                self._stop.wait(pause)
