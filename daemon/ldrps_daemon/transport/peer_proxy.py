"""The daemon's front door: sees who knocks, then passes the bytes on to gRPC.

gRPC for Python tells nobody which user or process is at the other end, cannot take a socket from
systemd, takes as many connections as there are file descriptors, and breaks at calls that it cannot
read. So connections are accepted here, the kernel is asked who made them, TLS is undone, the heads
of calls are read along, and bytes are carried to gRPC's own socket beside this one. Each connection
there comes from a name that the kernel chose, which leads back to its client.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ldrps_daemon.transport.guests import FIRST_CALL_SECONDS, Guest, Guests
from ldrps_daemon.transport.headers import HeadReader, UnreadableError
from ldrps_daemon.transport.peers import credentials, may_enter, party

log = logging.getLogger("ldrps.gate")
BUFFER_BYTES = 1 << 18
_BACKLOG = 1024
"""Connections that wait to be looked at; a unix socket refuses more."""
_AT_ONCE = 64
"""So many are accepted before anybody is turned away, and take descriptors."""
_TRIES, _PAUSE_SECONDS = 20, 0.1
_PEER = "unix-abstract:"
"""Before the name of a connection, as gRPC has it."""


class PeerProxy:
    """Listens on its sockets until it is closed."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        inner: Path,
        guests: Guests,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`inner` is gRPC's socket; `guests` says who may stay; `tls` is for TCP."""
        self._tls = tls
        self._listeners = listeners
        self._inner = inner
        self._guests = guests
        self._by_name: dict[str, Guest] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._guests)

    def client(self, peer: str) -> str:
        """Who is at the other end of a connection that gRPC calls `peer`."""
        guest = self._guest(peer)
        return guest.name if guest else "unknown"

    def lets_stay(self, peer: str) -> bool:
        """Whether there is room for a call that takes its time; see `guests.py`."""
        guest = self._guest(peer)
        return guest is None or self._guests.lets_stay(guest)

    @contextmanager
    def calling(self, peer: str, *, proves: bool) -> Iterator[None]:
        """Mark a connection as in use; `proves`: by somebody who is allowed to call."""
        guest = self._guest(peer)
        if guest is None:
            yield
            return
        with guest.calling(proves=proves):
            yield

    async def open(self) -> None:
        """Begin to let clients in."""
        for listener in self._listeners:
            server = await asyncio.start_server(
                self._receive, sock=listener, limit=BUFFER_BYTES, backlog=_AT_ONCE
            )
            listener.listen(_BACKLOG)
            self._servers.append(server)

    async def close(self) -> None:
        """Let nobody in any more and cut off whoever is inside."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports that were cut off close their sockets in the loop's next rounds.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _guest(self, peer: str) -> Guest | None:
        return self._by_name.get(peer.removeprefix(_PEER))

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        guest = None
        try:
            guest = self._admit(writer.get_extra_info("socket"), task.cancel)
            if guest and self._tls:
                await self._carry(guest, *await self._secured(guest, writer))
            elif guest:
                await self._carry(guest, reader, writer)
        except UnreadableError as error:
            whose = guest.party if guest else "somebody"
            self._guests.complain(f"a connection of {whose} was cut: {error}")
        except (OSError, asyncio.CancelledError):
            # Whoever is still there sees the connection end, which says it all.
            pass
        finally:
            if guest:
                self._guests.leave(guest)
            self._tasks.discard(task)
            writer.transport.abort()

    def _admit(self, peer: socket.socket, cut: Callable[[], object]) -> Guest | None:
        if peer.family == socket.AF_UNIX:
            pid, uid = credentials(peer)
            if not may_enter(uid):
                self._guests.complain(f"user {uid} was turned away")
                return None
            guest = Guest(f"pid {pid}", f"pid {pid}", cut, proved=True)
        else:
            host, port = peer.getpeername()[:2]
            guest = Guest(f"tcp {host}:{port}", party(peer), cut)
        return guest if self._guests.admit(guest) else None

    async def _secured(
        self, guest: Guest, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Shake hands, and speak in clear from then on.

        Must come before anything else waits: what is read before would be missing.
        """
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=BUFFER_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        assert self._tls
        transport = await loop.start_tls(
            writer.transport,
            protocol,
            self._tls,
            server_side=True,
            ssl_handshake_timeout=FIRST_CALL_SECONDS,
        )
        assert transport
        protocol.connection_made(transport)
        if name := _common_name(transport.get_extra_info("peercert")):
            guest.name = f"cert {name}"
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _carry(
        self, guest: Guest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Clients speak first, in HTTP/2 as in TLS; who says nothing takes no descriptors inside.
        first = await reader.read(BUFFER_BYTES)
        if not first:
            return
        heads = HeadReader()
        heads.feed(first)
        inner = await self._connected()
        name = os.fsdecode(inner.getsockname()[1:])
        self._by_name[name] = guest
        try:
            back, onward = await asyncio.open_unix_connection(sock=inner, limit=BUFFER_BYTES)
            onward.write(first)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, onward, heads.feed))
                    both.create_task(_pump(back, writer))
            except* OSError:
                pass
            except* UnreadableError as errors:
                raise errors.exceptions[0] from None
            finally:
                onward.transport.abort()
        finally:
            self._by_name.pop(name, None)

    async def _connected(self) -> socket.socket:
        """A connection to gRPC, which has been given a name."""
        for _ in range(_TRIES):
            try:
                inner = socket.socket(socket.AF_UNIX)
                break
            except OSError as error:
                # Connections that were cut off may not have let go of theirs yet.
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
        else:
            raise OSError(errno.EMFILE, "no file descriptors are left")
        inner.setblocking(False)
        try:
            # The kernel chooses the name: one that can be guessed, others could take first.
            inner.bind("")
            await asyncio.get_running_loop().sock_connect(inner, str(self._inner))
        except BaseException:
            inner.close()
            raise
        return inner


async def _pump(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    check: Callable[[bytes], None] | None = None,
) -> None:
    """Carry bytes until there are no more; never more than a buffer's worth at once."""
    while data := await source.read(BUFFER_BYTES):
        if check:
            check(data)
        target.write(data)
        await target.drain()
    with contextlib.suppress(OSError):
        # TLS knows no end of one direction alone.
        if target.can_write_eof():
            target.write_eof()
        else:
            target.close()


def _common_name(certificate: Any) -> str:
    """Who a client's certificate says it is; empty if there is none."""
    subject = certificate.get("subject", ()) if certificate else ()
    names = [value for part in subject for key, value in part if key == "commonName"]
    return str(names[0])[:64] if names else ""
