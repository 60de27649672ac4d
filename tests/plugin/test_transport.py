"""The plug-in's transport against real grpcio, over all kinds of socket."""

import contextlib
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest

from ldrps_gimp.grpc_call import CODES, Call, RpcError
from ldrps_gimp.http2 import STREAM_WINDOW, Connection
from ldrps_wire.address import certificate_file
from plugin import grpc_server
from plugin.grpc_server import Handlers, pattern

MEBIBYTE = 1 << 20
# width, height, channels of 8 bits: from a pixel to 144 MB, with sizes around a frame's 16 KiB.
RASTERS = [(1, 1, 1), (3, 5, 4), (128, 128, 1), (5461, 1, 3), (1000, 750, 3), (8000, 6000, 3)]
CHUNKS = [1, 7, 16383, 16384, 65536, MEBIBYTE]
# More messages than some thousands show nothing that these do not: windows are full long before.
CASES = [
    (w * h * c, chunk) for w, h, c in RASTERS for chunk in CHUNKS if w * h * c / chunk < 10_000
]


@pytest.fixture(scope="module", params=["unix", "tcp", "tls"])
def place(request, tmp_path_factory):
    """A running server: its socket's family and address, and whom to trust."""
    folder = tmp_path_factory.mktemp("s")
    if request.param == "unix":
        server, _ = grpc_server.start(f"unix:{folder}/s")
        yield socket.AF_UNIX, f"{folder}/s", None
    else:
        tls = request.param == "tls"
        credentials = grpc_server.credentials(folder / "token") if tls else None
        server, port = grpc_server.start("127.0.0.1:0", credentials)
        trusted = certificate_file(folder / "token") if tls else None
        yield socket.AF_INET, ("127.0.0.1", port), trusted
    server.stop(0).wait()


def connect(place):
    family, address, *trusted = place
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket(family))
        sock.connect(address)
        if any(trusted):
            context = ssl.create_default_context(cafile=trusted[0])
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        stack.pop_all()
    return Connection(sock)


@pytest.fixture
def connection(place):
    made = connect(place)
    yield made
    made.close()


def call(connection, method, message=None, *, seconds=60.0, metadata=None):
    made = Call(connection, f"/t.T/{method}", metadata or {}, seconds)
    if message is not None:
        made.send(json.dumps(message).encode(), last=True)
    return made


@pytest.mark.parametrize(("size", "chunk"), CASES)
def test_every_byte_arrives_there(connection, size, chunk):
    data = pattern(min(chunk, size))
    made = call(connection, "Digest", seconds=None)
    want, count = hashlib.sha256(), 0
    for start in range(0, size, chunk):
        piece = data[: size - start]
        want.update(piece)
        assert made.send(piece)
        count += 1
    made.finish_sending()
    assert json.loads(made.only()) == {"count": count, "sha256": want.hexdigest()}


@pytest.mark.parametrize(("size", "chunk"), CASES)
def test_every_byte_arrives_here(connection, size, chunk):
    made = call(connection, "Pour", {"size": size, "chunk": chunk}, seconds=None)
    got = 0
    while (piece := made.receive()) is not None:
        assert piece == pattern(min(chunk, size - got))
        got += len(piece)
    assert got == size


def test_an_empty_message_is_a_message(connection):
    made = call(connection, "Digest")
    assert made.send(b"")
    made.finish_sending()
    assert json.loads(made.only())["count"] == 1


@pytest.mark.parametrize("code", CODES[1:])
@pytest.mark.parametrize("method", ["Fail", "FailMidway"])
def test_every_status_arrives_with_its_sentence_and_trailers(connection, code, method):
    wish = {"code": code, "details": "naïve: 100 % of 'ß'\n", "trailers": {"ldrps-reason": "photo"}}
    made = call(connection, method, wish)
    if method == "FailMidway":
        assert [made.receive(), made.receive()] == [b"one", b"two"]
    with pytest.raises(RpcError) as caught:
        made.receive()
    assert caught.value.code == code
    assert caught.value.details == wish["details"]
    assert caught.value.trailers["ldrps-reason"] == "photo"


def test_all_codes_are_grpcs():
    assert list(CODES) == [c.name for c in sorted(grpc.StatusCode, key=lambda c: c.value[0])]


def test_a_method_that_is_not_there(connection):
    with pytest.raises(RpcError) as caught:
        call(connection, "NotThere", {}).receive()
    assert caught.value.code == "UNIMPLEMENTED"


def test_sending_stops_when_the_server_has_had_enough(connection):
    made = call(connection, "FailEarly")
    sent = 0
    while made.send(bytes(MEBIBYTE)):
        sent += 1
        assert sent < 200
    with pytest.raises(RpcError) as caught:
        made.only()
    assert (caught.value.code, caught.value.details) == ("OUT_OF_RANGE", "enough")
    assert json.loads(_digest_of(connection, b"still here"))["count"] == 1


def _digest_of(connection, data):
    made = call(connection, "Digest")
    made.send(data, last=True)
    return made.only()


def test_metadata_arrives(connection):
    shown = json.loads(
        call(connection, "ShowMetadata", {}, metadata={"authorization": "B x"}).only()
    )
    assert shown["authorization"] == "B x"


def test_a_deadline_is_reported_and_kept(connection):
    started = time.monotonic()
    with pytest.raises(RpcError) as caught:
        call(connection, "Hang", {}, seconds=1.5).receive()
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert 1.4 < time.monotonic() - started < 15
    assert 0 < Handlers.deadline <= 1.5
    assert json.loads(_digest_of(connection, b"still here"))["count"] == 1


