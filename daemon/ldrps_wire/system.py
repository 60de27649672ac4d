"""Services of operating systems: locks, owners of files, flags of open, free room.

Linux is where the daemon runs. The client also works where these are missing: each function says
what it does there.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:
    msvcrt = None  # type: ignore[assignment]

HAS_OWNERS = hasattr(os, "geteuid")
"""True where files have an owner and a mode. On Windows a user's profile is closed to others by
lists of its own, which are left alone."""
WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags to open a file with that is not waited for and that no other program inherits."""

_CREDENTIALS = struct.Struct("3i")


def credentials(peer: socket.socket) -> tuple[int, int]:
    """Return the process and user at the other end of a unix socket, from the kernel. Linux."""
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def lock(file: IO[bytes], *, wait: bool) -> None:
    """Lock an open file for as long as it is open.

    BlockingIOError if it is locked by another and not waited for; OSError after ten seconds of
    waiting on Windows. Nothing where there are no locks at all.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    elif msvcrt is not None:
        _lock_byte(file, wait=wait)


def _lock_byte(file: IO[bytes], *, wait: bool) -> None:
    system: Any = msvcrt
    file.seek(0)
    try:
        system.locking(file.fileno(), system.LK_LOCK if wait else system.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(error.errno, error.strerror) from None


def is_locked(file: IO[bytes]) -> bool:
    """Tell whether another process holds an open file's lock; False where that cannot be asked."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def is_leased_to_a_writer(descriptor: int) -> bool:
    """Tell whether somebody has an open file open for writing, as far as the system knows.

    Linux grants a read lease only where nobody has (fcntl(2), F_SETLEASE). On files of other users
    and on network file systems it cannot be asked, and elsewhere there are no leases.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def longest_name(folder: Path) -> int | None:
    """Bytes that a name in a folder may have; None if the system does not say."""
    if not hasattr(os, "pathconf"):
        return None
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return None


def free_bytes(folder: Path) -> int | None:
    """Room for this user's files; None where a file system counts nothing."""
    if not hasattr(os, "statvfs"):
        return shutil.disk_usage(folder).free
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def memory_bytes() -> int | None:
    """Memory of the machine; None if the system does not say."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
