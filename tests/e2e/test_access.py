"""Access to a daemon, granted and refused."""

import contextlib
import socket
import stat
import subprocess
import threading

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client, _reaching
from ldrps_daemon.transport.certificate import own_context
from ldrps_daemon.transport.tokens import read_token
from ldrps_engine.errors import InternalError, LdrpsError, SettingsError, UnavailableError
from ldrps_gimp.endpoint import Endpoint
from plugin import grpc_server
from support.daemon import (
    command,
    environment,
    free_port,
    refused,
    requests,
    serving,
    wait_until,
)

pytestmark = pytest.mark.e2e


def test_socket_is_for_its_owner_only(daemon):
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600
    for folder in (daemon.folder, daemon.folder / "spool"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_second_daemon_on_the_same_address_is_refused(daemon):
    second = subprocess.run(
        command(address=daemon.address), capture_output=True, text=True, env=environment()
    )
    assert second.returncode == 7
    assert f"another daemon (pid {daemon.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.restores()


def test_an_address_in_use_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        own = {"token_file": tmp_path / "own" / "token", "spool": tmp_path / "spool"}
        run = subprocess.run(
            command(address=address, **own), capture_output=True, text=True, env=environment()
        )
    assert run.returncode == 7
    assert f"cannot serve on {address}" in run.stderr
    assert "Traceback" not in run.stderr


def test_tcp_needs_the_token(start_daemon, tmp_path):
    port = free_port()
    folder = tmp_path / "own"
    daemon = start_daemon(address=f"127.0.0.1:{port}", token_file=folder / "token")
    with pytest.raises(grpc.RpcError) as caught:
        daemon.status()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    # Not `unavailable`, for which clients connect again and again.
    assert dict(caught.value.trailing_metadata())["ldrps-reason"] == "access"
    assert refused(daemon, requests()).code() == grpc.StatusCode.UNAUTHENTICATED
    assert serving(daemon)
    token = (folder / "token").read_text().strip()
    shown = (("authorization", f"Bearer {token}"),)
    assert daemon.stub.Status(pb.StatusRequest(), metadata=shown).pid == daemon.process.pid
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600


def test_health_and_reflection_answer(daemon):
    assert serving(daemon)
    stub = reflection_pb2_grpc.ServerReflectionStub(daemon.channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([ask])))
    names = [service.name for service in answer.list_services_response.service]
    assert "ldrps.v1.Restoration" in names


def test_loopback_is_encrypted_and_the_key_is_private(start_daemon, tmp_path):
    folder = tmp_path / "own"
    daemon = start_daemon(address=f"127.0.0.1:{free_port()}", token_file=folder / "token")
    assert stat.S_IMODE((folder / "token.key").stat().st_mode) == 0o600
    assert "PRIVATE" not in (folder / "token.pem").read_text()
    with grpc.insecure_channel(daemon.address) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20)
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_every_name_of_this_machine_is_served(start_daemon, tmp_path, monkeypatch, host):
    token = tmp_path / "own" / "token"
    address = f"{host}:{free_port()}"
    daemon = start_daemon(address=address, token_file=token)
    monkeypatch.setenv("LDRPS_TOKEN_FILE", str(token))
    with Client(address, autostart=False) as client:
        assert client.status().pid == daemon.process.pid
    with Endpoint(address, chosen=True).connect() as sock:
        assert sock.version().startswith("TLSv1.")


@pytest.fixture
def heard():
    """A stranger on a port while the daemon is down, and everything sent to it."""
    listener, got = socket.create_server(("127.0.0.1", 0)), []

    def hear():
        with contextlib.suppress(OSError):
            while True:
                guest, _ = listener.accept()
                with guest:
                    guest.settimeout(2)
                    while data := guest.recv(4096):
                        got.append(data)

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", got
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.mark.parametrize("daemon_was_there", [True, False])
def test_who_holds_the_port_gets_no_token(heard, tmp_path, monkeypatch, daemon_was_there):
    address, got = heard
    token_file = tmp_path / "own" / "token"
    token = read_token(token_file)
    if daemon_was_there:
        own_context(token_file)
    monkeypatch.setenv("LDRPS_TOKEN_FILE", str(token_file))
    # It tries until its time is over, as somebody listens.
    monkeypatch.setattr(_reaching, "CALL_SECONDS", 3.0)
    with Client(address, autostart=False) as client, pytest.raises(UnavailableError):
        client.status()
    assert bool(got) == daemon_was_there
    assert token.encode() not in b"".join(got)


def test_who_shows_another_certificate_gets_no_token(tmp_path, monkeypatch):
    """A daemon of somebody else's, with a service that would note what it is shown."""
    token_file = tmp_path / "own" / "token"
    read_token(token_file)
    own_context(token_file)
    monkeypatch.setenv("LDRPS_TOKEN_FILE", str(token_file))
    server, port = grpc_server.start(
        "127.0.0.1:0", grpc_server.credentials(tmp_path / "other" / "token")
    )
    address = f"127.0.0.1:{port}"
    with Client(address, autostart=False) as client:
        with pytest.raises(UnavailableError, match="does not prove to be your daemon"):
            client.status()
        # The same client finds the right one once it is there.
        server.stop(0).wait()
        server, _ = grpc_server.start(address, grpc_server.credentials(token_file))
        assert wait_until(lambda: _is_answered(client))
    server.stop(0).wait()


def _is_answered(client):
    """Tell whether it gets as far as being told that there is no such method."""
    with pytest.raises(LdrpsError) as caught:
        client.status()
    return isinstance(caught.value, InternalError)


def test_a_key_that_is_open_or_damaged_is_refused(tmp_path):
    token_file = tmp_path / "own" / "token"
    own_context(token_file)
    key = tmp_path / "own" / "token.key"
    first = key.read_bytes()
    own_context(token_file)
    assert key.read_bytes() == first, "clients stay valid"
    key.chmod(0o640)
    with pytest.raises(SettingsError, match="open to others"):
        own_context(token_file)
    key.chmod(0o600)
    key.write_text("rubbish")
    with pytest.raises(SettingsError, match="damaged; delete it"):
        own_context(token_file)
