"""The front door: who is let in, and that every byte comes through."""

import asyncio
import contextlib
import os
import socket
from contextlib import asynccontextmanager

import pytest

from ldrps_daemon import gate as gates
from ldrps_daemon.gate import Gate
from ldrps_daemon.security import listen


@asynccontextmanager
async def standing(folder, limit=9, behind=None):
    """A gate, with an echo behind it."""

    async def echo(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def answer(reader, writer):
        with contextlib.suppress(ConnectionError):
            await (behind or echo)(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_unix_server(answer, folder / "inner")
    made = Gate(listen(folder / "s"), folder / "inner", limit)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
        server.close()
        # The echo's own sockets close once they see the other end gone.
        await asyncio.sleep(0.1)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def echoed(folder, data):
    reader, writer = await asyncio.open_unix_connection(folder / "s")
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_bytes_come_through_both_ways(tmp_path):
    async def main():
        data = os.urandom(5 << 20)
        async with standing(tmp_path):
            answers = await asyncio.gather(*(echoed(tmp_path, data) for _ in range(4)))
        assert answers == [data] * 4

    asyncio.run(main())


def test_clients_are_known_by_their_process(tmp_path):
    async def main():
        async with standing(tmp_path) as made:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"x")
            await reader.read(1)
            assert made.connections == 1
            assert made.client(1) == f"pid {os.getpid()}"
            assert made.client(2) == "unknown"
            writer.close()
            await until(lambda: made.connections == 0)

    asyncio.run(main())


def test_other_users_are_turned_away(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "credentials", lambda peer: (1, os.geteuid() + 1))

    async def main():
        async with standing(tmp_path) as made:
            assert await echoed(tmp_path, b"hello") == b""
            assert made.connections == 0

    asyncio.run(main())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_is_really_turned_away(tmp_path):
    import subprocess
    import sys

    code = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(sys.argv[1]); s.send(b'x'); sys.exit(s.recv(1) == b'x')"
    )

    async def main():
        async with standing(tmp_path):
            (tmp_path / "s").chmod(0o777)
            for folder in (tmp_path, *tmp_path.parents[:2]):
                folder.chmod(0o755)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, str(tmp_path / "s"), stderr=subprocess.PIPE
            )
            _, words = await process.communicate()
            # Cut off without a byte, or while it sent one.
            assert process.returncode == 0 or b"ConnectionReset" in words or b"BrokenPipe" in words

    asyncio.run(main())


def test_only_the_owner_and_root_may_enter(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [uid for uid in (0, 1, 999, 1000, 1001) if gates.may_enter(uid)] == [0, 1000]


def test_the_kernel_tells_who_is_there():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert gates.credentials(ours) == (os.getpid(), os.geteuid())


def test_connections_are_counted_and_limited(tmp_path):
    async def main():
        async with standing(tmp_path, limit=2) as made:
            open_ones = []
            for _ in range(2):
                reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                writer.write(b"x")
                await reader.read(1)
                open_ones.append(writer)
            assert await echoed(tmp_path, b"hello") == b""
            open_ones.pop().close()
            await until(lambda: made.connections == 1)
            assert await echoed(tmp_path, b"hello") == b"hello"
            open_ones.pop().close()

    asyncio.run(main())


def test_a_reader_that_does_not_read_holds_up_only_itself(tmp_path):
    sent = []

    async def flood(reader, writer):
        if await reader.read(1) == b"f":
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent.append(1 << 16)
        writer.write(b"ok")
        await writer.drain()

    async def main():
        async with standing(tmp_path, behind=flood):
            _, idle = await asyncio.open_unix_connection(tmp_path / "s")
            idle.write(b"f")
            await until(lambda: sent)
            count = 0
            while count != len(sent):
                count = len(sent)
                await asyncio.sleep(0.5)
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"x")
            assert await reader.read(2) == b"ok"
            # What lies between them is bounded.
            assert len(sent) == count
            assert sum(sent) < 20 * gates.BUFFER_BYTES
            writer.transport.abort()
            idle.transport.abort()

    asyncio.run(main())


def test_nothing_behind_the_gate_ends_the_connection(tmp_path):
    async def main():
        made = Gate(listen(tmp_path / "s"), tmp_path / "nothing", 9)
        await made.open()
        assert await echoed(tmp_path, b"x") == b""
        await made.close()

    asyncio.run(main())
