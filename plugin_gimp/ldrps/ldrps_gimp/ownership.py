"""Ownership of folders on the way to a socket or token: others could exchange theirs.

The same rules as the daemon's and the command's, which a test compares. On systems without Unix's
owners every folder passes.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _

_MOST_LINKS = 40
_UID_MAP, _OVERFLOW = Path("/proc/self/uid_map"), Path("/proc/sys/kernel/overflowuid")
_CREDENTIALS = struct.Struct("3i")


def check_way(path: Path) -> None:
    """Refuse a path that another user could exchange; RestoreError names the folder.

    A folder such as /tmp, in which users may only remove their own files, is fine on the way but
    not as the last one. Nothing need exist yet.
    """
    if not hasattr(os, "geteuid"):
        return
    path = path.absolute()
    # Not by Path.resolve, which raises where links lead in circles.
    last = (Path(os.path.realpath(path.parent)), Path(os.path.realpath(path)).parent)
    for at, status in _way(path):
        sticky = bool(status.st_mode & stat.S_ISVTX) and at not in last
        if status.st_uid not in _trusted() or (_others_write(status) and not sticky):
            text = _("{path} is not safe from other users of this computer; use a folder of yours.")
            raise RestoreError("settings", text.format(path=at))


def make_folder(folder: Path) -> None:
    """Make a folder that only this user can enter; OSError or RestoreError if that fails."""
    check_way(folder / "x")
    # Not by `parents`, which leaves their modes to the umask.
    for missing in reversed([each for each in folder.parents if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    # Once more: another user may have been faster in a folder that is open to all.
    check_way(folder / "x")


def replace_file(file: Path, data: bytes) -> None:
    """Write a file, whole or not at all, readable by this user alone; errors as `make_folder`."""
    make_folder(file.parent)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")
    try:
        with os.fdopen(handle, "wb") as made:
            made.write(data)
            made.flush()
            os.fsync(made.fileno())
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_private(folder: Path) -> bool:
    """Tell whether a folder is there, ours, and closed to the hands of others."""
    try:
        status = folder.stat()
    except OSError:
        return False
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or _others_write(status)):
        return False
    return stat.S_ISDIR(status.st_mode) and os.access(folder, os.W_OK | os.X_OK)


def is_ours(sock: socket.socket) -> bool:
    """Tell whether this user, or root, listens at a unix socket's other end."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(data)[1] in (os.geteuid(), 0)


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each folder and symbolic link from the root on, as far as they exist, and the last."""
    left, at, links = list(reversed(path.parts[1:])), Path(path.anchor), 0
    yield at, at.lstat()
    while left:
        part = left.pop()
        at = at.parent if part == ".." else at / part
        try:
            status = at.lstat()
            target = Path(os.readlink(at)) if stat.S_ISLNK(status.st_mode) else None
        except OSError:
            return  # opening it meets the same error, and says so
        yield at, status
        links += target is not None
        if target and links <= _MOST_LINKS:
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            at = Path(target.anchor) if target.is_absolute() else at.parent


def _others_write(status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return False  # what the mode says of these lets no other user exchange them
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid)


def _is_private_group(group: int) -> bool:
    """Tell whether a group is root's, or the one that many systems make for each user alone."""
    import grp
    import pwd

    if group == 0:
        return True
    try:
        user, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == user and set(entry.gr_mem) <= {user}


def _trusted() -> set[int]:
    """Return this user and root, who in flatpak and containers may appear as nobody."""
    trusted = {os.geteuid(), 0}
    try:
        if not any(line.split()[0] == "0" for line in _UID_MAP.read_text().splitlines()):
            trusted.add(int(_OVERFLOW.read_text()))
    except (OSError, ValueError, IndexError):
        pass
    return trusted
