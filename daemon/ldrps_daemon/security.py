"""Who may reach the daemon: addresses we serve on, the folder, the lock, the token."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import grpc
import grpc.aio

from ldrps_client._address import UNIX, run_folder
from ldrps_client._status import AUTHORIZATION_KEY, REASON_KEY
from ldrps_engine.errors import SettingsError, UnavailableError

# sockaddr_un holds 108 bytes, the last of which is a NUL.
MAX_SOCKET_PATH = 107
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})")
_HEALTH = "/grpc.health.v1.Health/"


@dataclass(frozen=True)
class Place:
    """A checked address: where to bind, and the lock that makes it ours alone."""

    target: str
    """As gRPC wants it."""
    lock: Path
    socket: Path | None
    """None on TCP."""


def check_address(address: str) -> Place:
    """Take unix sockets and loopback TCP; SettingsError says why anything else is refused."""
    if address.startswith(UNIX):
        return _unix_place(Path(re.sub("^//", "", address.removeprefix(UNIX))))
    match = _LOOPBACK.fullmatch(address)
    if match and 0 < int(match[2]) <= 65535:
        return Place(address, run_folder() / f"tcp-{match[2]}.lock", None)
    raise SettingsError(
        f"address '{address}' is refused; serve on unix:PATH or on 127.0.0.1:PORT, "
        "because nothing would protect photos on an open network"
    )


def _unix_place(path: Path) -> Place:
    if not path.name:
        raise SettingsError("the address names no socket; give unix:PATH")
    path = path.absolute()
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH:
        raise SettingsError(
            f"the socket path {path} has {length} bytes; the system takes at most "
            f"{MAX_SOCKET_PATH}, so give a shorter --address"
        )
    return Place(f"{UNIX}{path}", path.with_name(path.name + ".lock"), path)


def own_folder(folder: Path) -> None:
    """Make a folder that only this user can enter, or refuse one that others can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise SettingsError(f"folder {folder} cannot be used ({error.strerror})") from None
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise SettingsError(
            f"folder {folder} can be entered by others; use a folder of your own with mode 0700"
        )


def take_lock(place: Place) -> IO[str]:
    """Hold the address until the file is closed; UnavailableError if another daemon does."""
    # Opened without truncating: until it is ours, the file holds the other daemon's pid.
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    file = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = file.read().strip() or "unknown"
        file.close()
        raise UnavailableError(
            f"another daemon (pid {pid}) serves {place.target}; stop it or give another --address"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def bind(server: Any, place: Place) -> None:
    """Bind so that at no moment another user could connect. Call with the lock held."""
    if place.socket:
        place.socket.unlink(missing_ok=True)  # left by a daemon that was killed
    before = os.umask(0o177)
    try:
        server.add_insecure_port(place.target)
    except RuntimeError:
        raise UnavailableError(
            f"cannot serve on {place.target}; see whether something else uses that address"
        ) from None
    finally:
        os.umask(before)
    if place.socket:
        place.socket.chmod(0o600)


def read_token(path: Path) -> str:
    """The token in a file, made if there is none. It is kept so that clients stay valid."""
    own_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"token file {path} is open to others; delete it") from None
        return path.read_text().strip()
    token = secrets.token_hex(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets only those through who can read the token file. Health stays open for probes."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Pass the call on, or refuse it as UNAUTHENTICATED."""
        shown = str(dict(details.invocation_metadata).get(AUTHORIZATION_KEY, ""))
        allowed = secrets.compare_digest(shown.encode(), self._expected)
        if allowed or details.method.startswith(_HEALTH):
            return await continuation(details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_: bytes, context: Any) -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "the call shows no valid token; send the token file's content as a Bearer token",
        ((REASON_KEY, "unavailable"),),
    )
