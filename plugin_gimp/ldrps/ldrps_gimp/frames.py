"""Frames of HTTP/2 (RFC 9113, section 4): their kinds and flags, and how they are distinguished."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = range(9)
CONTINUATION = 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITISED = 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, _, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
NO_ERROR, CANCEL = 0x0, 0x8

FRAME_BYTES = 16384
"""Longest payload that we accept: we never announce more."""
MAX_WINDOW = 2**31 - 1
_HEAD_BYTES = 9


class Violation(Exception):
    """Breach of the rules of HTTP/2 by the server."""


def head(size: int, kind: int, flags: int, stream: int) -> bytes:
    """Return what stands before a payload of `size` bytes."""
    return struct.pack(">HBBBI", size >> 8, size & 0xFF, kind, flags, stream)


def split_off(data: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield kind, flags, stream and payload of each whole frame, and take all of them off `data`.

    Violation for one that no server of HTTP/2 sends.
    """
    start = 0
    while len(data) - start >= _HEAD_BYTES:
        high, low, kind, flags, number = struct.unpack_from(">HBBBI", data, start)
        size = high << 8 | low
        # Before it is all there: a server that speaks something else would keep us waiting.
        if size > FRAME_BYTES:
            raise Violation(f"a frame of {size} bytes")
        begin, end = start + _HEAD_BYTES, start + _HEAD_BYTES + size
        if len(data) < end:
            break
        start = end
        yield kind, flags, number & MAX_WINDOW, bytes(data[begin:end])
    del data[:start]


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without its padding."""
    if not flags & PADDED:
        return payload
    if payload[0] >= len(payload):
        raise Violation("more padding than frame")
    return payload[1 : len(payload) - payload[0]]
