"""The daemon's front door: identifies callers, then passes the bytes on to gRPC.

gRPC for Python does not say which user or process is at the other end, cannot take a socket from
systemd, takes as many connections as there are file descriptors, and breaks at calls that it cannot
read. So connections are accepted by the acceptor, the kernel is asked who made them, and those that
speak come here: TLS is undone, the heads of calls are read along, and bytes are carried to gRPC's
own server (inner.py). Each connection there comes from a name that the kernel chose, which leads
back to its client.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ldrps_daemon.transport.acceptor import Acceptor, PendingConnection
from ldrps_daemon.transport.connections import FIRST_CALL_SECONDS, Connection, Connections
from ldrps_daemon.transport.headers import HeadReader, UnreadableError
from ldrps_daemon.transport.inner import BUFFER_BYTES, Inner

log = logging.getLogger("ldrps.peer_proxy")


class PeerProxy:
    """Listens on its sockets until it is closed."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        inner: Inner,
        connections: Connections,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take gRPC's place `inner`, the limits `connections`, and `tls` for TCP."""
        self._tls = tls
        self._acceptor = Acceptor(listeners, connections.limit, self._enter, connections.complain)
        self._inner = inner
        self._connections = connections
        self._by_name: dict[str, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """Number of connections that have spoken and are open."""
        return len(self._connections)

    def client(self, peer: str) -> str:
        """Return the client at the other end of a connection that gRPC calls `peer`."""
        connection = self._connection(peer)
        return connection.name if connection else "unknown"

    def lets_stay(self, peer: str) -> bool:
        """Tell whether there is room for a call that takes its time; see `connections.py`."""
        connection = self._connection(peer)
        return connection is None or self._connections.lets_stay(connection)

    @contextmanager
    def calling(self, peer: str, *, proves: bool) -> Iterator[None]:
        """Mark a connection as in use; `proves`: by a client that is allowed to call."""
        connection = self._connection(peer)
        if connection is None:
            yield
            return
        with connection.calling(proves=proves):
            yield

    async def open(self) -> None:
        """Begin to let clients in."""
        self._acceptor.open()

    async def close(self) -> None:
        """Let no client in any more and cut off those inside."""
        self._acceptor.close()
        # Those who were let in just now begin, so that they can end what they hold.
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports that were cut off close their sockets in the loop's next rounds.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _connection(self, peer: str) -> Connection | None:
        return self._by_name.get(peer)

    def _enter(self, pending: PendingConnection) -> None:
        """Admit a connection that has spoken."""
        task = asyncio.get_running_loop().create_task(self._receive(pending))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, pending: PendingConnection) -> None:
        task = asyncio.current_task()
        assert task
        connection = Connection(pending.name, pending.group, task.cancel, proved=pending.known)
        writer = None
        try:
            if self._connections.admit(connection):
                reader, writer = await _streams(pending.socket)
                if self._tls:
                    reader, secure = await self._secured(connection, writer)
                    await self._forward(connection, reader, secure)
                else:
                    await self._forward(connection, reader, writer)
        except UnreadableError as error:
            self._connections.complain(f"a connection of {connection.group} was cut: {error}")
        except (OSError, asyncio.CancelledError):
            # A client that is still there sees the connection end, which says it all.
            pass
        finally:
            self._connections.leave(connection)
            if writer:
                writer.transport.abort()
            else:
                pending.socket.close()

    async def _secured(
        self, connection: Connection, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Shake hands, and speak in clear from then on.

        This must come before anything else waits: bytes read before would be missing.
        """
        assert self._tls
        reader, protocol = _reader()
        transport = await asyncio.get_running_loop().start_tls(
            writer.transport,
            protocol,
            self._tls,
            server_side=True,
            ssl_handshake_timeout=FIRST_CALL_SECONDS,
        )
        assert transport
        protocol.connection_made(transport)
        if name := _common_name(transport.get_extra_info("peercert")):
            connection.name = f"cert {name}"
        loop = asyncio.get_running_loop()
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _forward(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Who says nothing after the handshake takes no descriptors inside.
        first = await reader.read(BUFFER_BYTES)
        if not first:
            return
        heads = HeadReader()
        first = heads.feed(first)
        inner = await self._inner.connect()
        name = self._inner.name(inner)
        self._by_name[name] = connection
        try:
            back, onward = await self._inner.streams(inner)
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


def _reader() -> tuple[asyncio.StreamReader, asyncio.StreamReaderProtocol]:
    reader = asyncio.StreamReader(limit=BUFFER_BYTES)
    return reader, asyncio.StreamReaderProtocol(reader)


async def _streams(accepted: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, protocol = _reader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _pump(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    check: Callable[[bytes], bytes] | None = None,
) -> None:
    """Carry bytes, or what `check` makes of them, to their end; at most a buffer at once."""
    while data := await source.read(BUFFER_BYTES):
        target.write(check(data) if check else data)
        await target.drain()
    with contextlib.suppress(OSError):
        # TLS knows no end of one direction alone.
        if target.can_write_eof():
            target.write_eof()
        else:
            target.close()


def _common_name(certificate: Any) -> str:
    """Return the name in a client's certificate; empty if there is none."""
    subject = certificate.get("subject", ()) if certificate else ()
    names = [value for part in subject for key, value in part if key == "commonName"]
    return str(names[0])[:64] if names else ""
