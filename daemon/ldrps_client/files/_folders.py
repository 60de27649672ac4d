"""Checks for folders that accept no file now, made by trying before any work is done."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
from pathlib import Path
from typing import Any

from ldrps_client._text import cause
from ldrps_client.files._names import part_path
from ldrps_engine.errors import OutputError
from ldrps_wire.system import free_bytes

_PROBE_BYTES = 4096


def is_same(path: Path, other: Path) -> bool:
    """Tell if two paths lead to one file that is there; False where that is not known."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def check_folder(folder: Path, room: int = 0) -> None:
    """Refuse, before any work is done, a folder that cannot take a file of `room` bytes now.

    A file is tried, because permissions say too little: the disk may be full or read-only.
    """
    try:
        with _nameless(folder) as file:
            is_full = file.write(bytes(_PROBE_BYTES)) < _PROBE_BYTES
        free = free_bytes(folder)
        # Some file systems in user space count nothing.
        if is_full or (free is not None and free < room):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OutputError(_refusal(folder, error)) from error


def _refusal(folder: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{folder} may not be written to; choose another folder"
    why = cause(error)
    return f"{folder} cannot be written to: {why}; mend that or choose another folder"


def _nameless(folder: Path) -> Any:
    """Open a new file that goes when it is closed, nameless where the file system allows it."""
    if not hasattr(os, "O_TMPFILE"):
        # Windows removes no file that is open, but one that was opened in order to be removed.
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    with contextlib.suppress(OSError):
        return io.FileIO(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb")
    part = part_path(folder / "probe")
    file = io.FileIO(part, "xb")
    part.unlink()
    return file
