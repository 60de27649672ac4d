"""Watcher of one folder: the schedule of its work, and recovery from any interruption."""

from __future__ import annotations

import math
import os
import queue
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from ldrps_client._text import cause_and_remedy, plain
from ldrps_client.client import Client
from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.detect._events import Events, WatchLimitError
from ldrps_client.hotfolder.detect._intake import Intake
from ldrps_client.hotfolder.detect._mounts import Presence, mount_of, prepare
from ldrps_client.hotfolder.detect._scanner import Scanner
from ldrps_client.hotfolder.detect._settling import Settler
from ldrps_client.hotfolder.report._failures import write_failures
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import StateFolder, one_watcher, state_folder
from ldrps_client.hotfolder.work._blocked_folders import place_trouble
from ldrps_client.hotfolder.work._recovery import take_up_all
from ldrps_client.hotfolder.work._retry import is_lasting
from ldrps_client.hotfolder.work._scheduler import Scheduler
from ldrps_client.hotfolder.work._worker import Notify, Worker
from ldrps_client.hotfolder.work._worker_pool import WorkerPool
from ldrps_engine.errors import LdrpsError, OutputError

_AWAY_SECONDS = 2.0
# With --once, wait as long for a mount as for a daemon.
_ONCE_AWAY_SECONDS = 30.0
_LONGEST_WAIT = 1.0
_JOIN_SECONDS = 5.0
# A scan may take at most this share of the time, however large the tree.
_SCAN_SHARE = 0.2


