"""Way from the peer proxy to gRPC's own server, which no other process may take.

Where the kernel tells who is at a unix socket, it is one in a folder of this user alone. Elsewhere
it is a port of the loopback interface that any process of the machine could connect to, so each
side proves there that it has the daemon's own key, before gRPC reads a byte.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from pathlib import Path
from typing import Any, Protocol

import grpc

from ldrps_daemon.transport.certificate import own_pair
from ldrps_engine.errors import UnavailableError
from ldrps_wire.address import UNIX, certificate_file
from ldrps_wire.system import TELLS_UNIX_PEERS

BUFFER_BYTES = 1 << 18
_TRIES, _PAUSE_SECONDS = 20, 0.1
_LOOPBACK = "127.0.0.1"
_HANDSHAKE_SECONDS = 10
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Inner(Protocol):
    """Place of gRPC's server behind the proxy."""

    options: tuple[tuple[str, int], ...]
    """Options that gRPC needs for it."""

    def bind(self, server: Any) -> None:
        """Bind gRPC to it; UnavailableError if that cannot be done. Needs the lock."""

    async def connect(self) -> socket.socket:
        """Connect to gRPC; OSError if it is not there."""

    def name(self, connected: socket.socket) -> str:
        """Return the connection's name, as gRPC has it; no other can have one like it."""

    async def streams(self, connected: socket.socket) -> Streams:
        """Return both directions of a connection, ready for HTTP/2."""

    def remove(self) -> None:
        """Remove what it has left on the disk."""


def inner_at(path: Path, token_file: Path) -> Inner:
    """Choose the kind that this system has: a socket at `path`, or a port and the key by the
    token."""
    return UnixInner(path) if TELLS_UNIX_PEERS else LoopbackInner(token_file)


class UnixInner:
    """A socket that only its owner can open."""

    options: tuple[tuple[str, int], ...] = ()

    def __init__(self, path: Path) -> None:
        self._path = path

    def bind(self, server: Any) -> None:
        """Bind gRPC to it. Needs the lock."""
        self.remove()
        before = os.umask(0o177)
        try:
            server.add_insecure_port(f"{UNIX}{self._path}")
        except RuntimeError:
            raise UnavailableError(
                f"cannot serve on {self._path}; see whether its folder can be written"
            ) from None
        finally:
            os.umask(before)

    async def connect(self) -> socket.socket:
        """Connect from a name that leads back to the client."""
        inner = await _socket(socket.AF_UNIX)
        try:
            # The kernel chooses the name: others could take a guessable one first.
            inner.bind("")
            await asyncio.get_running_loop().sock_connect(inner, str(self._path))
        except BaseException:
            inner.close()
            raise
        return inner

    def name(self, connected: socket.socket) -> str:
        """Return the abstract name."""
        return "unix-abstract:" + os.fsdecode(connected.getsockname()[1:])

    async def streams(self, connected: socket.socket) -> Streams:
        """Return both directions."""
        return await asyncio.open_unix_connection(sock=connected, limit=BUFFER_BYTES)

    def remove(self) -> None:
        """Remove the socket's file."""
        self._path.unlink(missing_ok=True)


class LoopbackInner:
    """A port chosen by the system, with mutual TLS."""

    # Who connects and proves nothing is gone soon.
    options: tuple[tuple[str, int], ...] = (
        ("grpc.server_handshake_timeout_ms", 1000 * _HANDSHAKE_SECONDS),
    )

    def __init__(self, token_file: Path) -> None:
        """Take the daemon's own key; SettingsError if there can be none."""
        self._key_file = own_pair(token_file)
        self._certificate = certificate_file(token_file).read_bytes()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.set_alpn_protocols(["h2"])
        self._context.load_verify_locations(cadata=self._certificate.decode())
        self._context.load_cert_chain(self._key_file)
        self._port = 0

    def bind(self, server: Any) -> None:
        """Bind gRPC to a port that only holders of the key can use."""
        pair = [(self._key_file.read_bytes(), self._certificate)]
        secure = grpc.ssl_server_credentials(
            pair, root_certificates=self._certificate, require_client_auth=True
        )
        try:
            self._port = server.add_secure_port(f"{_LOOPBACK}:0", secure)
        except RuntimeError:
            raise UnavailableError(
                f"cannot serve on {_LOOPBACK}; see whether this system has a loopback interface"
            ) from None

    async def connect(self) -> socket.socket:
        """Connect from a port that leads back to the client."""
        inner = await _socket(socket.AF_INET)
        try:
            await asyncio.get_running_loop().sock_connect(inner, (_LOOPBACK, self._port))
        except BaseException:
            inner.close()
            raise
        return inner

    def name(self, connected: socket.socket) -> str:
        """Return the address of our end."""
        host, port = connected.getsockname()
        return f"ipv4:{host}:{port}"

    async def streams(self, connected: socket.socket) -> Streams:
        """Return both directions, once either side has proved itself."""
        return await asyncio.open_connection(
            sock=connected,
            ssl=self._context,
            server_hostname=_LOOPBACK,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            limit=BUFFER_BYTES,
        )

    def remove(self) -> None:
        """Do nothing: a port leaves nothing behind."""


async def _socket(family: int) -> socket.socket:
    """Make a socket that waits for nothing, in a while if there is no descriptor left."""
    for _ in range(_TRIES):
        try:
            made = socket.socket(family)
            break
        except OSError as error:
            # Connections that were cut off may not have let go of theirs yet.
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
    else:
        raise OSError(errno.EMFILE, "no file descriptors are left")
    made.setblocking(False)
    return made
