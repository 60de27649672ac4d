"""Signals where loops take none, and limits where a loop watches few sockets."""

import asyncio
import os
import signal
import time
from asyncio import selector_events

import pytest

from ldrps_daemon.event_loop import ending_by_signal, loop_factory
from ldrps_daemon.transport import connections
from ldrps_daemon.transport.acceptor import Acceptor


def test_the_usual_loop_is_taken_here():
    assert loop_factory() is None


@pytest.mark.parametrize("factory", [None, selector_events.BaseSelectorEventLoop])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_waits_for_nothing_else(factory, number):
    """On Windows no loop has `add_signal_handler`, as this base class of all has none."""
    before = signal.getsignal(number)

    async def main():
        stopped = asyncio.Event()
        with ending_by_signal(stopped.set):
            pid = os.fork()
            if not pid:
                # From outside, while the loop sleeps in `select`.
                time.sleep(0.2)
                os.kill(os.getppid(), number)
                os._exit(0)
            async with asyncio.timeout(20):
                await stopped.wait()
            os.waitpid(pid, 0)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    if factory:
        assert signal.getsignal(number) is before


def test_connections_are_as_many_as_select_can_watch(monkeypatch):
    monkeypatch.setattr(connections, "SELECTED_SOCKETS", 512)
    taken = connections.affordable(256)
    acceptor = Acceptor([], taken, print, print)
    # Each has the client's socket and ours to gRPC; those that wait in the acceptor, one.
    assert 2 * (taken + connections.EXTRA) + acceptor._places <= 512 - connections._SOCKETS_KEPT
    assert taken == 144
    assert connections.affordable(20) == 20
