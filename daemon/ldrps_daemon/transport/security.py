"""Addresses at which the daemon may be reached: checks, the folder, the lock, the sockets."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ldrps_engine.errors import SettingsError, UnavailableError
from ldrps_engine.model_store.atomic import CLOSED_ON_EXEC
from ldrps_wire.address import TLS, UNIX, check_socket_length, has_tcp_form, run_folder
from ldrps_wire.ownership import own_folder as own_folder
from ldrps_wire.system import TELLS_UNIX_PEERS, listening, lock

_BACKLOG = 128


@dataclass(frozen=True)
class ListenAddress:
    """A checked address: the place to bind, and the lock that makes it ours alone."""

    target: str
    """Address in gRPC's form."""
    lock: Path
    socket: Path | None = None
    """Path of the unix socket; None on TCP."""
    certified: bool = False
    """True if the user supplies the certificate, as for other machines."""

    @property
    def inner(self) -> Path:
        """Return the place of gRPC's own socket, behind the proxy, where it is one."""
        return self.lock.with_name(f"{self.lock.stem}~")


def check_address(address: str) -> ListenAddress:
    """Accept unix sockets, loopback TCP and TLS; SettingsError says why not anything else."""
    if address.startswith(UNIX):
        return _unix_address(Path(re.sub("^//", "", address.removeprefix(UNIX))))
    if has_tcp_form(address):
        target = address.removeprefix(TLS)
        lock = run_folder() / f"tcp-{target.rpartition(':')[2]}.lock"
        check_socket_length(lock, "set XDG_RUNTIME_DIR to a folder with a shorter path")
        return ListenAddress(target, lock, certified=address.startswith(TLS))
    raise SettingsError(
        f"address '{address}' is refused; serve on unix:PATH, on 127.0.0.1:PORT, or on "
        "tls:HOST:PORT with a certificate, because nothing else would protect photos on a network"
    )


def _unix_address(path: Path) -> ListenAddress:
    if not TELLS_UNIX_PEERS:
        raise SettingsError(
            f"the address {UNIX}{path} is refused; this system does not tell who is at a unix "
            "socket, so serve on 127.0.0.1:PORT"
        )
    if not path.name:
        raise SettingsError("the address names no socket; give unix:PATH")
    path = path.absolute()
    check_socket_length(path, "give a shorter --address")
    return ListenAddress(f"{UNIX}{path}", path.with_name(path.name + ".lock"), path)


def take_lock(address: ListenAddress) -> IO[str]:
    """Hold the address until the file is closed; UnavailableError if another daemon does."""
    # Opened without truncating: until it is ours, the file holds the other daemon's pid.
    descriptor = os.open(address.lock, os.O_RDWR | os.O_CREAT | CLOSED_ON_EXEC, 0o600)
    file = os.fdopen(descriptor, "r+")
    try:
        lock(file, wait=False)
    except BlockingIOError:
        pid = file.read().strip() or "unknown"
        file.close()
        raise UnavailableError(
            f"another daemon (pid {pid}) serves {address.target}; stop it or give another --address"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def listen(path: Path) -> socket.socket:
    """Open the socket for clients, readable by this user alone from its first moment."""
    path.unlink(missing_ok=True)  # left by a daemon that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UnavailableError(f"cannot serve on {path} ({error.strerror})") from None
    finally:
        os.umask(before)
    return listener


def listen_on(target: str) -> list[socket.socket]:
    """Open the sockets of HOST:PORT, one for each of the host's addresses."""
    host, _, port = target.rpartition(":")
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, place in dict.fromkeys(found):
            listeners.append(_listener_at(family, place))
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise UnavailableError(
            f"cannot serve on {target} ({error.strerror}); "
            "see whether something else uses that address"
        ) from None
    return listeners


def _listener_at(family: socket.AddressFamily, place: Any) -> socket.socket:
    both = family == socket.AF_INET6 and place[0] == "::" and socket.has_dualstack_ipv6()
    return listening(place[:2], family, backlog=_BACKLOG, both=both)
