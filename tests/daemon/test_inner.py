"""The way from the proxy to gRPC: a socket of the user's own, or a port that asks for the key."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from ldrps_daemon.transport import inner as inner_module
from ldrps_daemon.transport.connections import Connections
from ldrps_daemon.transport.inner import LoopbackInner, UnixInner, inner_at
from ldrps_daemon.transport.peer_proxy import PeerProxy
from ldrps_daemon.transport.security import listen
from ldrps_engine.errors import UnavailableError
from ldrps_wire.address import certificate_file


@pytest.fixture(params=["socket", "port"])
def inner(request, tmp_path):
    if request.param == "socket":
        return UnixInner(tmp_path / "inner")
    return LoopbackInner(tmp_path / "own" / "token")


ALONE = [("grpc.use_local_subchannel_pool", 1)]
"""Options of a channel that shares no connection with others."""


class Peers(grpc.GenericRpcHandler):
    """Answers each call with what gRPC calls its peer."""

    def service(self, details):
        async def answer(_, context):
            return context.peer().encode()

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def serving(inner):
    server = grpc.aio.server(options=[*inner.options])
    server.add_generic_rpc_handlers((Peers(),))
    inner.bind(server)
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)
        inner.remove()


async def asked(address, credentials=None):
    channel = (
        grpc.aio.secure_channel(address, credentials, options=ALONE)
        if credentials
        else grpc.aio.insecure_channel(address, options=ALONE)
    )
    async with channel:
        return (await channel.unary_unary("/any/Method")(b"", timeout=20)).decode()


def test_grpc_calls_a_connection_by_the_name_that_the_proxy_knows(inner, tmp_path):
    async def main():
        proxy = PeerProxy([listen(tmp_path / "s")], inner, Connections(9, 9))
        async with serving(inner):
            await proxy.open()
            try:
                peers = {await asked(f"unix:{tmp_path}/s") for _ in range(3)}
                async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
                    peer = (await channel.unary_unary("/any/Method")(b"")).decode()
                    assert proxy.client(peer).startswith("pid ")
                    assert peer in proxy._by_name
            finally:
                await proxy.close()
        return peers

    assert len(asyncio.run(main())) == 3, "each connection has a name of its own"


def test_without_the_key_the_port_is_of_no_use(tmp_path):
    own, other = tmp_path / "own" / "token", tmp_path / "other" / "token"
    inner, stranger = LoopbackInner(own), LoopbackInner(other)
    certificate = certificate_file(own).read_bytes()

    async def main():
        async with serving(inner):
            address = f"127.0.0.1:{inner._port}"
            key = own.with_name("token.key").read_bytes()
            assert await asked(address, grpc.ssl_channel_credentials(certificate, key, certificate))
            theirs = other.with_name("token.key").read_bytes()
            false = grpc.ssl_channel_credentials(
                certificate, theirs, certificate_file(other).read_bytes()
            )
            for shown in (None, grpc.ssl_channel_credentials(certificate), false):
                with pytest.raises(grpc.RpcError) as caught:
                    await asked(address, shown)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            # Nor does the proxy hand anything to a port that somebody else holds by now.
            stranger._port = inner._port
            connected = await stranger.connect()
            with pytest.raises(ssl.SSLError):
                await stranger.streams(connected)
            connected.close()

    asyncio.run(main())


def test_the_kind_follows_from_what_the_system_has(tmp_path, monkeypatch):
    assert isinstance(inner_at(tmp_path / "inner", tmp_path / "own" / "token"), UnixInner)
    monkeypatch.setattr(inner_module, "TELLS_UNIX_PEERS", False)
    assert isinstance(inner_at(tmp_path / "inner", tmp_path / "own" / "token"), LoopbackInner)


class NoServer:
    """A gRPC that cannot bind."""

    def add_insecure_port(self, *_):
        raise RuntimeError("no")

    add_secure_port = add_insecure_port


def test_where_grpc_cannot_bind_a_sentence_says_so(inner):
    with pytest.raises(UnavailableError, match="cannot serve on"):
        inner.bind(NoServer())


def test_nobody_behind_it_is_an_error_of_the_system(tmp_path):
    lost = LoopbackInner(tmp_path / "own" / "token")
    lost._port = 1
    for inner in (lost, UnixInner(Path(tmp_path / "nothing"))):
        with pytest.raises(OSError, match=r"."):
            asyncio.run(inner.connect())