def test_a_cancel_reaches_the_server(connection):
    with call(connection, "Cancelled", {}) as made:
        assert made.receive() == b"begun"
        assert not Handlers.left.is_set()
    assert Handlers.left.wait(10)


class Stop(Exception):
    pass


def test_whoever_waits_can_be_called_away(connection):
    def stop():
        raise Stop

    with call(connection, "Cancelled", {}) as made:
        assert made.receive() == b"begun"
        connection.idle = stop
        with pytest.raises(Stop):
            made.receive()
    connection.idle = lambda: None
    assert Handlers.left.wait(10)


def test_calls_share_a_connection(connection):
    with call(connection, "Cancelled", {}) as watching:
        assert watching.receive() == b"begun"
        assert json.loads(_digest_of(connection, bytes(3 * MEBIBYTE)))["count"] == 1


def test_a_slow_reader_holds_the_server_up_and_nobody_else(connection):
    before = Handlers.poured
    made = call(connection, "Pour", {"size": 64 * MEBIBYTE, "chunk": MEBIBYTE}, seconds=None)
    assert made.receive() is not None
    for _ in range(30):
        connection.turn(None)
        time.sleep(0.01)
    # What the window lets through, what both sockets hold, and what grpcio has in hand.
    assert Handlers.poured - before < 4 * STREAM_WINDOW // MEBIBYTE
    assert json.loads(_digest_of(connection, b"another call"))["count"] == 1
    rest = 0
    while (piece := made.receive()) is not None:
        rest += len(piece)
    assert rest == 63 * MEBIBYTE


def test_a_server_that_reads_slowly_is_waited_for(connection):
    made = call(connection, "SlowDigest", seconds=None)
    for _ in range(24):
        assert made.send(pattern(MEBIBYTE))
        assert len(connection._outgoing) < 2 * MEBIBYTE
    made.finish_sending()
    assert json.loads(made.only())["count"] == 24


def test_a_message_too_large_is_refused(connection):
    with pytest.raises(RpcError) as caught:
        call(connection, "Pour", {"size": 9 * MEBIBYTE, "chunk": 9 * MEBIBYTE}).receive()
    assert caught.value.code == "RESOURCE_EXHAUSTED"


class Killable:
    """A server of its own process, killed when it has reached a stage."""

    def __init__(self, folder):
        self.path = str(folder / "k")
        command = [sys.executable, grpc_server.__file__, f"unix:{self.path}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.wait_for("serving")

    def wait_for(self, stage):
        for line in self.process.stdout:
            if line.strip() == stage:
                return
        raise AssertionError(f"the server never reached {stage}")

    def kill_at(self, stage):
        thread = threading.Thread(target=lambda: (self.wait_for(stage), self.kill()))
        thread.start()
        return thread

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def killable(tmp_path):
    made = Killable(tmp_path)
    yield made
    made.kill()
    made.process.stdout.close()


def _upload(connection):
    made = call(connection, "UploadAndWait", seconds=30)
    for _ in range(40):
        made.send(pattern(MEBIBYTE))
    made.finish_sending()
    made.only()


def _upload_for_ever(connection):
    made = call(connection, "UploadAndWait", seconds=30)
    while made.send(pattern(MEBIBYTE)):
        pass
    made.only()


def _download(connection, what):
    made = Call(connection, "/t.T/DownloadAndWait", {}, 30)
    made.send(what, last=True)
    while made.receive() is not None:
        pass


@pytest.mark.parametrize(
    ("stage", "work"),
    [
        ("uploading", _upload_for_ever),
        ("uploaded", _upload),
        ("asked", lambda c: _download(c, b"headers")),
        ("downloading", lambda c: _download(c, b"body")),
    ],
)
def test_a_server_killed_at_a_stage_is_unavailable(killable, stage, work):
    connection = connect((socket.AF_UNIX, killable.path))
    killer = killable.kill_at(stage)
    with pytest.raises(RpcError) as caught:
        work(connection)
    killer.join()
    assert caught.value.code == "UNAVAILABLE"
    connection.close()


def test_a_server_killed_between_calls_is_unavailable(killable):
    connection = connect((socket.AF_UNIX, killable.path))
    killable.kill()
    with pytest.raises(RpcError) as caught:
        call(connection, "Hang", {}).receive()
    assert caught.value.code == "UNAVAILABLE"
    with pytest.raises(RpcError):
        call(connection, "Hang", {})
    assert Path(killable.path).exists()
    with pytest.raises(ConnectionRefusedError):
        connect((socket.AF_UNIX, killable.path))


def test_a_server_that_stops_in_order_lets_running_calls_end(tmp_path):
    path = str(tmp_path / "s")
    server, _ = grpc_server.start(f"unix:{path}")
    connection = connect((socket.AF_UNIX, path))
    made = call(connection, "Pour", {"size": 32 * MEBIBYTE, "chunk": MEBIBYTE}, seconds=None)
    assert made.receive() is not None
    stopped = server.stop(30)
    got = 1
    while made.receive() is not None:
        got += 1
    assert got == 32
    with pytest.raises(RpcError) as caught:
        call(connection, "Hang", {}).receive()
    assert caught.value.code == "UNAVAILABLE"
    stopped.wait()
    connection.close()
