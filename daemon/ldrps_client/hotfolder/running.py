"""Watching several folders in one process, until told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ldrps_client.client import Client
from ldrps_client.hotfolder._manners import Gate
from ldrps_client.hotfolder._settling import ignore_lease_breaks
from ldrps_client.hotfolder._show import Desktop, Display, Teller
from ldrps_client.hotfolder.config import FolderConfig, WatchConfig
from ldrps_client.hotfolder.watcher import FolderWatcher
from ldrps_engine.errors import InternalError, LdrpsError

_PIECE_SECONDS = 0.2
_GRACE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run, besides what is configured."""

    address: str | None = None
    """The daemon's; None: the user's own."""
    start_daemon: bool = True
    """Whether to start one if none answers."""
    once: bool = False
    """Whether to end when all that is there is dealt with."""
    rebind: bool = False
    """Whether the folders have moved to other mounts."""
    log: Path | None = None
    """In place of the log in each folder's state."""


def run(config: WatchConfig, options: RunOptions, display: Display) -> LdrpsError | None:
    """Watch until SIGTERM or SIGINT, or with `once` until all is done; returns the first error.

    To be called in the main thread.
    """
    stop = threading.Event()
    gate = Gate(config.manners)
    if config.manners.notify:
        display = Desktop(display)
    errors: list[LdrpsError] = []
    with Client(options.address, autostart=options.start_daemon) as client:
        watching = [
            _Watching(folder, config, options, client, gate, display, errors)
            for folder in config.folders
        ]
        _on_signals(lambda: _stop(stop, watching))
        ignore_lease_breaks()
        for one in watching:
            one.thread.start()
        _wait(watching, stop, client)
    display.close()
    return errors[0] if errors else None


def _wait(watching: list[_Watching], stop: threading.Event, client: Client) -> None:
    """Until all have ended; main threads hear signals only between short waits."""
    told = 0.0
    while any(one.thread.is_alive() for one in watching):
        for one in watching:
            one.thread.join(_PIECE_SECONDS)
        if stop.is_set():
            told += _PIECE_SECONDS
            if told >= _GRACE_SECONDS:
                # What still waits for the daemon goes on at the next start: its jobs are detached.
                client.close()


class _Watching:
    """One folder's watcher in its thread."""

    def __init__(
        self,
        folder: FolderConfig,
        config: WatchConfig,
        options: RunOptions,
        client: Client,
        gate: Gate,
        display: Display,
        errors: list[LdrpsError],
    ) -> None:
        # A stop of its own: with `once` one folder is done before another.
        self.stop = threading.Event()
        self._errors = errors
        self._options = options
        self._display = display
        self._folder = folder
        self._log = options.log
        self.watcher = FolderWatcher(
            folder, client, gate, config.manners.parallel, self._tell, self.stop
        )
        self._teller: Teller | None = None
        self.thread = threading.Thread(target=self._run, name=f"watch {folder.root.name}")

    def _tell(self, kind: str, photo: str = "", **facts: object) -> None:
        if self._teller is None:
            self._teller = Teller(
                self._folder.root, self._log or self.watcher.state.log, self._display
            )
        self._teller(kind, photo, **facts)
        self.watcher.now = self._teller.now

    def _run(self) -> None:
        try:
            self.watcher.run(once=self._options.once, rebind=self._options.rebind)
        except LdrpsError as error:
            self._errors.append(error)
        except Exception as bug:
            what = " ".join(f"{type(bug).__name__}: {bug}".split())
            self._errors.append(InternalError(f"an unforeseen error ({what}); please report it"))
        finally:
            if self._teller:
                self._teller.close()


def _stop(stop: threading.Event, watching: list[_Watching]) -> None:
    stop.set()
    for one in watching:
        one.stop.set()
        one.watcher.wake()


def _on_signals(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop())
