"""The front door: who is let in, and that every byte comes through."""

import asyncio
import contextlib
import os
import socket
import ssl
from contextlib import asynccontextmanager

import pytest

from ldrps_daemon.transport import acceptor, peers
from ldrps_daemon.transport import connections as connections_module
from ldrps_daemon.transport import peer_proxy as proxies
from ldrps_daemon.transport.certificate import certificate_file, own_context
from ldrps_daemon.transport.connections import EXTRA, Connections
from ldrps_daemon.transport.headers import PREFACE, HeadReader
from ldrps_daemon.transport.inner import UnixInner
from ldrps_daemon.transport.peer_proxy import PeerProxy
from ldrps_daemon.transport.security import listen
from ldrps_wire.system import credentials


class AnyBytes:
    def feed(self, data):
        return data


@pytest.fixture(autouse=True)
def any_bytes(monkeypatch):
    """Most tests here send what is no HTTP/2."""
    monkeypatch.setattr(proxies, "HeadReader", AnyBytes)


@asynccontextmanager
async def standing(folder, limit=9, behind=None, group_limit=None):
    """A proxy, with an echo behind it."""

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
    made = PeerProxy(
        [listen(folder / "s")],
        UnixInner(folder / "inner"),
        Connections(limit, group_limit or limit),
    )
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


def test_what_is_no_http_2_does_not_come_through(tmp_path, monkeypatch):
    monkeypatch.setattr(proxies, "HeadReader", HeadReader)

    async def main():
        async with standing(tmp_path):
            assert await echoed(tmp_path, b"GET / HTTP/1.1\r\n\r\n") == b""
            assert await echoed(tmp_path, PREFACE) == PREFACE

    asyncio.run(main())


def test_bytes_come_through_tls_both_ways(tmp_path):
    """Also those that a client sends at once, and the end of the other side."""
    context = own_context(tmp_path / "own" / "token")
    trusted = ssl.create_default_context(cafile=certificate_file(tmp_path / "own" / "token"))

    async def talk(port, data):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusted, server_hostname="127.0.0.1"
        )
        writer.write(data)
        back = await reader.readexactly(len(data))
        writer.close()
        return back

    async def main():
        async def bye(reader, writer):
            writer.write(await reader.readexactly(5 << 20))
            writer.close()

        data = os.urandom(5 << 20)
        server = await asyncio.start_unix_server(bye, tmp_path / "inner")
        listener = socket.create_server(("127.0.0.1", 0))
        made = PeerProxy([listener], UnixInner(tmp_path / "inner"), Connections(40, 40), context)
        await made.open()
        port = listener.getsockname()[1]
        assert await asyncio.gather(*(talk(port, data) for _ in range(4))) == [data] * 4
        # One that does not shake hands is cut off, and harms nobody.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"no hello\n" * 9)
        assert b"no hello" not in await reader.read()
        writer.close()
        await until(lambda: made.connections == 0)
        await made.close()
        server.close()

    asyncio.run(main())


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
            (name,) = made._by_name
            assert name.startswith("unix-abstract:")
            assert made.client(name) == f"pid {os.getpid()}"
            assert made.client("unix-abstract:other") == "unknown"
            writer.close()
            await until(lambda: made.connections == 0)
            assert not made._by_name

    asyncio.run(main())


def test_names_that_somebody_else_took_keep_nobody_out(tmp_path):
    """The former ones: a serial number and the daemon's process id."""
    with contextlib.ExitStack() as taken:
        for serial in range(1, 50):
            squatter = taken.enter_context(socket.socket(socket.AF_UNIX))
            squatter.bind(f"\0ldrps-{serial}-{os.getpid()}")

        async def main():
            async with standing(tmp_path):
                for _ in range(9):
                    assert await echoed(tmp_path, b"hello") == b"hello"

        asyncio.run(main())


def test_other_users_are_turned_away(tmp_path, monkeypatch):
    monkeypatch.setattr(acceptor, "credentials", lambda peer: (1, os.geteuid() + 1))

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
            # How deep it lies below the system's own folder depends on who runs the tests.
            for folder in (tmp_path, *tmp_path.parents):
                if not folder.stat().st_mode & 0o001:
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
    assert [uid for uid in (0, 1, 999, 1000, 1001) if peers.may_enter(uid)] == [0, 1000]


def test_the_kernel_tells_who_is_there():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert credentials(ours) == (os.getpid(), os.geteuid())


async def knock(folder):
    """A connection that has been let in or cut off by the time this returns."""
    reader, writer = await asyncio.open_unix_connection(folder / "s")
    writer.write(b"x")
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    return reader, writer


def test_connections_are_counted_and_limited(tmp_path):
    async def main():
        async with standing(tmp_path, limit=2) as made:
            with contextlib.ExitStack() as calls:
                crowd = []
                for _ in range(2 + EXTRA):
                    crowd.append(await knock(tmp_path))
                    calls.callback(crowd[-1][1].transport.abort)
                    # Each has a call under way, so that none gives way.
                    calls.enter_context(made.calling(list(made._by_name)[-1], proves=True))
                assert made.connections == 2 + EXTRA
                assert await echoed(tmp_path, b"hello") == b""
            await until(lambda: made.connections == 0)
            assert await echoed(tmp_path, b"hello") == b"hello"

    asyncio.run(main())


def test_idle_connections_give_way_oldest_first(tmp_path):
    async def main():
        async with standing(tmp_path, limit=3) as made:
            crowd = [await knock(tmp_path) for _ in range(3)]
            with made.calling(next(iter(made._by_name)), proves=True):
                assert await echoed(tmp_path, b"hello") == b"hello"
                # The second was idle for longest; the first was not.
                async with asyncio.timeout(60):
                    assert await crowd[1][0].read() == b""
                for reader, writer in (crowd[0], crowd[2]):
                    writer.write(b"y")
                    assert await reader.read(1) == b"y"
            for _, writer in crowd:
                writer.transport.abort()

    asyncio.run(main())


def test_who_never_begins_a_call_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(connections_module, "FIRST_CALL_SECONDS", 0.2)
    monkeypatch.setattr(acceptor, "SILENT_SECONDS", 0.2)

    async def main():
        async with standing(tmp_path) as made:
            kept, caller = await knock(tmp_path)
            with made.calling(next(iter(made._by_name)), proves=True):
                pass
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            async with asyncio.timeout(60):
                assert await reader.read() == b""
            assert made.connections == 1
            assert not kept.at_eof()
            caller.transport.abort()
            writer.close()

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
            assert sum(sent) < 20 * proxies.BUFFER_BYTES
            writer.transport.abort()
            idle.transport.abort()

    asyncio.run(main())


def test_nothing_behind_the_proxy_ends_the_connection(tmp_path):
    async def main():
        made = PeerProxy(
            [listen(tmp_path / "s")], UnixInner(tmp_path / "nothing"), Connections(9, 9)
        )
        await made.open()
        assert await echoed(tmp_path, b"x") == b""
        await made.close()

    asyncio.run(main())
