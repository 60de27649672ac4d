"""The plug-in's transport against servers that say, frame by frame, what grpcio would not."""

import contextlib
import socket
import struct
import threading

import pytest

from ldrps_gimp import frames
from ldrps_gimp.grpc_call import Call, RpcError
from ldrps_gimp.http2 import Connection
from ldrps_gimp.vendor.hpack import Encoder

OK = [(":status", "200"), ("content-type", "application/grpc")]
DONE = [("grpc-status", "0")]
END_BOTH = frames.END_HEADERS | frames.END_STREAM


def frame(kind, flags, stream, payload):
    head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
    return head + payload


def headers(fields, flags=frames.END_HEADERS, stream=1):
    return frame(frames.HEADERS, flags, stream, Encoder().encode(fields))


def message(data):
    return struct.pack(">BI", 0, len(data)) + data


def rst(code):
    return frame(frames.RST_STREAM, 0, 1, struct.pack(">I", code))


def goaway(last, code=0):
    return frame(frames.GOAWAY, 0, 0, struct.pack(">II", last, code))


SETTINGS = frame(frames.SETTINGS, 0, 0, b"")
ANSWER = headers(OK) + frame(frames.DATA, 0, 1, message(b"hello")) + headers(DONE, END_BOTH)


@contextlib.contextmanager
def server_that_says(*words, stay=False):
    """A connection to a server that reads a request, says these bytes, and hangs up."""
    ours, theirs = socket.socketpair()

    def serve():
        with contextlib.suppress(OSError):
            theirs.recv(1 << 16)
            for word in words:
                theirs.sendall(word)
            while stay and theirs.recv(1 << 16):
                pass
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    connection = Connection(ours)
    try:
        yield connection
    finally:
        connection.close()
        thread.join()


def ask(*words, stay=False, seconds=20):
    with server_that_says(*words, stay=stay) as connection:
        call = Call(connection, "/x.Y/Z", {}, seconds)
        call.send(b"request", last=True)
        return call.only()


def refusal(*words, **more):
    with pytest.raises(RpcError) as caught:
        ask(*words, **more)
    return caught.value.code


def test_a_plain_answer():
    assert ask(SETTINGS, ANSWER) == b"hello"


def test_an_answer_cut_into_single_bytes():
    assert ask(*(bytes([byte]) for byte in SETTINGS + ANSWER)) == b"hello"


def test_padding_priorities_pings_and_headers_in_pieces():
    block = Encoder().encode(OK)
    padded = frames.PADDED | frames.PRIORITISED
    first = bytes([3]) + bytes(5) + block[:2] + bytes(3)
    words = [
        SETTINGS,
        frame(frames.PING, 0, 0, b"12345678"),
        frame(frames.HEADERS, padded, 1, first),
        frame(frames.CONTINUATION, 0, 1, block[2:4]),
        frame(frames.CONTINUATION, frames.END_HEADERS, 1, block[4:]),
        frame(frames.PRIORITY, 0, 1, bytes(5)),
        frame(0x77, 0, 0, b"a kind of frame yet to be invented"),
        frame(frames.DATA, frames.PADDED, 1, b"\x04" + message(b"hello")[:6] + bytes(4)),
        frame(frames.DATA, 0, 1, message(b"hello")[6:]),
        headers(DONE, END_BOTH),
    ]
    assert ask(*words) == b"hello"


def test_only_trailers():
    fields = [*OK, ("grpc-status", "5"), ("grpc-message", "no %22job%22")]
    with pytest.raises(RpcError, match='NOT_FOUND: no "job"'):
        ask(SETTINGS, headers(fields, END_BOTH))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *{0: "INTERNAL", 2: "INTERNAL", 7: "UNAVAILABLE", 8: "CANCELLED"}.items(),
        *{11: "RESOURCE_EXHAUSTED", 12: "PERMISSION_DENIED", 99: "INTERNAL"}.items(),
    ],
)
def test_a_stream_that_is_reset(code, status):
    assert refusal(SETTINGS, rst(code), stay=True) == status
    assert refusal(SETTINGS, headers(OK), rst(code), stay=True) == status


