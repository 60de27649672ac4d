"""Connections that have not spoken: crowds of them push out only their own."""

import asyncio
import contextlib
import os
import socket

import pytest

from ldrps_daemon.transport import acceptor as acceptor_module
from ldrps_daemon.transport.acceptor import Acceptor
from ldrps_daemon.transport.security import listen


class Door:
    """A acceptor, whom it let in, and what it complained about."""

    def __init__(self, folder, limit=0):
        self.path = folder / "s"
        self.inside, self.complaints = [], []
        self.acceptor = Acceptor(
            [listen(self.path)], limit, self.inside.append, self.complaints.append
        )

    async def __aenter__(self):
        self.acceptor.open()
        return self

    async def __aexit__(self, *_):
        self.acceptor.close()
        for pending in self.inside:
            pending.socket.close()
        assert len(self.acceptor) == 0

    def knock(self, stack, words=b""):
        one = stack.enter_context(socket.socket(socket.AF_UNIX))
        one.connect(str(self.path))
        one.setblocking(False)
        if words:
            one.send(words)
        return one


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def is_cut(one):
    with contextlib.suppress(BlockingIOError):
        return one.recv(1) == b""
    return False


@pytest.fixture
def stack():
    with contextlib.ExitStack() as opened:
        yield opened


@pytest.fixture
def pids(monkeypatch):
    """Process ids that the kernel names for the connections to come."""
    names = []
    monkeypatch.setattr(acceptor_module, "credentials", lambda _: (names.pop(0), os.geteuid()))
    return names


def test_who_speaks_is_let_in_and_its_words_are_still_there(tmp_path, stack):
    async def main():
        async with Door(tmp_path) as door:
            door.knock(stack, b"hello")
            late = door.knock(stack)
            await until(lambda: len(door.inside) == 1 and len(door.acceptor) == 1)
            late.send(b"me too")
            await until(lambda: len(door.inside) == 2)
            assert [each.socket.recv(9) for each in door.inside] == [b"hello", b"me too"]
            assert {each.group for each in door.inside} == {f"pid {os.getpid()}"}

    asyncio.run(main())


def test_the_largest_crowd_loses_its_oldest(tmp_path, stack, pids):
    pids += [1, 1, *[2] * 40, 3]

    async def main():
        async with Door(tmp_path) as door:
            ours = [door.knock(stack) for _ in range(2)]
            crowd = [door.knock(stack) for _ in range(40)]
            other = door.knock(stack)
            await until(lambda: not pids)
            assert len(door.acceptor) == 16
            assert [is_cut(each) for each in crowd] == [True] * 27 + [False] * 13
            assert not any(map(is_cut, [*ours, other]))
            assert "pid 2" in door.complaints[0]
            # Nor does it keep those who speak from coming in.
            pids.append(4)
            door.knock(stack, b"x")
            await until(lambda: door.inside)

    asyncio.run(main())


def test_parties_are_let_in_by_turns(tmp_path, stack, pids):
    pids += [*[2] * 14, 3]

    async def main():
        async with Door(tmp_path) as door:
            for _ in range(15):
                door.knock(stack, b"x")
            await until(lambda: len(door.inside) == 15)
            assert [pending.name for pending in door.inside].index("pid 3") == 4
            assert len(door.acceptor) == 0

    asyncio.run(main())


def test_who_spoke_before_it_was_looked_at_is_never_cut(tmp_path, stack):
    """In one crowd with hundreds that came before and after it."""

    async def main():
        async with Door(tmp_path, limit=64) as door:
            for _ in range(3):
                for _ in range(100):
                    door.knock(stack)
                door.knock(stack, b"x")
                for _ in range(100):
                    door.knock(stack)
            await until(lambda: len(door.inside) == 3)

    asyncio.run(main())


def test_the_silent_and_those_that_hang_up_do_not_stay(tmp_path, stack, monkeypatch):
    monkeypatch.setattr(acceptor_module, "SILENT_SECONDS", 0.3)

    async def main():
        async with Door(tmp_path) as door:
            door.knock(stack).close()
            silent = door.knock(stack)
            await until(lambda: len(door.acceptor) == 1)
            await until(lambda: len(door.acceptor) == 0)
            assert is_cut(silent)
            # And so for the next one.
            again = door.knock(stack)
            await until(lambda: is_cut(again))
            assert not door.inside

    asyncio.run(main())


def test_descriptors_that_are_used_up_cost_the_silent_their_places(tmp_path, stack, monkeypatch):
    class Full(socket.socket):
        def accept(self):
            raise OSError(24, "Too many open files")

    async def main():
        async with Door(tmp_path) as door:
            silent = door.knock(stack)
            await until(lambda: len(door.acceptor) == 1)
            listener = door.acceptor._listeners[0]
            full = Full(fileno=os.dup(listener.fileno()))
            monkeypatch.setattr(door.acceptor, "_listeners", [])
            with full:
                late = door.knock(stack, b"x")
                loop = asyncio.get_running_loop()
                loop.remove_reader(listener)
                door.acceptor._accept(full)
                assert is_cut(silent)
                door.acceptor._accept(full)
                assert door.acceptor._pauses, "it looks again after a moment"
                for pause in door.acceptor._pauses:
                    pause.cancel()
            door.acceptor._listen(listener)
            await until(lambda: door.inside)
            loop.remove_reader(listener)
            listener.close()
            late.close()

    asyncio.run(main())
