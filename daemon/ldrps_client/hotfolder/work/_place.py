"""Results come into being whole: staged under a hidden name, written down, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ldrps_client.files._folders import is_same
from ldrps_client.files._read import check_size, without_waiting
from ldrps_client.hotfolder.detect._rules import STAGED
from ldrps_client.provenance import sidecar_for
from ldrps_engine.model_store.atomic import into_place, sync

_PART_BYTES = 1 << 20
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def content_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex; OSError if it cannot be read.

    LimitError if it is larger than any photo: hashing it would hold up all others.
    """
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0, opener=without_waiting) as file:
        left = os.fstat(file.fileno()).st_size
        check_size(path, left)
        # No further: a file that grows as fast as it is read has no end.
        while left > 0 and (part := file.read(min(left, _PART_BYTES))):
            digest.update(part)
            left -= len(part)
    return digest.hexdigest()


def staged_path(folder: Path, key: str, ending: str) -> Path:
    """Return the hidden path for a result before it gets its name, known by the photo's key."""
    return folder / f"{STAGED}{key[:24]}{ending}"


def sweep(folder: Path, key: str) -> None:
    """Remove the remains in a folder of an interrupted attempt at a photo."""
    mark = f"{STAGED}{key[:24]}"
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # Writing itself goes through a name that has a further dot in front.
            if entry.name.startswith((mark, f".{mark}")):
                os.unlink(entry.path)


def place(staged: Path, target: Path) -> None:
    """Give a staged file, and its sidecar if it has one, their names.

    FileExistsError if one is taken; then nothing has changed. The photo comes last, so that it is
    never seen without its sidecar. Called again after a crash, it goes on where that happened.
    """
    beside = sidecar_for(staged)
    if os.path.exists(beside) and not is_same(beside, sidecar_for(target)):
        into_place(beside, sidecar_for(target))
    try:
        into_place(staged, target)
    except FileExistsError:
        if os.path.exists(beside):
            sidecar_for(target).unlink()
        raise
    for leftover in (beside, staged):
        leftover.unlink(missing_ok=True)


def pass_on(source: Path, staged: Path, target: Path, how: str) -> str:
    """Bring an original that needs nothing into the output folder; a file that is there stays.

    Returns how it was done: `copy` also where the file system has no such links, or the original
    is on another one.
    """
    if os.path.lexists(target):
        return how
    staged.unlink(missing_ok=True)
    try:
        if how == "symlink":
            staged.symlink_to(source)
            into_place(staged, target, force=True)
            return how
        if how == "hardlink":
            os.link(source, staged)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        how = "copy"
    if how == "copy":
        shutil.copy2(source, staged)
        sync(staged)
    with suppress(FileExistsError):
        place(staged, target)
    return how
