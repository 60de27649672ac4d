"""Services of operating systems: locks, owners of files, flags of open, free room.

Features that a system has or lacks have names here or in the engine's `atomic`, and are judged by
the parts of Python that are there; nothing else asks for a system. On Linux all of it is there.
Each function says what it does elsewhere.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from ldrps_engine.model_store.atomic import CLOSED_ON_EXEC

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:
    msvcrt = None  # type: ignore[assignment]
try:
    import resource as resource
except ImportError:
    resource = None  # type: ignore[assignment]

HAS_OWNERS = hasattr(os, "geteuid")
"""True where files have an owner and a mode. On Windows a user's profile is closed to others by
lists of its own, which are left alone."""
UNIX_FAMILY = getattr(socket, "AF_UNIX", None)
"""Family of unix sockets; None where Python has none."""
TELLS_UNIX_PEERS = UNIX_FAMILY is not None and hasattr(socket, "SO_PEERCRED")
"""True where the kernel says who is at the other end of a unix socket, and names sockets itself:
where a daemon can serve on one. Elsewhere it serves on loopback TCP."""
TELLS_TCP_PEERS = hasattr(socket, "AF_NETLINK")
"""True where the kernel says which user is at the other end of a connection within the machine."""
CONFINES = sys.platform == "linux" and TELLS_TCP_PEERS
"""True where a process can give up its rights for good, by seccomp and Landlock."""
PASSES_DESCRIPTORS = hasattr(os, "fork")
"""True where a child inherits the descriptors that are named, and a process can become another
program. Windows has neither."""
WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | CLOSED_ON_EXEC
"""Flags to open a file with that is not waited for, see `atomic`."""
KILLED = -int(getattr(signal, "SIGKILL", 9))
"""Exit status of a process that was killed, as `subprocess` has it."""
SELECTED_SOCKETS = None if resource else 512
"""Most sockets that one event loop can watch, which are Windows's `select`; None: as many as there
are descriptors."""
IN_ITS_OWN_SESSION: dict[str, Any] = (
    {"start_new_session": True}
    if PASSES_DESCRIPTORS
    else {
        "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    }
)
"""Arguments of Popen for a process that a Ctrl-C in this terminal, or its end, does not reach."""

_CREDENTIALS = struct.Struct("3i")
_LOCKED_BYTE = 1 << 30
_FREED_SECONDS, _PAUSE_SECONDS = 3.0, 0.1
_CRASHES = 1 << 31


def is_open_to_others(path: Path) -> bool:
    """Tell whether others may use a file; False on Windows, where its folder alone tells."""
    return HAS_OWNERS and bool(path.stat().st_mode & 0o077)


def credentials(peer: socket.socket) -> tuple[int, int]:
    """Return the process and user at the other end of a unix socket, from the kernel. Linux."""
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def listening(
    place: tuple[str, int], family: int = socket.AF_INET, *, backlog: int, both: bool = False
) -> socket.socket:
    """Open a TCP socket that no other program shares; `both`: for IPv4 and IPv6 alike.

    Windows lets others take a port over unless that is forbidden, and then keeps it for a moment
    from the process that comes after one that was killed.
    """
    exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    if exclusive is None:
        return socket.create_server(place, family=family, backlog=backlog, dualstack_ipv6=both)
    end = time.monotonic() + _FREED_SECONDS
    while True:
        try:
            return _exclusive(place, family, exclusive, backlog=backlog, both=both)
        except OSError:
            if time.monotonic() >= end:
                raise
        time.sleep(_PAUSE_SECONDS)


def _exclusive(
    place: tuple[str, int], family: int, option: int, *, backlog: int, both: bool
) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        listener.bind(place)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def lock(file: IO[Any], *, wait: bool) -> None:
    """Lock an open file for as long as it is open.

    BlockingIOError if it is locked by another and not waited for; OSError after ten seconds of
    waiting on Windows. Nothing where there are no locks at all.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    elif msvcrt is not None:
        _lock_byte(file, wait=wait)


def _lock_byte(file: IO[Any], *, wait: bool) -> None:
    """Lock a byte far behind the end, since no other process could read one that is locked."""
    system: Any = msvcrt
    os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
    try:
        system.locking(file.fileno(), system.LK_LOCK if wait else system.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(error.errno, error.strerror) from None
    finally:
        os.lseek(file.fileno(), 0, os.SEEK_SET)


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
    """Tell whether an open file is open for writing elsewhere, as far as the system knows.

    Linux grants a read lease only where none has (fcntl(2), F_SETLEASE). On files of other users
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


def write_at(descriptor: int, data: bytes, offset: int) -> int:
    """Write at a place of a file that no other process writes; returns how much the disk took."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


def exit_status(code: int) -> int:
    """Return a process's exit status, negative for a crash as for a signal.

    Windows ends a process that crashed with a code such as 0xC0000005.
    """
    return code - (1 << 32) if code >= _CRASHES else code