class FolderWatcher:
    """Watches one folder from `run`'s call to its return."""

    def __init__(
        self,
        config: FolderConfig,
        client: Client,
        scheduler: Scheduler,
        *,
        parallel: int,
        notify: Notify,
        stop: threading.Event,
    ) -> None:
        """Take the parts; `stop` ends it, `scheduler` may be shared with other folders."""
        self._config = config
        self._client = client
        self._scheduler = scheduler
        self._parallel = parallel
        self._notify = notify
        self._stop = stop
        self._wake = threading.Event()
        self._news: queue.SimpleQueue[tuple[Path, bool]] = queue.SimpleQueue()
        self._lost = False
        self._away = ""
        self._there = time.monotonic()
        self._polls = False
        self._next_scan = 0.0
        self._recovered = False
        self._reported_folders: set[Path] = set()
        self._failures = (-1, 0.0)
        self._reported_now = ""
        self._next_try = 0.0
        self._full = False
        self.now = "watching"
        """Current activity in words; kept in the ledger for `ldrps watch --status`."""
        self.state: StateFolder = state_folder(config.root)

    def wake(self) -> None:
        """Wake up: `stop` was set, or something else has changed."""
        self._wake.set()

    def run(self, *, once: bool = False, rebind: bool = False) -> None:
        """Watch until `stop`, or with `once` until everything that is there is dealt with.

        LdrpsError if the folder cannot be watched, or with `once` if something that all wait for
        does not come, such as a daemon.
        """
        prepare(self.state, self._config.root, self._config.out)
        with ExitStack() as stack:
            stack.enter_context(one_watcher(self.state, self._config.root))
            self._ledger = Ledger(self.state.ledger)
            self._ledger.remember("root", plain(self._config.root))
            stack.callback(self._ledger.close)
            self._presence = Presence(
                self._config.root, self._config.out, self._ledger, rebind=rebind
            )
            self._scanner = Scanner(self._config, self._ledger)
            self._settler = Settler(self._config.settle)
            self._events = self._begin_events()
            if self._events:
                stack.callback(self._events.close)
            self._intake = Intake(
                self._config,
                self._ledger,
                self._presence,
                notify=self._notify,
                again=self._note,
                on_new=self._on_new,
                stop=self._stop,
            )
            self._pool = WorkerPool(
                self._config,
                self._ledger,
                self._client,
                self._scheduler,
                presence=self._presence,
                worker=self._new_worker,
                notify=self._notify,
                again=self._note,
                on_end=self.wake,
                stop=self._stop,
                once=once,
            )
            stack.callback(self._end_threads)
            self._intake.start()
            self._loop(once)

    def _new_worker(self) -> Worker:
        return Worker(
            self._config,
            self.state,
            self._ledger,
            self._client,
            notify=self._notify,
            stop=self._stop,
            presence=self._presence,
            again=self._note,
        )

    def _end_threads(self) -> None:
        self._stop.set()
        self._intake.join(_JOIN_SECONDS)
        self._pool.join(_JOIN_SECONDS)

    def _begin_events(self) -> Events | None:
        mount = mount_of(self._config.root)
        if self._config.poll == "always" or (
            self._config.poll == "auto" and not mount.reports_changes
        ):
            self._polls = True
            why = f"on {mount.kind}" if self._config.poll == "auto" else "as asked"
            self._notify("polling", message=f"looks every {self._config.poll_every:g} s, {why}")
            return None
        try:
            return Events(self._on_change, self._on_loss)
        except WatchLimitError as error:
            self._warn_of_limit(error)
            return None

    def _warn_of_limit(self, error: WatchLimitError) -> None:
        if not self._polls:
            self._polls = True
            self._notify(
                "warning",
                message=f"the kernel watches no more folders ({error}), so this one is looked "
                f"through every {self._config.poll_every:g} s; raise fs.inotify.max_user_watches "
                "with sysctl to hear of changes at once",
            )

    def _on_change(self, path: Path, is_folder: bool) -> None:
        self._news.put((path, is_folder))
        self._wake.set()

    def _on_loss(self) -> None:
        self._lost = True
        self._wake.set()

    def _on_new(self) -> None:
        self._pool.notify()
        if self._intake.is_idle():
            self._wake.set()

    def _note(self, path: Path) -> None:
        """Let a file settle; may be called from any thread."""
        self._news.put((path, False))
        self._wake.set()

    def _loop(self, once: bool) -> None:
        while not self._stop.is_set():
            try:
                self._look(once)
                if once and (stuck := self._pool.stuck or self._gone()):
                    raise stuck
            except LdrpsError as error:
                if once:
                    raise
                # The ledger's disk is full: nothing is lost by waiting.
                self._notify("waiting", message=str(error), seconds=_AWAY_SECONDS)
                self._stop.wait(_AWAY_SECONDS)
            if once and self._is_finished():
                return
            self._wake.wait(self._until_due())
            self._wake.clear()

    def _look(self, once: bool) -> None:
        if self._is_away():
            return self._write_down()
        self._try_output(once)
        if not self._recovered:
            self._recover()
        if lost := self._lost:
            # Before the scan, which makes up for it; one that is reported from now on is another.
            self._lost = False
            self._notify(
                "overflow", message="the kernel dropped events; looking through everything"
            )
        if lost or time.monotonic() >= self._next_scan:
            self._scan_all()
        self._hear()
        for path in self._settler.settled():
            self._intake.put(path)
        if self._ledger.changed_elsewhere():
            # By `ldrps watch --retry-failed`.
            self._pool.notify()
        self._write_down()

    def _is_away(self) -> bool:
        missing = self._presence.missing()
        if missing and missing != self._away:
            self._notify("away", message=missing)
            if self._events:
                # So that nothing of ours is in the way of mounting and unmounting.
                self._events.clear()
        if not missing and self._away:
            self._notify("back", message=f"{self._config.root} is back")
            self._next_scan = 0.0
        self._away = missing
        if not missing:
            self._there = time.monotonic()
        return bool(missing)

    def _try_output(self, once: bool) -> None:
        """Report at the start, not with the first photo, that no result could be written."""
        if self._config.out is None or time.monotonic() < self._next_try:
            return
        trouble = place_trouble(self._config.out, "")
        if trouble and once and is_lasting(trouble):
            raise trouble
        if trouble:
            self._notify("waiting", message=str(trouble), seconds=_AWAY_SECONDS)
        elif self._full:
            self._notify("back", message=f"{self._config.out} can be written to again")
        self._full = bool(trouble)
        self._next_try = time.monotonic() + _AWAY_SECONDS if trouble else math.inf

    def _gone(self) -> OutputError | None:
        """Return what a single run has waited for long enough."""
        is_long = time.monotonic() - self._there >= _ONCE_AWAY_SECONDS
        return OutputError(self._away) if self._away and is_long else None

    def _scan_all(self) -> None:
        began = time.monotonic()
        try:
            found = self._scanner.scan(
                self._config.root, self._settler.note, self._watch, self._on_unreadable
            )
        except OSError:
            # It went away during the scan; the next look says so.
            self._next_scan = time.monotonic() + _AWAY_SECONDS
            return
        self._forgive()
        took = time.monotonic() - began
        every = self._config.poll_every if self._polls else self._config.scan_every
        self._next_scan = time.monotonic() + max(every, took / _SCAN_SHARE)
        self._notify("scanned", files=found.files, changed=found.changed, seconds=round(took, 3))

    def _forgive(self) -> None:
        """Take photos that are gone off the list of failures, unless everything is gone."""
        if self._presence.missing():
            return
        for entry in self._ledger.entries("failed"):
            sources = [os.fsdecode(source) for source in self._ledger.sources(entry.key)]
            if not any(os.path.lexists(self._config.root / source) for source in sources):
                self._ledger.end(entry.key, "gone", message=entry.message)

    def _watch(self, folder: Path) -> None:
        if self._events:
            try:
                self._events.watch(folder)
            except WatchLimitError as error:
                self._warn_of_limit(error)

    def _on_unreadable(self, folder: Path, error: OSError) -> None:
        if folder not in self._reported_folders:
            self._reported_folders.add(folder)
            why = cause_and_remedy(error)
            self._notify("warning", message=f"folder {folder} cannot be looked into: {why}")

    def _hear(self) -> None:
        """Handle the reports of events and of other threads."""
        for _ in range(self._news.qsize()):
            path, is_folder = self._news.get()
            if not is_folder:
                if self._scanner.takes(path):
                    self._settler.note(path)
            elif self._scanner.enters(path):
                self._scanner.scan(path, self._settler.note, self._watch, self._on_unreadable)

    def _until_due(self) -> float:
        now = time.monotonic()
        if self._away:
            return _AWAY_SECONDS
        due = [self._next_scan, now + _LONGEST_WAIT]
        if (settles := self._settler.next_due()) is not None:
            due.append(settles)
        return max(0.0, min(due) - now)

    def _is_finished(self) -> bool:
        # In this order: what leaves one place has been put into the next.
        return (
            not self._away
            and self._recovered
            and self._news.empty()
            and not len(self._settler)
            and self._intake.is_idle()
            and not self._ledger.has("queued", "working", "placing")
            and self._pool.is_idle()
            and self._news.empty()
        )

    def _recover(self) -> None:
        """Finish what an earlier run left in the middle, then let the work begin."""
        take_up_all(self._config, self._ledger, self._notify)
        self._pool.start(self._parallel)
        self._recovered = True

    def _write_down(self) -> None:
        """Bring failed.csv up to date with the ledger, and the ledger with the current activity."""
        if self.now != self._reported_now:
            self._ledger.remember("now", self.now)
            self._reported_now = self.now
        failures = self._ledger.failures()
        if failures != self._failures:
            write_failures(self.state.failed, self._ledger, self._config.root)
            self._failures = failures
