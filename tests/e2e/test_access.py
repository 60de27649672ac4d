"""Who may reach a daemon, and who may not."""

import socket
import stat
import subprocess

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ldrps.v1 import restoration_pb2 as pb
from support.daemon import (
    command,
    environment,
    free_port,
    refused,
    requests,
    serving,
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
