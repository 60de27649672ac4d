"""Client's side of HTTP/2 (RFC 9113), as far as gRPC needs it. Standard library and hpack.

One thread drives everything: a caller that waits for a stream reads the socket for all. GIMP
breaks when two threads call it, so there is no second one; `idle` is called whenever time passes,
for a dialog to stay alive, and may raise to break off.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ldrps_gimp import frames
from ldrps_gimp.frames import Violation, head, split_off, unpadded
from ldrps_gimp.sockets import NOT_NOW, read_available
from ldrps_gimp.vendor.hpack import Decoder, Encoder, HPACKError

STREAM_WINDOW = 4 << 20
"""Bytes a stream may have on the way to us before they are read."""
_CONNECTION_WINDOW = 1 << 30
_DEFAULT_WINDOW = 65535
_MAX_HEADERS = 1 << 16
_READ_BYTES = 1 << 18
_TICK_SECONDS = 0.05

Headers = list[tuple[str, str]]


class ConnectionLost(Exception):
    """Loss of the server, or data from it that is not HTTP/2."""


class DeadlineExceeded(Exception):
    """End of the time that a caller gave."""


@dataclass(kw_only=True)
class Stream:
    """One request and its answer. `inbox` holds bytes that are not read yet."""

    number: int
    window: int
    """Bytes the server still lets us send."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Blocks of headers as they came: the answer's, then the trailers."""
    inbox: deque[bytes] = field(default_factory=deque)
    ended: bool = False
    """True once the server has said its last word here."""
    reset: int | None = None
    """Error code, if the server broke the stream off."""
    refused: bool = False
    """True if the server went away without having looked at this request."""
    unread: int = 0
    """Bytes read since the server was last allowed more."""

    @property
    def over(self) -> bool:
        """True once nothing more can come."""
        return self.ended or self.reset is not None or self.refused


