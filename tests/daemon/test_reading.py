"""Distrust of output from a process that an attacker may have taken over."""

import json
import socket
from multiprocessing.connection import Connection

import pytest
from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.workers import pipe, reading
from ldrps_daemon.workers.decoder import LENGTH
from ldrps_engine.errors import LdrpsError, LimitError

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)


def written(raster, samples):
    data = raster.SerializeToString()
    return b"P" + LENGTH.pack(len(data)) + data + samples


def test_an_honest_decoder_is_believed(tmp_path):
    path = tmp_path / "decoded"
    path.write_bytes(written(RASTER, bytes([7]) * 960))
    assert reading._read(path).to_samples().max() == 7


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"P",
        b"P\xff\xff\xff\xff",
        b"X" + bytes(99),
        b"P" + LENGTH.pack(3) + b"\xff\xff\xff",
        written(RASTER, bytes(959)),
        written(RASTER, bytes(961)),
        written(pb.Raster(width=2**31, height=2**31, channels=3, sample_type=1), bytes(9)),
        written(pb.Raster(), bytes(9)),
        b"E",
        b"E[1]",
        b'E{"reason": 7}',
        b'E{"reason": "photo", "message": {"a": 1}}',
        b"E\xff\xfe",
    ],
)
def test_what_a_decoder_says_is_not_believed(tmp_path, lie):
    path = tmp_path / "decoded"
    path.write_bytes(lie)
    with pytest.raises(LdrpsError) as caught:
        reading._read(path)
    assert "\n" not in str(caught.value)


def test_a_decoders_refusal_is_passed_on(tmp_path):
    path = tmp_path / "decoded"
    path.write_bytes(b"E" + json.dumps({"reason": "limit", "message": "too large"}).encode())
    with pytest.raises(LimitError, match="too large"):
        reading._read(path)


@pytest.mark.parametrize(
    "rubbish", [b"", b"?", b"E\xff\xff", b"W\xff\xff", b"Sx", b"S-1", b"\x80\x04pickle."]
)
def test_rubbish_from_a_worker_is_its_death(rubbish):
    front, worker = socket.socketpair()
    with Connection(front.detach()) as receiving, Connection(worker.detach()) as sending:
        sending.send_bytes(rubbish)
        with pytest.raises((EOFError, OSError, DecodeError)):
            pipe.receive_report(receiving)


def test_a_worker_cannot_fill_the_fronts_memory():
    front, worker = socket.socketpair()
    with Connection(front.detach()) as receiving, worker:
        worker.send((2**31 - 1).to_bytes(4, "big", signed=True))
        with pytest.raises(OSError, match="bad message length"):
            pipe.receive_report(receiving)


def test_what_worker_and_front_say_arrives():
    front, worker = socket.socketpair()
    with Connection(front.detach()) as receiving, Connection(worker.detach()) as sending:
        pipe.send_saved(sending, 12)
        pipe.send_end(sending, pipe.Paused())
        pipe.send_end(sending, pipe.OutOfMemory())
        pipe.send_end(sending, pb.Event(done=pb.Done(seed=3)))
        assert pipe.receive_report(receiving) == pipe.Saved(12)
        assert isinstance(pipe.receive_report(receiving), pipe.Paused)
        assert isinstance(pipe.receive_report(receiving), pipe.OutOfMemory)
        assert pipe.receive_report(receiving).done.seed == 3


def test_an_order_arrives_whole(tmp_path):
    order = pipe.Order(
        job="j",
        folder=pipe.JobFolder(tmp_path),
        attempt=pipe.JobFolder(tmp_path / "attempt-1"),
        max_pixels=5,
        checkpoint_seconds=1.5,
        memory_saving=2,
    )
    one, other = socket.socketpair()
    with Connection(one.detach()) as front, Connection(other.detach()) as worker:
        pipe.send_order(front, order)
        assert pipe.order_of(pipe.receive_command(worker)) == order
