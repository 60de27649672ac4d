"""Headers of each call, inspected by the peer proxy: gRPC is given none that would break it.

grpc.aio ends its loop, and with it all calls, at a method that is no UTF-8 (see
`self_restart.py`), before any token could be asked for. So a client's bytes are followed here
frame by frame (RFC 9113, 4 and 6.2), headers are unpacked (RFC 7541) and checked, and everything
else is passed over.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEAD = 9
_HEADERS, _PUSH_PROMISE, _CONTINUATION = 1, 5, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_PRIORITY_BYTES = 5
# Most bytes of one call's headers, packed and unpacked. gRPC itself refuses much less.
_MOST_BYTES = 1 << 20


class UnreadableError(Exception):
    """Data from a client that gRPC must not see."""


class HeadReader:
    """Follows what one connection's client sends."""

    def __init__(self) -> None:
        self._decoder = Decoder(_MOST_BYTES)
        self._held = bytearray()
        """Bytes of an incomplete preface, frame head, or frame of headers."""
        self._skip = 0
        """Bytes of a frame that hold no headers."""
        self._begun = False
        self._block: bytearray | None = None
        """Headers whose end is in a frame to come,"""
        self._unended = bytearray()
        """and the frames that they came in."""

    def feed(self, data: bytes) -> bytes:
        """Check the next bytes, and return what may be passed on of all that has come by now.

        Headers may only as a whole: gRPC begins with them before their end, and begins a call with
        what it has if nothing more comes. UnreadableError if they must not be passed on at all.
        """
        at = min(self._skip, len(data))
        self._skip -= at
        passed = bytearray(data[:at])
        self._held += data[at:]
        start = 0
        while (end := self._part(start)) is not None:
            self._unended += self._held[start:end]
            start = end
            if self._block is None:
                passed += self._unended
                self._unended.clear()
            elif len(self._unended) > _MOST_BYTES:
                raise UnreadableError("a call's headers are too large")
        del self._held[:start]
        return bytes(passed)

    def _part(self, start: int) -> int | None:
        """Read one part from `start` on and return where it ends; None if it is incomplete."""
        held = self._held
        if not self._begun:
            return self._preface(start)
        if len(held) - start < _FRAME_HEAD:
            return None
        size = int.from_bytes(held[start : start + 3], "big")
        kind, flags = held[start + 3], held[start + 4]
        body = start + _FRAME_HEAD
        if (self._block is not None) != (kind == _CONTINUATION) or kind == _PUSH_PROMISE:
            raise UnreadableError("frames of headers are out of order")
        if kind not in (_HEADERS, _CONTINUATION):
            self._skip = max(0, body + size - len(held))
            return min(body + size, len(held))
        if size > _MOST_BYTES:
            raise UnreadableError("a frame of headers is too large")
        if len(held) < body + size:
            return None
        self._headers(kind, flags, bytes(held[body : body + size]))
        return body + size

    def _preface(self, start: int) -> int | None:
        seen = bytes(self._held[start : start + len(PREFACE)])
        if not PREFACE.startswith(seen):
            raise UnreadableError("it speaks no HTTP/2")
        self._begun = len(seen) == len(PREFACE)
        return start + len(PREFACE) if self._begun else None

    def _headers(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _HEADERS:
            self._block = bytearray(_bare(flags, body))
        else:
            assert self._block is not None
            self._block += body
        if flags & _END_HEADERS:
            block, self._block = bytes(self._block), None
            self._look(block)

    def _look(self, block: bytes) -> None:
        try:
            for name, value in self._decoder.decode(block, raw=True):
                if name == b":path":
                    value.decode()
        except UnicodeDecodeError:
            raise UnreadableError("the name of a method is no UTF-8") from None
        except (HPACKError, IndexError, ValueError) as error:
            raise UnreadableError(f"headers cannot be unpacked ({error})") from None


def _bare(flags: int, body: bytes) -> bytes:
    """Return a frame's piece of headers, without its priority."""
    if flags & _PADDED:
        # gRPC takes padding for headers, and so would read others than are looked at here.
        raise UnreadableError("headers are padded")
    start = _PRIORITY_BYTES if flags & _PRIORITY else 0
    if start > len(body):
        raise UnreadableError("the priority of a frame is longer than the frame")
    return body[start:]
