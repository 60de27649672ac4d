"""Crowds at the door: nobody who may call is locked out, and no job suffers."""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_client import Client
from support.daemon import (
    NOOP,
    channel_to,
    command,
    environment,
    free_port,
    grey_photo,
    kinds,
    requests,
    wait_until,
)

pytestmark = pytest.mark.e2e

# As nobody where that can be had: it reads no token, and is reported apart from us by the kernel.
STRANGER = """
import os, socket, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
if os.geteuid() == 0:
    os.setuid(65534)
crowd = []
for _ in range(count):
    one = socket.socket()
    one.connect(('127.0.0.1', port))
    crowd.append(one)
print('there', flush=True)
sys.stdin.read()
"""

# By a process of the same user: 300 connections that never speak, and a new one for each that ends.
FLOOD = """
import contextlib, os, resource, socket, sys, time
kind, where = sys.argv[1:]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
parent, crowd, reported = os.getppid(), [], False
while os.getppid() == parent:
    one = socket.socket(socket.AF_UNIX if kind == 'unix' else socket.AF_INET)
    one.settimeout(5)
    try:
        one.connect(where if kind == 'unix' else ('127.0.0.1', int(where)))
    except OSError:
        one.close()
        time.sleep(0.001)
        continue
    crowd.append(one)
    if len(crowd) > 300:
        crowd.pop(0).close()
        if not reported:
            print('there', flush=True)
        reported = True
"""


