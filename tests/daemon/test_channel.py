"""The line to a worker that inherits none: it calls back, and both sides prove themselves."""

import io
import json
import secrets
import socket
import sys
import threading

import pytest

from ldrps_daemon.workers import channel


class Started:
    """A worker's process, as far as the line looks at it."""

    def __init__(self):
        self.stdin, self.said, self.code = self, b"", None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, data):
        self.said += data

    def poll(self):
        return self.code


@pytest.fixture
def called():
    """A line that waits for its worker, and the process that it told where to call."""
    line, process = channel._Called(), Started()
    line.started(process)
    yield line, process
    line.close()


def in_thread(do):
    got = []

    def run():
        try:
            got.append(do())
        except (OSError, EOFError) as error:
            got.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, got


def as_worker(monkeypatch, said):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said)))
    return channel.to_front(None)


def test_messages_go_both_ways_and_the_end_is_noticed(called, monkeypatch):
    line, process = called
    with pytest.raises(OSError, match="not there yet"):
        line.send_bytes(b"too early")
    thread, got = in_thread(line.opened)
    worker = as_worker(monkeypatch, process.said)
    thread.join(10)
    line.send_bytes(b"order")
    assert worker.recv_bytes() == b"order"
    worker.send_bytes(b"report" * 99999)
    assert got[0].recv_bytes() == b"report" * 99999
    line.shut()
    with pytest.raises((EOFError, OSError)):
        got[0].recv_bytes()
    with pytest.raises((EOFError, OSError)):
        worker.recv_bytes()


@pytest.mark.parametrize(
    "words", [b"", b"x", bytes(64), bytes(range(64))], ids=["none", "one", "zeros", "others"]
)
def test_who_does_not_know_the_secret_is_no_worker(called, monkeypatch, words):
    line, process = called
    monkeypatch.setattr(channel, "_PROOF_SECONDS", 0.2)
    thread, got = in_thread(line.opened)
    with socket.create_connection(("127.0.0.1", json.loads(process.said)["port"])) as stranger:
        stranger.sendall(words)
        heard = b""
        while part := stranger.recv(100):
            heard += part
        # No more than the number that it should have made something of.
        assert len(heard) == 32
    worker = as_worker(monkeypatch, process.said)
    thread.join(10)
    worker.send_bytes(b"the true one")
    assert got[0].recv_bytes() == b"the true one"


def test_a_worker_does_not_work_for_another_front(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as impostor:

        def pretend():
            caller, _ = impostor.accept()
            with caller:
                caller.sendall(bytes(32))
                caller.recv(64)
                # What it heard does not help it: the sides differ.
                caller.sendall(bytes(32))

        thread, _ = in_thread(pretend)
        said = json.dumps({"port": impostor.getsockname()[1], "secret": "ab" * 32}).encode()
        with pytest.raises(ConnectionError, match="not the front"):
            as_worker(monkeypatch, said)
        thread.join(10)


def test_a_proof_is_good_for_one_side_and_one_call_only():
    secret, one, two = (secrets.token_bytes(32) for _ in range(3))
    proofs = {
        channel._proof(secret, side, first, second)
        for side in (channel._WORKER, channel._FRONT)
        for first, second in ((one, two), (two, one))
    }
    assert len(proofs) == 4


def test_a_worker_that_ends_before_it_calls_is_not_waited_for(called):
    line, process = called
    thread, got = in_thread(line.opened)
    process.code = 1
    thread.join(10)
    assert isinstance(got[0], EOFError)


def test_a_start_that_is_called_off_is_not_waited_for(called):
    line, _ = called
    thread, got = in_thread(line.opened)
    line.shut()
    thread.join(10)
    assert isinstance(got[0], EOFError)
