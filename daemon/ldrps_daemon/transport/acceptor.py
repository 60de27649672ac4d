"""Connections that have sent nothing yet: they are let in once they do.

Legitimate clients speak at once, in HTTP/2 as in TLS. Until it is let in, a connection costs
one descriptor and no task, so that crowds can come as fast as they like: where places run out, the
largest one loses its oldest, the silent first. Those that have spoken are let in by turns, a few of
each group, so that a process that calls again and again keeps only itself waiting.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ldrps_daemon.transport.peers import may_enter, peer_group
from ldrps_wire.system import UNIX_FAMILY, credentials

SILENT_SECONDS = 30.0
"""Seconds after which a connection that has sent nothing is cut off."""
# Connections that wait to be accepted; a unix socket refuses more.
_BACKLOG = 4096
# Most connections accepted in one turn.
_KEPT_AT_ONCE = 64
# Most seconds of accepting before those inside have their turn.
_TURN_SECONDS = 0.005
# Connections of each group let in before it is the next one's turn.
_LET_IN_AT_ONCE = 4
_FEWEST = 16
_PAUSE_SECONDS = 0.1
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(eq=False)
class PendingConnection:
    """One connection, and the identity of its other end."""

    socket: socket.socket
    name: str
    """Name of the client for whom calls are counted."""
    group: str
    """Name of the group that shares a limit of connections with it."""
    known: bool
    """True if the kernel has said that it may call."""
    came: float = field(default_factory=time.monotonic)


@dataclass
class _PeerQueue:
    """Connections of one group, oldest first."""

    silent: dict[PendingConnection, None] = field(default_factory=dict)
    spoken: dict[PendingConnection, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.silent) + len(self.spoken)

    def __iter__(self) -> Iterator[PendingConnection]:
        yield from self.silent
        yield from self.spoken

    def remove(self, pending: PendingConnection) -> None:
        self.silent.pop(pending, None)
        self.spoken.pop(pending, None)


class Acceptor:
    """Accepts connections, and passes on those that speak."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        limit: int,
        enter: Callable[[PendingConnection], object],
        complain: Callable[[str], None],
    ) -> None:
        """Take the sockets and the `limit` of connections let in; half as many may wait here."""
        self._listeners = listeners
        self._places = max(_FEWEST, limit // 2)
        self._enter = enter
        self._complain = complain
        self._queues: dict[str, _PeerQueue] = {}
        self._count = 0
        self._pauses: set[asyncio.TimerHandle] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None

    def __len__(self) -> int:
        return self._count

    def open(self) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            listener.setblocking(False)
            listener.listen(_BACKLOG)
            self._listen(listener)

    def close(self) -> None:
        """Stop accepting, and cut off silent ones."""
        loop = asyncio.get_running_loop()
        for pause in self._pauses:
            pause.cancel()
        for listener in self._listeners:
            loop.remove_reader(listener)
            listener.close()
        for pending in self._all():
            self._cut(pending)
        for handle in (self._sweep, self._turn):
            if handle:
                handle.cancel()

    def _all(self) -> list[PendingConnection]:
        return [pending for queue in self._queues.values() for pending in queue]

    def _listen(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept waiting connections, but never more silent ones than there are places.

        So all of them can be heard before one is cut off.
        """
        kept, end = 0, time.monotonic() + _TURN_SECONDS
        while kept < min(_KEPT_AT_ONCE, self._places) and time.monotonic() < end:
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._find_room(listener)
                return
            kept += self._receive(accepted)

    def _find_room(self, listener: socket.socket) -> None:
        """Free a descriptor or memory for waiting connections, now or after a moment."""
        if self._count:
            self._cut_one()
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)

        def go_on() -> None:
            self._pauses.discard(pause)
            self._listen(listener)

        pause = loop.call_later(_PAUSE_SECONDS, go_on)
        self._pauses.add(pause)

    def _receive(self, accepted: socket.socket) -> bool:
        """Keep a connection until it is let in, and have the loop watch it."""
        accepted.setblocking(False)
        spoke = _spoke(accepted)
        pending = None if spoke is False else self._identify(accepted)
        if pending is None:
            accepted.close()
            return False
        if self._count >= self._places:
            self._cut_one()
        self._count += 1
        queue = self._queues.setdefault(pending.group, _PeerQueue())
        if spoke:
            self._line_up(pending, queue)
        else:
            queue.silent[pending] = None
            loop = asyncio.get_running_loop()
            loop.add_reader(accepted, self._hear, pending)
            self._sweep = self._sweep or loop.call_later(SILENT_SECONDS, self._cut_silent)
        return True

    def _line_up(self, pending: PendingConnection, queue: _PeerQueue) -> None:
        queue.spoken[pending] = None
        self._turn = self._turn or asyncio.get_running_loop().call_soon(self._let_in)

    def _let_in(self) -> None:
        """Let in the next few of each group that has spoken, and leave the rest for later."""
        for queue in list(self._queues.values()):
            for pending in list(islice(queue.spoken, _LET_IN_AT_ONCE)):
                self._let_go(pending)
                self._enter(pending)
        more = any(queue.spoken for queue in self._queues.values())
        self._turn = asyncio.get_running_loop().call_soon(self._let_in) if more else None

    def _identify(self, accepted: socket.socket) -> PendingConnection | None:
        try:
            if accepted.family == UNIX_FAMILY:
                pid, uid = credentials(accepted)
                if not may_enter(uid):
                    self._complain(f"user {uid} was turned away")
                    return None
                return PendingConnection(accepted, f"pid {pid}", f"pid {pid}", known=True)
            host, port = accepted.getpeername()[:2]
            return PendingConnection(
                accepted, f"tcp {host}:{port}", peer_group(accepted), known=False
            )
        except OSError:
            return None  # it has gone already

    def _hear(self, pending: PendingConnection) -> None:
        """Queue a connection that has spoken, and close one that has hung up."""
        spoke = _spoke(pending.socket)
        if spoke:
            asyncio.get_running_loop().remove_reader(pending.socket)
            queue = self._queues[pending.group]
            del queue.silent[pending]
            self._line_up(pending, queue)
        elif spoke is False:
            self._cut(pending)

    def _cut_silent(self) -> None:
        """Cut off connections that were silent for too long, and schedule the next check."""
        now, loop = time.monotonic(), asyncio.get_running_loop()
        waiting = [pending for queue in self._queues.values() for pending in queue.silent]
        late = [pending for pending in waiting if pending.came + SILENT_SECONDS <= now]
        for pending in late:
            self._cut(pending)
        # Connections from now on are later than all that are here.
        due = min((pending.came for pending in waiting if pending not in late), default=None)
        self._sweep = None
        if due is not None:
            self._sweep = loop.call_later(due + SILENT_SECONDS - now, self._cut_silent)

    def _cut_one(self) -> None:
        """Cut the oldest of the largest queue, so that it can push out only its own."""
        name = max(self._queues, key=lambda each: len(self._queues[each]))
        self._complain(f"connections of {name} are cut before they are let in: there are too many")
        self._cut(next(iter(self._queues[name])))

    def _cut(self, pending: PendingConnection) -> None:
        self._let_go(pending)
        pending.socket.close()

    def _let_go(self, pending: PendingConnection) -> None:
        asyncio.get_running_loop().remove_reader(pending.socket)
        queue = self._queues[pending.group]
        queue.remove(pending)
        if not queue:
            del self._queues[pending.group]
        self._count -= 1


def _spoke(of: socket.socket) -> bool | None:
    """Tell whether data has come; False if the other end has hung up, None if neither."""
    try:
        return bool(of.recv(1, socket.MSG_PEEK))
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return False
