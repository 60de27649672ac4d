"""Limits on connections, for each group and in all, so that no crowd locks others out.

A connection without a call is idle, and one that has shown no right to call is a stranger's.
Where a limit is reached, such a one makes room for the next. Where none can, a few more are
let in as long as their calls are short, so that `ldrps status` and `stop` always get through.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field

from ldrps_wire.system import SELECTED_SOCKETS, resource

log = logging.getLogger("ldrps.peer_proxy")
EXTRA = 16
"""Connections above a limit, for short calls."""
_STRANGERS_SHARE = 4
FIRST_CALL_SECONDS = 30.0
"""Seconds after which a connection that has begun no call is cut off."""
_COMPLAINT_SECONDS = 10.0
# File descriptors of each: the client's socket, ours to gRPC, gRPC's end of that, and one that has
# not spoken (acceptor.py).
_DESCRIPTORS_EACH = 4
# File descriptors for the journal, photos, workers, and connections about to be turned away.
_DESCRIPTORS_KEPT = 256
# The same of the sockets that the loop itself watches, where those are what is scarce: gRPC's end
# is not among them.
_SOCKETS_EACH, _SOCKETS_KEPT = 3, 32


@dataclass(eq=False)
class Connection:
    """One connection."""

    name: str
    """Name of the client for whom calls are counted."""
    group: str
    """Name of the group that shares a limit of connections with it."""
    cut: Callable[[], object]
    """Function that ends it at once."""
    _: KW_ONLY
    proved: bool = False
    """True once it has shown that it may call."""
    called: bool = False
    """True once it has begun a call."""
    extra: bool = False
    """True while it is in one of the places for short calls."""
    calls: int = 0
    """Number of calls under way."""
    idle_since: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None

    @property
    def gives_way(self) -> bool:
        """True if nothing is lost by cutting it off."""
        return not (self.proved and self.calls)

    @contextmanager
    def calling(self, *, proves: bool) -> Iterator[None]:
        """Mark a call as under way while the block runs."""
        self.proved = self.proved or proves
        self.called = True
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            self.idle_since = time.monotonic()


class Connections:
    """All connections of one daemon."""

    def __init__(self, limit: int, group_limit: int) -> None:
        self.limit = limit
        """Most connections that may stay, a few with short calls apart."""
        self._group_limit = group_limit
        self._strangers = max(1, limit // _STRANGERS_SHARE)
        self._inside: dict[Connection, None] = {}
        self._complained = -_COMPLAINT_SECONDS
        self._unsaid = 0

    def __len__(self) -> int:
        return len(self._inside)

    def admit(self, connection: Connection) -> bool:
        """Let a connection in if there is room or room can be made."""
        same_group = [each for each in self._inside if each.group == connection.group]
        strangers = [each for each in self._inside if not each.proved]
        places = [(same_group, self._group_limit, EXTRA), (list(self._inside), self.limit, EXTRA)]
        if not connection.proved:
            places.append((strangers, self._strangers, 0))
        if not all(self._room(connection, *place) for place in places):
            self.complain(f"a connection of {connection.group} was turned away: there are too many")
            return False
        self._inside[connection] = None
        loop = asyncio.get_running_loop()
        connection.timer = loop.call_later(FIRST_CALL_SECONDS, self._check_first_call, connection)
        return True

    def _room(
        self, connection: Connection, present: list[Connection], limit: int, extra: int
    ) -> bool:
        """Make room for one more if need be, and return whether there is any."""
        present = [each for each in present if each in self._inside]
        if len(present) < limit:
            return True
        sizes = Counter(each.group for each in present)
        idle = [each for each in present if each.gives_way]
        if idle:
            # Of the largest crowd, so that it can push out only its own.
            first = min(idle, key=lambda it: (it.proved, -sizes[it.group], it.idle_since))
            self.leave(first)
            first.cut()
            return True
        connection.extra = True
        return len(present) < limit + extra

    def leave(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        self._inside.pop(connection, None)
        if connection.timer:
            connection.timer.cancel()

    def lets_stay(self, connection: Connection) -> bool:
        """Tell whether it may begin a call that takes its time: not in an extra place."""
        same_group = sum(each.group == connection.group for each in self._inside)
        if len(self) <= self.limit and same_group <= self._group_limit:
            connection.extra = False
        return not connection.extra

    def complain(self, words: str) -> None:
        """Log it, but not so often that rejected callers could fill the disk."""
        now = time.monotonic()
        if now - self._complained < _COMPLAINT_SECONDS:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} times the like before)" if self._unsaid else ""
        log.warning("%s%s", words, more)
        self._complained, self._unsaid = now, 0

    def _check_first_call(self, connection: Connection) -> None:
        if not connection.called:
            connection.cut()


def affordable(limit: int) -> int:
    """Raise the limit of file descriptors, and return how many connections they allow."""
    if SELECTED_SOCKETS is not None:
        return min(limit, (SELECTED_SOCKETS - _SOCKETS_KEPT) // _SOCKETS_EACH - EXTRA)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = (limit + EXTRA) * _DESCRIPTORS_EACH + _DESCRIPTORS_KEPT
    if soft < needed:
        unbounded = hard == resource.RLIM_INFINITY
        wanted = needed if unbounded else min(needed, hard)
        if wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return limit
    fewer = max(1, (soft - _DESCRIPTORS_KEPT) // _DESCRIPTORS_EACH - EXTRA)
    log.warning(
        "there are only %d file descriptors: %d connections are taken, not %d", soft, fewer, limit
    )
    return fewer
