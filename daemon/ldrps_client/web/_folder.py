"""Temporary folder of the page, closed to others, that does not outlive this program for long."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ldrps_client._text import cause
from ldrps_engine.errors import OutputError
from ldrps_wire.system import HAS_OWNERS, lock

_PREFIX = "ldrps-web-"
_LOCK = "lock"


def no_room(error: OSError, folder: Path) -> OutputError:
    """Return the error for files of the page that the disk does not take, or has lost."""
    why = cause(error)
    return OutputError(
        f"the page's files in {folder} cannot be kept: {why}; make room there, or start it again "
        "with TMPDIR set to another folder"
    )


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that goes with the block, and remove those of programs that were killed."""
    home = Path(tempfile.gettempdir())
    _sweep(home)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
        (folder / _LOCK).touch(0o600)
    except OSError as error:
        why = cause(error)
        raise OutputError(
            f"no folder for the photos can be made in {home}: {why}; set TMPDIR to another"
        ) from error
    try:
        with open(folder / _LOCK, "rb+") as file:
            lock(file, wait=False)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path) -> None:
    for folder in home.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if HAS_OWNERS and folder.lstat().st_uid != os.geteuid():
                continue
            with open(folder / _LOCK, "rb+") as file:
                # Held by those who still use it.
                lock(file, wait=False)
                shutil.rmtree(folder, ignore_errors=True)
