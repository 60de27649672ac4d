"""Event loop of the daemon, and signals that end it, on systems whose loops can do less.

On Windows the usual loop (asyncio.ProactorEventLoop) watches no sockets, which the acceptor needs,
so it is the one on `select`; and none there takes signals.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_SIGNALS = ("SIGTERM", "SIGINT", "SIGBREAK")
_AT_ONCE = 64


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a loop that watches sockets; None where the usual one does."""
    return asyncio.SelectorEventLoop if hasattr(asyncio, "ProactorEventLoop") else None


@contextmanager
def ending_by_signal(end: Callable[[], object]) -> Iterator[None]:
    """Have SIGTERM and Ctrl-C call `end` in this loop while the block runs."""
    loop = asyncio.get_running_loop()
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    with ExitStack() as undo:
        try:
            for number in numbers:
                loop.add_signal_handler(number, end)
        except NotImplementedError:
            undo.enter_context(_woken_by_signals())
            for number in numbers:
                before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
                undo.callback(signal.signal, number, before or signal.SIG_DFL)
        yield


@contextmanager
def _woken_by_signals() -> Iterator[None]:
    """Wake the loop when a signal comes: Python handles none while `select` waits."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno())
        loop.add_reader(ours, ours.recv, _AT_ONCE)
        try:
            yield
        finally:
            loop.remove_reader(ours)
            signal.set_wakeup_fd(before)
