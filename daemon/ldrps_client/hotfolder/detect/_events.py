"""Events of the kernel about folders, through watchdog's inotify reader.

watchdog's own observer hides two things that a hot folder must know: that the kernel's queue
overflowed, and that a subfolder could not be watched because the limit is reached. Its reader
tells both, so folders are added here one by one, as a scan meets them.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

# An overflow is told to us too, who say it in the user's words.
logging.getLogger("watchdog.observers.inotify_c").addHandler(logging.NullHandler())

# The fewer kinds, the later the queue overflows: a write is over when the file is closed.
_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)
_LIMITS = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_numbers = itertools.count(1)


class WatchLimitError(Exception):
    """Lack of watches in the kernel; unwatched folders have to be scanned."""


class Events:
    """Reports changes in the folders that were added, from a thread of its own."""

    def __init__(
        self, on_change: Callable[[Path, bool], None], on_loss: Callable[[], None]
    ) -> None:
        """Take `on_change(path, is_folder)`; `on_loss()` after an overflow: anything may have
        changed.

        WatchLimitError if there are no inotify instances left.
        """
        self.on_change = on_change
        self.on_loss = on_loss
        self._lock = threading.Lock()
        self._folders: dict[Path, _Folder] = {}
        try:
            self._reader = InotifyFD()
        except OSError as error:
            raise WatchLimitError(str(error)) from None
        self._reader.name = "inotify"
        self._reader.start()

    def watch(self, path: Path) -> None:
        """Watch one folder, not those below it; harmless if it is watched already."""
        with self._lock:
            folder = _Folder(self, path)
            old = self._folders.get(path)
            if old and old.inode == folder.inode:
                return
            if old:
                self._remove(old)
            try:
                folder.descriptor = self._reader.add_callback(
                    os.fsencode(path), _MASK, folder, folder.id
                )
            except OSError as error:
                if error.errno in _LIMITS:
                    raise WatchLimitError(error.strerror) from None
                # It has gone again, or may not be read; the scan says so if it matters.
                return
            self._folders[path] = folder

    def forget(self, folder: _Folder) -> None:
        """Forget a folder that has gone."""
        with self._lock:
            if self._folders.get(folder.path) is folder:
                del self._folders[folder.path]

    def unwatch(self, path: Path) -> None:
        """Stop watching a folder."""
        with self._lock:
            folder = self._folders.pop(path, None)
        if folder:
            self._remove(folder)

    def moved(self, folder: _Folder) -> None:
        """Note that a folder was moved, from its path or, seen early under its new one, to it."""
        if folder.inode != _inode(folder.path):
            self.forget(folder)
            self._remove(folder)

    def _remove(self, folder: _Folder) -> None:
        with suppress(OSError):
            self._reader.remove_callbacks([(folder.descriptor, folder.id)])

    def watched(self) -> int:
        """Number of watched folders."""
        return len(self._folders)

    def clear(self) -> None:
        """Stop watching anything, so that a file system can be unmounted."""
        for path in list(self._folders):
            self.unwatch(path)

    def close(self) -> None:
        """End the thread."""
        self._reader.stop()
        self._reader.join()


class _Folder:
    """Implementation of watchdog's WatchCallback for one folder."""

    def __init__(self, events: Events, path: Path) -> None:
        self.path = path
        self.id = CallbackId(next(_numbers))
        self.inode = _inode(path)
        self.descriptor = WatchDescriptor(-1)
        self._events = events

    def on_event(self, event: InotifyEvent) -> None:
        if event.is_move_self:
            self._events.moved(self)
        elif event.name:
            path = self.path / os.fsdecode(event.name)
            self._events.on_change(path, bool(event.mask & InotifyConstants.IN_ISDIR))

    def on_watch_deleted(self, _: WatchDescriptor) -> None:
        self._events.forget(self)

    def on_queue_overflow(self) -> None:
        # Told once per watch callback; the receiver only sets a flag.
        self._events.on_loss()


def _inode(path: Path) -> tuple[int, int]:
    """Return the identity of a folder, distinct from another one at its path; zeros if gone."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
