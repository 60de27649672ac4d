"""Events of the kernel about folders, through inotify.

A hot folder must know that the kernel's queue overflowed, and that a subfolder could not be watched
because the limit is reached. Observers of whole trees hide both, so folders are added here one by
one, as a scan meets them.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inotify_simple import Event

_LIMITS = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


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
        # Only here: where there is no inotify, this module can still be imported.
        from inotify_simple import INotify, flags

        self._flags = flags
        # The fewer kinds, the later the queue overflows: a write is over when the file is closed.
        self._mask = (
            flags.CLOSE_WRITE | flags.MOVED_TO | flags.CREATE | flags.MOVE_SELF | flags.ONLYDIR
        )
        self._on_change = on_change
        self._on_loss = on_loss
        self._lock = threading.Lock()
        self._folders: dict[Path, _Folder] = {}
        # The kernel knows a folder by one watch under all its paths: the old and the new one of a
        # folder that was moved, or those of one that is mounted twice.
        self._sharers: dict[int, list[_Folder]] = {}
        try:
            self._inotify = INotify()
        except OSError as error:
            raise WatchLimitError(str(error)) from None
        self._end_reader, self._end_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="inotify", daemon=True)
        self._thread.start()

    def watch(self, path: Path) -> None:
        """Watch one folder, not those below it; harmless if it is watched already."""
        with self._lock:
            folder = _Folder(path)
            old = self._folders.get(path)
            if old and old.inode == folder.inode:
                return
            if old:
                self._remove(old)
            try:
                folder.descriptor = self._inotify.add_watch(path, self._mask)
            except OSError as error:
                if error.errno in _LIMITS:
                    raise WatchLimitError(error.strerror) from None
                # It has gone again, or may not be read; the scan says so if it matters.
                return
            self._folders[path] = folder
            self._sharers.setdefault(folder.descriptor, []).append(folder)

    def clear(self) -> None:
        """Stop watching anything, so that a file system can be unmounted."""
        with self._lock:
            for folder in list(self._folders.values()):
                self._remove(folder)

    def close(self) -> None:
        """End the thread."""
        os.write(self._end_writer, b"!")
        self._thread.join()
        self._inotify.close()
        os.close(self._end_writer)
        os.close(self._end_reader)

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._inotify, select.POLLIN)
        poller.register(self._end_reader, select.POLLIN)
        while self._end_reader not in {descriptor for descriptor, _ in poller.poll()}:
            for event in self._inotify.read(timeout=0):
                self._handle(event)

    def _handle(self, event: Event) -> None:
        flags = self._flags
        if event.mask & flags.Q_OVERFLOW:
            self._on_loss()
            return
        with self._lock:
            folders = list(self._sharers.get(event.wd, ()))
            if event.mask & flags.IGNORED:
                # The folder is gone, and the kernel's watch with it.
                for folder in folders:
                    self._forget(folder)
            elif event.mask & flags.MOVE_SELF:
                # From its path or, where a scan was quicker than this event, to it.
                for folder in folders:
                    if folder.inode != _inode(folder.path):
                        self._remove(folder)
        if event.name:
            # Outside the lock: a listener may take its time, and may watch more folders.
            for folder in folders:
                self._on_change(folder.path / event.name, bool(event.mask & flags.ISDIR))

    def _remove(self, folder: _Folder) -> None:
        self._forget(folder)
        if folder.descriptor not in self._sharers:
            with suppress(OSError):
                self._inotify.rm_watch(folder.descriptor)

    def _forget(self, folder: _Folder) -> None:
        if self._folders.get(folder.path) is folder:
            del self._folders[folder.path]
        sharers = self._sharers[folder.descriptor]
        sharers.remove(folder)
        if not sharers:
            del self._sharers[folder.descriptor]


class _Folder:
    """Watched folder under one of its paths."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inode = _inode(path)
        self.descriptor = -1


def _inode(path: Path) -> tuple[int, int]:
    """Return the identity of a folder, distinct from another one at its path; zeros if gone."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