class Connection:
    """Streams over one connected socket, which it owns."""

    def __init__(self, sock: socket.socket, idle: Callable[[], None] | None = None) -> None:
        self._socket = sock
        self._socket.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None):
            # Frames are small compared with what waits behind them; Nagle would hold them back.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.idle = idle or (lambda: None)
        self._encoder, self._decoder = Encoder(), Decoder(max_header_list_size=_MAX_HEADERS)
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._block: tuple[Stream | None, bytearray, bool] | None = None
        self._streams: dict[int, Stream] = {}
        self._next_number = 1
        self._window = self._initial_window = _DEFAULT_WINDOW
        self._frame_bytes = frames.FRAME_BYTES
        self._unread = 0
        self.going_away = False
        self.lost: str | None = None
        """Reason why nothing can be sent or read any more."""
        self._outgoing += frames.PREFACE
        pairs = ((frames.ENABLE_PUSH, 0), (frames.INITIAL_WINDOW_SIZE, STREAM_WINDOW))
        self._send(frames.SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))
        self._send(
            frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", _CONNECTION_WINDOW - _DEFAULT_WINDOW)
        )

    def open(self, headers: Headers) -> Stream:
        """Begin a request; its body follows with `write`."""
        if self.lost or self.going_away:
            raise ConnectionLost(self.lost or "the server is going away")
        stream = Stream(number=self._next_number, window=self._initial_window)
        self._next_number += 2
        self._streams[stream.number] = stream
        self._send(frames.HEADERS, frames.END_HEADERS, stream.number, self._encoder.encode(headers))
        return stream

    def write(self, stream: Stream, data: bytes, end: bool, deadline: float | None) -> None:
        """Send a piece of the body, as fast as the server lets us; stops early if it has answered.

        Raises DeadlineExceeded and ConnectionLost.
        """
        view, start = memoryview(data), 0
        while not stream.over:
            size = min(len(view) - start, self._frame_bytes, max(stream.window, 0))
            size = min(size, max(self._window, 0))
            last = start + size == len(view)
            if size or last:
                flags = frames.END_STREAM if end and last else 0
                self._send(frames.DATA, flags, stream.number, view[start : start + size])
                stream.window -= size
                self._window -= size
                start += size
            if last:
                break
            if not size or len(self._outgoing) > _READ_BYTES:
                self.turn(deadline, block=not size)
        self.flush(stream, deadline)

    def flush(self, stream: Stream, deadline: float | None) -> None:
        """Wait until written data has left, so that no more than this is ever buffered."""
        self._send_some()
        while len(self._outgoing) > _READ_BYTES and not stream.over:
            self.turn(deadline)

    def read(self, stream: Stream, deadline: float | None) -> bytes | None:
        """Return the next piece of the answer's body; None when there is no more."""
        while not stream.inbox:
            if stream.over:
                return None
            self.turn(deadline)
        data = stream.inbox.popleft()
        stream.unread += len(data)
        # Half a window at a time: the server never waits, and credit costs few frames.
        if stream.unread >= STREAM_WINDOW // 2 and not stream.over:
            self._credit(stream.number, stream.unread)
            stream.unread = 0
        return data

    def wait_headers(self, stream: Stream, deadline: float | None) -> None:
        """Wait until the answer's first headers are there, or the stream is over."""
        while not stream.headers and not stream.over:
            self.turn(deadline)

    def forget(self, stream: Stream) -> None:
        """Forget a stream; one that is not over is cancelled."""
        if self._streams.pop(stream.number, None) and not stream.ended and stream.reset is None:
            stream.reset = frames.CANCEL
            if not self.lost:
                self._send(frames.RST_STREAM, 0, stream.number, struct.pack(">I", frames.CANCEL))
                self._send_some()

    def close(self) -> None:
        """Close the connection, saying goodbye as far as that can be done without waiting."""
        if not self.lost:
            self._send(frames.GOAWAY, 0, 0, struct.pack(">II", 0, frames.NO_ERROR))
            self._send_some()
        self._lose("the connection was closed")

    def turn(self, deadline: float | None, *, block: bool = True) -> None:
        """Let a moment pass: send, receive, and call `idle`.

        Without `block` it only waits where the socket takes no more of what is to be sent.
        """
        if self.lost:
            raise ConnectionLost(self.lost)
        self._send_some()
        wait = _TICK_SECONDS if block or self._outgoing else 0.0
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded
            wait = min(wait, left)
        writing = [self._socket] if self._outgoing else []
        try:
            readable, _, _ = select.select([self._socket], writing, [], wait)
        except (OSError, ValueError) as error:
            self._lose(f"the socket failed ({error})")
            return
        if readable:
            self._receive()
        self._send_some()
        self.idle()

    # What we send.

    def _send(self, kind: int, flags: int, stream: int, payload: bytes | memoryview) -> None:
        self._outgoing += head(len(payload), kind, flags, stream)
        self._outgoing += payload

    def _send_some(self) -> None:
        while self._outgoing and not self.lost:
            try:
                with memoryview(self._outgoing) as view:
                    sent = self._socket.send(view[:_READ_BYTES])
            except NOT_NOW:
                return
            except OSError as error:
                # What the server said before it hung up may still be waiting to be read.
                self._receive()
                self._lose(f"the server hung up ({error.strerror})")
                return
            del self._outgoing[:sent]

    def _credit(self, stream: int, size: int) -> None:
        self._send(frames.WINDOW_UPDATE, 0, stream, struct.pack(">I", size))

    # What we receive.

    def _receive(self) -> None:
        try:
            data = read_available(self._socket, _READ_BYTES)
        except NOT_NOW:
            return
        except OSError as error:
            self._lose(f"the connection broke ({error.strerror})")
            return
        self._incoming += data
        try:
            self._dispatch_all()
        except (HPACKError, struct.error, IndexError, UnicodeDecodeError, Violation) as error:
            self._lose(f"what the server sent is no HTTP/2 ({error})")
            return
        if not data:
            self._lose("the server closed the connection")

    def _dispatch_all(self) -> None:
        for kind, flags, number, payload in split_off(self._incoming):
            self._dispatch(kind, flags, number, payload)

    def _dispatch(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise Violation("headers were broken off")
        if kind == frames.DATA:
            self._on_data(number, flags, payload)
        elif kind == frames.HEADERS:
            payload = unpadded(payload, flags)
            payload = payload[5:] if flags & frames.PRIORITISED else payload
            self._block = (self._streams.get(number), bytearray(), bool(flags & frames.END_STREAM))
            self._on_block(flags, payload)
        elif kind == frames.CONTINUATION:
            self._on_block(flags, payload)
        elif kind == frames.RST_STREAM:
            if stream := self._streams.get(number):
                stream.reset = struct.unpack(">I", payload)[0]
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._on_settings(payload)
        elif kind == frames.PING and not flags & frames.ACK:
            self._send(frames.PING, frames.ACK, 0, payload)
        elif kind == frames.GOAWAY:
            self._on_goaway(struct.unpack_from(">I", payload)[0] & frames.MAX_WINDOW)
        elif kind == frames.WINDOW_UPDATE:
            self._on_window_update(number, struct.unpack(">I", payload)[0] & frames.MAX_WINDOW)
        elif kind == frames.PUSH_PROMISE:
            raise Violation("a pushed answer nobody asked for")

    def _on_data(self, number: int, flags: int, payload: bytes) -> None:
        # The connection's window is given back at once, also for streams that we have forgotten;
        # a slow reader is held up by its own stream's window alone.
        self._unread += len(payload)
        if self._unread >= STREAM_WINDOW:
            self._credit(0, self._unread)
            self._unread = 0
        stream = self._streams.get(number)
        if stream is None:
            return
        data = unpadded(payload, flags)
        stream.unread += len(payload) - len(data)
        if data:
            stream.inbox.append(data)
        stream.ended = stream.ended or bool(flags & frames.END_STREAM)

    def _on_block(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise Violation("headers go on that never began")
        stream, block, ends = self._block
        block += payload
        if len(block) > _MAX_HEADERS:
            raise Violation("headers without end")
        if not flags & frames.END_HEADERS:
            return
        self._block = None
        # Decoded also for streams that we have forgotten: the table is the connection's.
        headers = {str(name): str(value) for name, value in self._decoder.decode(bytes(block))}
        if stream is not None and not headers.get(":status", "").startswith("1"):
            stream.headers.append(headers)
            stream.ended = stream.ended or ends

    def _on_settings(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HI", payload):
            if name == frames.HEADER_TABLE_SIZE:
                self._encoder.header_table_size = min(value, 4096)
            elif name == frames.INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.window += value - self._initial_window
                self._initial_window = value
            elif name == frames.MAX_FRAME_SIZE:
                self._frame_bytes = min(value, 1 << 18)
        self._send(frames.SETTINGS, frames.ACK, 0, b"")

    def _on_goaway(self, last: int) -> None:
        self.going_away = True
        for stream in self._streams.values():
            if stream.number > last:
                stream.refused = True

    def _on_window_update(self, number: int, size: int) -> None:
        if number == 0:
            self._window += size
        elif stream := self._streams.get(number):
            stream.window += size

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        self._outgoing.clear()
        self._socket.close()