def test_a_reset_behind_the_status_changes_nothing():
    assert ask(SETTINGS, ANSWER, rst(0)) == b"hello"


def test_going_away_before_and_behind_our_call():
    assert refusal(SETTINGS, goaway(0), stay=True) == "UNAVAILABLE"
    assert ask(SETTINGS, goaway(1), ANSWER, stay=True) == b"hello"


def test_no_new_call_on_a_server_that_goes_away():
    with server_that_says(SETTINGS, goaway(1), ANSWER, stay=True) as connection:
        call = Call(connection, "/x.Y/Z", {}, 20)
        call.send(b"request", last=True)
        assert call.only() == b"hello"
        with pytest.raises(RpcError, match="UNAVAILABLE"):
            Call(connection, "/x.Y/Z", {}, 20)


@pytest.mark.parametrize(
    "words",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (b"\x00" * 40,),
        (b"\xff" * 40,),
        (SETTINGS, frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff")),
        (SETTINGS, frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, bytes(4))),
        (SETTINGS, frame(frames.HEADERS, 0, 1, b""), frame(frames.DATA, 0, 1, b"")),
        (SETTINGS, frame(frames.CONTINUATION, 0, 1, b"")),
        (SETTINGS, frame(frames.DATA, frames.PADDED, 1, b"\x09abc")),
        (SETTINGS, frame(frames.WINDOW_UPDATE, 0, 1, b"ab")),
        (SETTINGS, headers(OK)[:-1]),
        (SETTINGS, headers(OK), frame(frames.DATA, 0, 1, message(b"hello")[:7])),
        (),
    ],
)
def test_what_is_no_grpc_server_is_unavailable(words):
    assert refusal(*words) == "UNAVAILABLE"


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 40])
def test_a_server_of_another_protocol_is_reported_at_once(words):
    """It may stay connected for as long as it likes."""
    assert refusal(words, stay=True, seconds=None) == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((headers([(":status", "503")], END_BOTH),), "UNAVAILABLE"),
        ((headers([(":status", "404")], END_BOTH),), "UNIMPLEMENTED"),
        ((headers([(":status", "302")], END_BOTH),), "UNKNOWN"),
        ((headers([(":status", "200"), ("content-type", "text/html")], END_BOTH),), "UNKNOWN"),
        ((headers(OK), headers([("x", "y")], END_BOTH)), "UNKNOWN"),
        ((headers(OK), headers([("grpc-status", "77")], END_BOTH)), "UNKNOWN"),
        ((headers(OK), headers(DONE, END_BOTH)), "INTERNAL"),
        ((headers(OK), frame(0, 0, 1, b"\x01" + bytes(4)), headers(DONE, END_BOTH)), "INTERNAL"),
        ((headers(OK), frame(0, 0, 1, bytes(3)), headers(DONE, END_BOTH)), "INTERNAL"),
        ((headers(OK), frame(0, 0, 1, message(b"ab")[:6]), headers(DONE, END_BOTH)), "INTERNAL"),
    ],
)
def test_answers_that_are_no_answers(words, status):
    assert refusal(SETTINGS, *words, stay=True) == status


def test_a_server_that_says_nothing():
    assert refusal(SETTINGS, stay=True, seconds=0.3) == "DEADLINE_EXCEEDED"
    assert refusal(SETTINGS, headers(OK), stay=True, seconds=0.3) == "DEADLINE_EXCEEDED"


def test_a_window_that_shrinks_below_zero_stops_us_until_it_grows():
    small = frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    with server_that_says(small, stay=True) as connection:
        call = Call(connection, "/x.Y/Z", {}, 0.5)
        connection.turn(None)
        with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
            call.send(bytes(100_000))
