"""The peer proxy inspects the headers of calls."""

import pytest
from hpack import Encoder

from ldrps_daemon.transport.headers import PREFACE, HeadReader, UnreadableError

SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def frame(kind, flags, body, stream=1):
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def head(encoder, path, **more):
    fields = [(b":method", b"POST"), (b":path", path), (b"te", b"trailers"), *more.items()]
    return encoder.encode([(k if isinstance(k, bytes) else k.encode(), v) for k, v in fields])


def conversation(path=b"/ldrps.v1.Restoration/Status", data=b"x" * 3000):
    """Calls in all the ways that frames can be cut, the last of them to `path`."""
    encoder = Encoder()
    whole = head(encoder, b"/ldrps.v1.Restoration/Submit")
    weighted = head(encoder, b"/ldrps.v1.Restoration/Submit", **{"user-agent": b"a" * 300})
    last = head(encoder, path)
    return b"".join(
        [
            PREFACE,
            SETTINGS,
            frame(1, 0x4, whole),
            frame(0, 0x1, data),
            frame(1, 0x4 | 0x20, bytes(5) + weighted, 3),
            frame(8, 0, bytes(4), 0),
            frame(1, 0, last[:3], 5),
            frame(9, 0, last[3:7], 5),
            frame(9, 0x4, last[7:], 5),
            frame(0, 1, data, 5),
            frame(99, 0xFF, b"of tomorrow", 5),
        ]
    )


def feed(reader, parts):
    return b"".join(reader.feed(part) for part in parts)


@pytest.mark.parametrize("piece", [1, 2, 7, 24, 100, 1 << 20])
def test_calls_are_read_along_however_they_come(piece):
    for path, fine in [(b"/Status", True), ("/größe".encode(), True), (b"/\xe2", False)]:
        data = conversation(path)
        parts = [data[at : at + piece] for at in range(0, len(data), piece)]
        if fine:
            assert feed(HeadReader(), parts) == data
        else:
            with pytest.raises(UnreadableError, match="no UTF-8"):
                feed(HeadReader(), parts)


def test_nothing_is_kept_of_what_is_passed_over():
    reader = HeadReader()
    reader.feed(PREFACE + frame(0, 0, b"")[:3].replace(b"\0\0\0", b"\xff\xff\xff") + bytes(6))
    for _ in range(255):
        reader.feed(bytes(1 << 16))
    assert len(reader._held) == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "no HTTP/2"),
        (b"PRI * HTTP/1.0\r\n", "no HTTP/2"),
        (PREFACE + frame(9, 4, b""), "out of order"),
        (PREFACE + frame(1, 0, b"") + frame(0, 0, b""), "out of order"),
        (PREFACE + frame(1, 0, b"") + frame(1, 4, b""), "out of order"),
        (PREFACE + frame(5, 4, b""), "out of order"),
        (PREFACE + frame(1, 0x8 | 4, b"\1\x83\0"), "padded"),
        (PREFACE + frame(1, 0x8 | 4, b""), "padded"),
        (PREFACE + frame(1, 0x20 | 4, b"\0"), "priority"),
        (PREFACE + frame(1, 4, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "cannot be unpacked"),
        (PREFACE + frame(1, 4, b"\x80"), "cannot be unpacked"),
        (PREFACE + frame(1, 4, b"\x3f\xff\xff\x7f"), "cannot be unpacked"),
        (PREFACE + b"\xff\xff\xff\1\0\0\0\0\1", "too large"),
    ],
)
def test_what_is_no_proper_head_is_not_passed_on(data, words):
    with pytest.raises(UnreadableError, match=words):
        HeadReader().feed(data)


def test_headers_without_end_and_those_that_swell_are_cut():
    reader = HeadReader()
    reader.feed(PREFACE + frame(1, 0, b""))
    with pytest.raises(UnreadableError, match="too large"):
        feed(reader, [frame(9, 0, bytes(16000))] * 200)
    encoder = Encoder()
    large = encoder.encode([(b"x", b"y" * 4000)])
    bomb = HeadReader()
    bomb.feed(PREFACE + frame(1, 4, large))
    with pytest.raises(UnreadableError, match="cannot be unpacked"):
        bomb.feed(frame(1, 4, b"\xbe" * 16000, 3))


@pytest.mark.parametrize("piece", [1, 9, 1 << 20])
def test_headers_are_passed_on_as_a_whole_or_not_at_all(piece):
    """gRPC begins a call with what it has of them when the connection ends."""
    block = head(Encoder(), b"/\xff")
    longer = (len(block) + 1).to_bytes(3, "big") + frame(1, 0x4, block)[3:]
    for begun in (longer, frame(1, 0, block), frame(1, 0, block[:9]) + frame(9, 0, block[9:])):
        data = PREFACE + SETTINGS + begun
        parts = [data[at : at + piece] for at in range(0, len(data), piece)]
        assert feed(HeadReader(), parts) == PREFACE + SETTINGS


def test_headers_that_never_end_are_not_kept_for_ever():
    reader = HeadReader()
    reader.feed(PREFACE + frame(1, 0, b""))
    with pytest.raises(UnreadableError, match="too large"):
        feed(reader, [frame(9, 0, b"") * 1000] * 200)
