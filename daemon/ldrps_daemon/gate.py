"""The daemon's front door on a unix socket: sees who knocks, then passes the bytes on to gRPC.

gRPC for Python tells nobody which user or process is at the other end, and cannot take a socket
from systemd. So connections are accepted here, the peer's credentials are asked of the kernel,
and bytes are carried to gRPC's own socket beside this one. Each connection there comes from a
name that leads back to its client, see `clients.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from pathlib import Path

log = logging.getLogger("ldrps.gate")
NAME_PREFIX = "ldrps-"
BUFFER_BYTES = 1 << 18
_CREDENTIALS = struct.Struct("3i")


class Gate:
    """Listens on one socket until it is closed."""

    def __init__(self, listener: socket.socket, inner: Path, limit: int) -> None:
        """`inner` is gRPC's socket; `limit` is how many connections there may be at once."""
        self._listener = listener
        self._inner = inner
        self._limit = limit
        self._serial = 0
        self._clients: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._clients)

    def client(self, serial: int) -> str:
        """Who is at the other end of a connection."""
        return self._clients.get(serial, "unknown")

    async def open(self) -> None:
        """Begin to let clients in."""
        self._server = await asyncio.start_unix_server(
            self._receive, sock=self._listener, limit=BUFFER_BYTES
        )

    async def close(self) -> None:
        """Let nobody in any more and cut off whoever is inside."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports that were cut off close their sockets in the loop's next rounds.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._serial += 1
        serial = self._serial
        try:
            if self._admit(serial, writer.get_extra_info("socket")):
                await self._carry(serial, reader, writer)
        except (OSError, asyncio.CancelledError):
            # Whoever is still there sees the connection end, which says it all.
            pass
        finally:
            self._clients.pop(serial, None)
            self._tasks.discard(task)
            writer.transport.abort()

    def _admit(self, serial: int, peer: socket.socket) -> bool:
        pid, uid = credentials(peer)
        if not may_enter(uid):
            log.warning("user %d was turned away", uid)
            return False
        if len(self._clients) >= self._limit:
            log.warning("a connection was turned away: there are %d already", self._limit)
            return False
        self._clients[serial] = f"pid {pid}"
        return True

    async def _carry(
        self, serial: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inner = socket.socket(socket.AF_UNIX)
        inner.setblocking(False)
        try:
            inner.bind(f"\0{NAME_PREFIX}{serial}-{os.getpid()}")
            await asyncio.get_running_loop().sock_connect(inner, str(self._inner))
        except OSError:
            inner.close()
            raise
        back, onward = await asyncio.open_unix_connection(sock=inner, limit=BUFFER_BYTES)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, onward))
                both.create_task(_pump(back, writer))
        except* OSError:
            pass
        finally:
            onward.transport.abort()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Carry bytes until there are no more; never more than a buffer's worth at once."""
    while data := await source.read(BUFFER_BYTES):
        target.write(data)
        await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


def credentials(peer: socket.socket) -> tuple[int, int]:
    """Process and user at the other end of a unix socket, as the kernel knows them."""
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def may_enter(uid: int) -> bool:
    """Only the user whose daemon this is; the superuser can do anything anyway."""
    return uid in (os.geteuid(), 0)
