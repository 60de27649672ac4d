"""Sockets from systemd, and notifications to it, without its library."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

from ldrps_wire.system import UNIX_FAMILY

_FIRST_DESCRIPTOR = 3
_OURS = "ldrps-itself"


@dataclass(frozen=True)
class Listener:
    """A listening unix socket."""

    socket: socket.socket
    ours: bool
    """True where its file goes with the daemon; else it is systemd's."""


def handed_over(environment: MutableMapping[str, str] = os.environ) -> Listener | None:
    """Return the socket of a socket unit, or of this process before its restart, if any.

    See sd_listen_fds(3).
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "")
    if pid != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        return None
    os.set_inheritable(_FIRST_DESCRIPTOR, False)
    return Listener(socket.socket(fileno=_FIRST_DESCRIPTOR), names == _OURS)


def hand_on(listener: Listener) -> None:
    """Leave a socket to the program that this process becomes next, as systemd would."""
    os.dup2(listener.socket.fileno(), _FIRST_DESCRIPTOR)
    # dup2 onto the same descriptor does not clear close-on-exec.
    os.set_inheritable(_FIRST_DESCRIPTOR, True)
    names = _OURS if listener.ours else ""
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": names}


def notify(state: str) -> None:
    """Send `READY=1` or `STOPPING=1`; nothing happens where no one listens. See sd_notify(3)."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where or UNIX_FAMILY is None:
        return
    address = "\0" + where[1:] if where.startswith("@") else where
    with (
        contextlib.suppress(OSError),
        socket.socket(UNIX_FAMILY, socket.SOCK_DGRAM) as notify,
    ):
        notify.sendto(state.encode(), address)
