"""Refusals by the daemon, which stays well."""

import socket
import threading
from itertools import islice

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client, events
from ldrps_daemon.transport.headers import PREFACE
from support.daemon import (
    channel_to,
    free_port,
    grey_photo,
    header,
    refused,
    requests,
    serving,
    wait_until,
)

pytestmark = pytest.mark.e2e

LONG = {"description": "forever"}


def test_full_queue_says_when_to_come_back(start_daemon):
    daemon = start_daemon(queue_limit=1)
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    daemon.submit(detached=True)
    error = refused(daemon, requests())
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing = dict(error.trailing_metadata())
    assert trailing["ldrps-reason"] == "busy"
    assert int(trailing["ldrps-retry-after"]) >= 1


def test_bad_input_does_not_hurt_the_daemon(daemon):
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)
    file = pb.EncodedFile(size=9)
    cases = [
        [],
        [pb.SubmitRequest()],
        [pb.SubmitRequest(chunk=b"x")],
        header(),
        header(raster=pb.Raster(width=1, height=1, channels=3, sample_type=1)),
        header(raster=pb.Raster(width=2**32 - 1, height=2**32 - 1, channels=3, sample_type=1)),
        header(raster=raster),
        [*header(raster=raster), *header(raster=raster)],
        [*header(raster=raster), pb.SubmitRequest(chunk=b"x" * 2000)],
        [*header(raster=raster), pb.SubmitRequest(chunk=bytes(3 << 20))],
        [*header(raster=raster), pb.SubmitRequest(chunk=b"")],
        [*header(raster=raster, settings=pb.Settings(recipe="magic"))],
        header(file=pb.EncodedFile(size=0)),
        header(file=pb.EncodedFile(size=2**60)),
        header(raster=raster, idempotency_key="k" * 129),
    ]
    for case in cases:
        error = refused(daemon, iter(case))
        assert dict(error.trailing_metadata())["ldrps-reason"] in ("photo", "limit", "settings")
    too_large = [*header(raster=raster), pb.SubmitRequest(chunk=bytes(5 << 20))]
    assert refused(daemon, iter(too_large)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    job_id = daemon.stub.Submit(
        iter([*header(file=file), pb.SubmitRequest(chunk=b"not a png")])
    ).job_id
    assert list(daemon.watch(job_id))[-1].failed.reason == "photo"
    rubbish = daemon.channel.unary_unary("/ldrps.v1.Restoration/GetJob")
    with pytest.raises(grpc.RpcError):
        rubbish(b"\xff\xff\xff", timeout=10)
    assert daemon.restores()
    # Nothing of what was refused is kept.
    assert len(daemon.kept()) == 2


def unreadable(channel):
    """Call a method whose name is no UTF-8."""
    call = channel.unary_unary(b"/ldrps.v1.Restoration/\xe2istJobs")
    with pytest.raises(grpc.RpcError):
        call(b"", timeout=60)


def is_back(daemon):
    try:
        return serving(daemon)
    except grpc.RpcError:
        return False


def test_a_call_that_grpc_cannot_read_costs_its_own_connection_only(start_daemon):
    """It ended grpc.aio's loop, and then the daemon restarted itself."""
    daemon = start_daemon(checkpoint_seconds=0)
    with Client(daemon.address, autostart=False) as client:
        job_id = client.submit(grey_photo(), steps=300)
        watch = client.watch(job_id)
        reported = [event for event in islice(watch, 9) if isinstance(event, events.Step)]
        for _ in range(3):
            with grpc.insecure_channel(daemon.address) as channel:
                unreadable(channel)
        reported += [event for event in watch if isinstance(event, events.Step)]
        assert [step.index for step in reported] == list(range(1, 301))
        assert client.status().pid == daemon.process.pid
    assert not any("gRPC gave up" in line for line in daemon.log)
    assert any("was cut: the name of a method is no UTF-8" in line for line in daemon.log)


def test_nor_does_one_whose_name_hides_in_padding(start_daemon):
    """gRPC reads the padding of a frame as headers: such a name passed the peer proxy unseen."""
    length = 0x86  # of the padding; gRPC takes the byte that tells it for `:scheme http`
    post, path, value = b"\x83", b"\x04\x06/a\xff\xfe/b", b"\x00\x02te\x08trailers"
    hidden = post + path + value
    room = length - len(hidden) - len(b"\x00\x01x?")
    block = bytes([length]) + hidden + b"\x00\x01x" + bytes([room]) + b"y" * room
    daemon = start_daemon()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(daemon.address.removeprefix("unix:"))
        stranger.settimeout(10)
        settings = b"\0\0\0\4\0\0\0\0\0"
        head = len(block).to_bytes(3, "big") + b"\1\x0d\0\0\0\1"
        stranger.sendall(PREFACE + settings + head + block)
        while stranger.recv(1 << 16):
            pass
    assert is_back(daemon)
    assert not any("gRPC gave up" in line for line in daemon.log)
    assert any("was cut: headers are padded" in line for line in daemon.log)


def test_over_tcp_a_stranger_cannot_make_the_daemon_restart(start_daemon, tmp_path):
    address = f"127.0.0.1:{free_port()}"
    daemon = start_daemon(address=address, token_file=tmp_path / "own" / "token")
    for _ in range(3):
        with channel_to(address, tmp_path / "own" / "token") as channel:
            unreadable(channel)
    assert is_back(daemon)
    assert not any("gRPC gave up" in line for line in daemon.log)
    assert daemon.stop() == 0


def test_where_grpc_gives_up_all_the_same_the_daemon_restarts_itself(start_daemon):
    """Past the peer proxy, which lets no such call through."""
    daemon = start_daemon(checkpoint_seconds=0)
    with Client(daemon.address, autostart=False) as client:
        job_id = client.submit(grey_photo(), steps=300)
        watch = client.watch(job_id)
        reported = [event for event in islice(watch, 9) if isinstance(event, events.Step)]
        with grpc.insecure_channel(f"{daemon.address}~") as inner:
            unreadable(inner)
        # Who was connected finds the way back; the step whose checkpoint was not written yet is
        # done, and told, twice. One whose checkpoint was written just before is not done again, nor
        # told by the heir, if the front had not heard of it.
        reported += [event for event in watch if isinstance(event, events.Step)]
        steps = {step.index for step in reported}
        assert len(steps) >= 299
        assert steps <= set(range(1, 301))
        assert 300 in steps
        assert len(reported) <= 302
        assert client.status().pid == daemon.process.pid
    assert sum("gRPC gave up at a call" in line for line in daemon.log) == 1
    assert daemon.stop() == 0
    assert not daemon.socket.exists()


def test_a_client_that_vanishes_in_submit_leaves_nothing(daemon):
    gone = threading.Event()

    def half():
        yield from header(raster=pb.Raster(width=20, height=16, channels=3, sample_type=1))
        gone.wait(30)

    call = daemon.stub.Submit.future(half())
    assert wait_until(daemon.kept)
    call.cancel()
    gone.set()
    assert wait_until(lambda: not daemon.kept())
    assert daemon.restores()
