"""What systemd gives a service and wants to hear of it, without its library."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping

_FIRST_DESCRIPTOR = 3


def handed_over(environment: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """The listening socket of a socket unit; None if there is none. See sd_listen_fds(3)."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        return None
    os.set_inheritable(_FIRST_DESCRIPTOR, False)
    return socket.socket(fileno=_FIRST_DESCRIPTOR)


def tell(state: str) -> None:
    """`READY=1` or `STOPPING=1`; nothing where no one listens. See sd_notify(3)."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    address = "\0" + where[1:] if where.startswith("@") else where
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify,
    ):
        notify.sendto(state.encode(), address)
