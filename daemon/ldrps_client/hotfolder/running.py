"""Several folders watched in one process, until it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from ldrps_client._autostart import check_startable
from ldrps_client._text import cause
from ldrps_client.client import Client
from ldrps_client.hotfolder.config import FolderConfig, WatchConfig
from ldrps_client.hotfolder.detect._mounts import prepare
from ldrps_client.hotfolder.detect._settling import ignore_lease_breaks
from ldrps_client.hotfolder.report._log import Log
from ldrps_client.hotfolder.report._show import Desktop, Display, FolderNotifier
from ldrps_client.hotfolder.watcher import FolderWatcher
from ldrps_client.hotfolder.work._retry import unforeseen
from ldrps_client.hotfolder.work._scheduler import Scheduler
from ldrps_engine.errors import InternalError, LdrpsError, OutputError

_PIECE_SECONDS = 0.2
_GRACE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run, besides the configuration."""

    address: str | None = None
    """Address of the daemon; None: the user's own."""
    start_daemon: bool = True
    """True if a daemon is to be started where none answers."""
    once: bool = False
    """True if the run ends when everything that is there is dealt with."""
    rebind: bool = False
    """True if the folders have moved to other mounts."""
    log: Path | None = None
    """Log file that replaces those in each folder's state."""


def run(config: WatchConfig, options: RunOptions, display: Display) -> LdrpsError | None:
    """Watch until SIGTERM or SIGINT, or with `once` until all is done; returns the first error.

    To be called in the main thread. UnavailableError if no daemon is there and none can be started
    from this installation, BrokenPipeError if the reader of the display's output left.
    """
    if config.schedule.notify:
        display = Desktop(display)
    with ExitStack() as stack:
        stack.callback(display.close)
        client = stack.enter_context(Client(options.address, autostart=options.start_daemon))
        if options.start_daemon:
            # Which no waiting would change.
            check_startable(client.address)
        log = stack.enter_context(closing(Log(options.log))) if options.log else None
        group = _Group(config, options, client, display, log)
        _on_signals(group.stop)
        ignore_lease_breaks()
        group.run()
    if group.broken:
        raise group.broken
    if options.once and group.unwritten and not group.errors:
        why = cause(group.unwritten)
        return OutputError(f"what is to be printed cannot be written ({why}); make room there")
    return group.errors[0] if group.errors else None


class _Group:
    """All folders that are watched by this process, and their shared parts."""

    def __init__(
        self,
        config: WatchConfig,
        options: RunOptions,
        client: Client,
        display: Display,
        log: Log | None,
    ) -> None:
        self.options = options
        self.client = client
        self.log = log
        self._display = display
        self._showing = threading.Lock()
        self.scheduler = Scheduler(config.schedule)
        self.parallel = config.schedule.parallel
        self.errors: list[LdrpsError] = []
        self.broken: BrokenPipeError | None = None
        self.unwritten: OSError | None = None
        self._stopped = False
        self._watching = [_Watching(folder, self) for folder in config.folders]

    def run(self) -> None:
        """Run until all have ended; main threads hear signals only between short waits."""
        for one in self._watching:
            one.thread.start()
        stopped_for = 0.0
        while any(one.thread.is_alive() for one in self._watching):
            for one in self._watching:
                one.thread.join(_PIECE_SECONDS)
            stopped_for += _PIECE_SECONDS if self._stopped else 0.0
            if stopped_for >= _GRACE_SECONDS:
                # What still waits for the daemon goes on at the next start: its jobs are detached.
                self.client.close()

    def stop(self) -> None:
        """Make all end."""
        self._stopped = True
        for one in self._watching:
            one.stop.set()
            one.watcher.wake()

    def show(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        """Show an event of a folder, one at a time; a photo need not know whether that worked."""
        with self._showing:
            try:
                self._display.show(folder, kind, photo, facts)
            except BrokenPipeError as left:
                # It is not read any more.
                self.broken = left
                self.stop()
            except OSError as full:
                # Photos do not care; a single run says so at its end.
                self.unwritten = full

    def failed(self, folder: Path, error: LdrpsError) -> None:
        """Note that one folder is watched no more."""
        self.errors.append(error)
        if isinstance(error, InternalError):
            # Restarted by systemd, or by its user.
            self.stop()
        elif len(self._watching) > 1:
            # The others go on, and at their end it would be too late to report it.
            self.show(folder, "stopped", "", {"message": str(error)})


class _Watching:
    """One folder's watcher in its thread."""

    def __init__(self, folder: FolderConfig, group: _Group) -> None:
        # A stop of its own: with `once` one folder is done before another.
        self.stop = threading.Event()
        self._group = group
        self._folder = folder
        self.watcher = FolderWatcher(
            folder,
            group.client,
            group.scheduler,
            parallel=group.parallel,
            notify=self._notify,
            stop=self.stop,
        )
        self.thread = threading.Thread(target=self._run, name=f"watch {folder.root.name}")

    def _notify(self, kind: str, photo: str = "", **facts: object) -> None:
        self._notifier(kind, photo, **facts)
        self.watcher.now = self._notifier.now

    def _run(self) -> None:
        try:
            prepare(self.watcher.state, self._folder.root, self._folder.out)
            with ExitStack() as stack:
                log = self._group.log or stack.enter_context(
                    closing(Log(self.watcher.state.log, self._folder.root))
                )
                self._notifier = FolderNotifier(self._folder.root, log, self._group.show)
                self.watcher.run(once=self._group.options.once, rebind=self._group.options.rebind)
        except LdrpsError as error:
            self._group.failed(self._folder.root, error)
        except Exception as bug:
            self._group.failed(self._folder.root, unforeseen(bug))


def _on_signals(stop: Callable[[], None]) -> None:
    names = ("SIGTERM", "SIGINT", "SIGHUP")
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        signal.signal(number, lambda *_: stop())
