"""Files that appear whole or not at all: written under another name, synced, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SYNCS_FOLDERS = hasattr(os, "O_DIRECTORY")
"""True where a folder can be opened, so that the names in it can be made safe. On Windows it
cannot, and a file can only be made safe through a descriptor that may write."""
REMOVES_OPEN_FILES = hasattr(os, "fork")
"""True where a name can be removed or taken over while its file is open."""
CLOSED_ON_EXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags to open a file with that no other program inherits, and whose bytes stay as they are."""
UNFINISHED = ".part"
"""End of the names of files that are still being written."""
_PATIENCE_SECONDS, _PAUSE_SECONDS = 1.0, 0.02


def sync(path: Path) -> None:
    """Return once a file, or the names in a folder, are safe from a crash of the machine.

    Windows sees to the names itself.
    """
    if not SYNCS_FOLDERS and path.is_dir():
        return
    access = os.O_RDONLY if SYNCS_FOLDERS else os.O_RDWR
    descriptor = os.open(path, access | CLOSED_ON_EXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Rename a file, over another one if need be.

    On Windows that fails while one of them is open anywhere, as in a virus scanner for a
    moment: it is tried for a second.
    """
    end = time.monotonic() + (0 if REMOVES_OPEN_FILES else _PATIENCE_SECONDS)
    while True:
        try:
            return os.replace(source, target)
        except PermissionError:
            if time.monotonic() >= end:
                raise
        time.sleep(_PAUSE_SECONDS)


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """Write a file that takes its name only when it is complete and, if `lasting`, on disk.

    For folders in which no other process writes. Their names are to be synced when all are written.
    """
    unfinished = path.with_suffix(UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        replace(unfinished, path)
    except BaseException:
        # The disk may be full: what is of no use must not fill it further.
        unfinished.unlink(missing_ok=True)
        raise


def write_atomically(
    path: Path,
    data: bytes,
    part: Path | None = None,
    *,
    force: bool = True,
    lasting: bool = True,
    mode: int = 0o666,
) -> None:
    """Write a file under the name `part`, by default a hidden one next to it, and rename it.

    `mode` is as for `os.open`. FileExistsError if a name is taken, its own only without `force`.
    """
    part = part or path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        into_place(part, path, force=force, lasting=lasting)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Give the name under which to write a file, which takes its own when it is on the disk.

    For writers that want a name. Nothing is left of one that failed.
    """
    part = path.with_name(path.name + UNFINISHED)
    try:
        yield part
        sync(part)
        into_place(part, path, force=True)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def folder_into_place(part: Path, folder: Path) -> None:
    """Give a finished folder its name once all that is in it is on the disk."""
    for path in (*part.rglob("*"), part):
        sync(path)
    os.rename(part, folder)
    with contextlib.suppress(OSError):
        sync(folder.parent)


def into_place(part: Path, path: Path, *, force: bool = False, lasting: bool = True) -> None:
    """Give a finished file its name, on the disk too; the old name may remain.

    FileExistsError if the name is taken and `force` is not given.
    """
    if force:
        replace(part, path)
    else:
        _link_into_place(part, path)
    if lasting:
        # The new name itself is on the disk only when the folder is.
        with contextlib.suppress(OSError):
            sync(path.parent)


def _link_into_place(part: Path, path: Path) -> None:
    """Link a file into place: a rename that fails when another process was faster."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links, such as FAT: a small window remains.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.rename(part, path)