@contextlib.contextmanager
def flooded(kind, where):
    words = [sys.executable, "-c", FLOOD, kind, str(where)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as flood:
        try:
            assert flood.stdout.readline() == b"there\n"
            yield
        finally:
            flood.kill()


@pytest.fixture(autouse=True)
def descriptors():
    """Enough for the crowds of this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def ldrps(*words, **more):
    code = "import sys; from ldrps_client.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, timeout=60, env=environment() | more,
    )  # fmt: skip


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def idle_crowd(stack, path, count):
    for _ in range(count):
        one = stack.enter_context(socket.socket(socket.AF_UNIX))
        one.connect(str(path))


def test_idle_sockets_do_not_lock_out_status_and_stop(daemon):
    with contextlib.ExitStack() as stack:
        idle_crowd(stack, daemon.socket, 300)
        began = time.monotonic()
        status = ldrps("status", "--json", "--address", daemon.address)
        assert json.loads(status.stdout)["pid"] == daemon.process.pid
        stopped = ldrps("stop", "--json", "--address", daemon.address)
        assert json.loads(stopped.stdout)["stopped"]
        # It was more than 75 seconds; what is left is the start of two interpreters.
        assert time.monotonic() - began < 40
    assert daemon.process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_who_has_business_gets_through_a_flood_by_the_same_user(
    start_daemon, tmp_path, monkeypatch, kind
):
    """Not within a fixed time, which the machine decides, but within one command's patience."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    where, more = free_port(), {}
    if kind == "tcp":
        more = {"address": f"127.0.0.1:{where}", "token_file": tmp_path / "ldrps" / "token"}
    daemon = start_daemon(**more)
    with flooded(kind, daemon.socket if kind == "unix" else where):
        status = ldrps("status", "--json", "--address", daemon.address)
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["pid"] == daemon.process.pid
        with Client(daemon.address) as client:
            assert (client.restore(grey_photo()).photo.to_samples() == 255 - 77).all()
        stopped = ldrps("stop", "--json", "--address", daemon.address)
        assert stopped.returncode == 0, stopped.stderr
        assert json.loads(stopped.stdout)["stopped"]
    assert daemon.process.wait(30) == 0


def test_crowds_of_calls_leave_room_for_status_and_stop(start_daemon):
    daemon = start_daemon(max_connections=11, connections_per_client=11)
    job = daemon.submit(settings={"description": "forever"}, detached=True).job_id
    with contextlib.ExitStack() as stack:
        watches = []
        for number in range(11):
            channel = grpc.insecure_channel(daemon.address, [("x", number)])
            stack.enter_context(channel)
            watches.append(pb_grpc.RestorationStub(channel).Watch(pb.WatchRequest(job_id=job)))
            next(watches[-1])
        channel = stack.enter_context(grpc.insecure_channel(daemon.address, [("x", "more")]))
        late = pb_grpc.RestorationStub(channel)
        assert late.Status(pb.StatusRequest(), timeout=60).connections == 12
        with pytest.raises(grpc.RpcError) as caught:
            next(late.Watch(pb.WatchRequest(job_id=job), timeout=60))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(caught.value.trailing_metadata())["ldrps-reason"] == "busy"
        assert all(next(watch) for watch in watches), "nobody who was there was cut off"
        assert json.loads(ldrps("stop", "--json", "--address", daemon.address).stdout)["stopped"]


def test_a_stranger_on_tcp_does_no_harm(start_daemon, tmp_path):
    port, token_file = free_port(), tmp_path / "own" / "token"
    daemon = start_daemon(address=f"127.0.0.1:{port}", token_file=token_file)
    token = token_file.read_text().strip()
    shown = (("authorization", f"Bearer {token}"),)
    idle = open_files(daemon.process.pid)
    crowd = [sys.executable, "-c", STRANGER, str(port), "1100"]
    with subprocess.Popen(crowd, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        try:
            assert stranger.stdout.readline() == b"there\n"
            # Sixty-four strangers, and who is about to be turned away.
            assert wait_until(lambda: open_files(daemon.process.pid) < idle + 64 * 3 + 20)
            with channel_to(daemon.address, token_file) as channel:
                stub = pb_grpc.RestorationStub(channel)
                # No worker has been started yet: that takes descriptors too.
                job = stub.Submit(requests(), metadata=shown, timeout=60).job_id
                events = stub.Watch(pb.WatchRequest(job_id=job), metadata=shown, timeout=60)
                assert kinds(list(events))[-1] == "done"
                status = stub.Status(pb.StatusRequest(), metadata=shown, timeout=60)
                assert status.connections <= 66
                assert (status.done, status.crashes) == (1, 0)
        finally:
            stranger.kill()
    reported = [line for line in daemon.log if "turned away" in line or "Handshake" in line]
    assert len(reported) < 20, "a crowd does not fill the log"


def test_rubbish_from_a_stranger_does_not_fill_the_log(start_daemon, tmp_path):
    port, token_file = free_port(), tmp_path / "own" / "token"
    daemon = start_daemon(address=f"127.0.0.1:{port}", token_file=token_file)
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(b"GET / HTTP/1.1\r\n\r\n")
            one.settimeout(60)
            with contextlib.suppress(ConnectionError):
                one.recv(99)
    with channel_to(daemon.address, token_file) as channel:
        shown = (("authorization", f"Bearer {token_file.read_text().strip()}"),)
        stub = pb_grpc.RestorationStub(channel)
        assert stub.Status(pb.StatusRequest(), metadata=shown, timeout=60).pid
    assert len(daemon.log) < 5, daemon.log


def test_few_descriptors_are_enough(start_daemon, tmp_path):
    """A daemon that is allowed no more than it has takes fewer connections."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 600:
        pytest.skip("there are fewer still")
    wrapper = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    folder = Path(tmp_path)
    address = f"unix:{folder}/s"
    words = command(address=address, spool=folder / "spool", engine=NOOP)
    process = subprocess.Popen(
        [sys.executable, "-c", wrapper, *words[1:]],
        stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    try:
        lines = []
        while not lines or "serving on" not in lines[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        assert any("600 file descriptors" in line for line in lines)
        with contextlib.ExitStack() as stack:
            idle_crowd(stack, folder / "s", 300)
            with grpc.insecure_channel(address) as channel:
                stub = pb_grpc.RestorationStub(channel)
                job = stub.Submit(requests(), timeout=60).job_id
                events = stub.Watch(pb.WatchRequest(job_id=job), timeout=60)
                assert kinds(list(events))[-1] == "done"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
