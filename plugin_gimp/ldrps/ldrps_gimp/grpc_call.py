"""Calls of gRPC over our own HTTP/2: messages, statuses, deadlines, cancelling.

As gRPC's "PROTOCOL-HTTP2.md" has it, without compression, which a local socket has no use for.
"""

from __future__ import annotations

import math
import struct
import time
from urllib.parse import unquote

from ldrps_gimp.http2 import Connection, ConnectionLost, DeadlineExceeded

CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Names of the status codes; the index is the number on the wire."""

MAX_MESSAGE = 8 << 20
"""Largest message accepted, in bytes: nothing in our contract comes near."""

# Both as gRPC's documents map them.
_OF_RESET = {0x7: "UNAVAILABLE", 0x8: "CANCELLED", 0xB: "RESOURCE_EXHAUSTED"}
_OF_RESET[0xC] = "PERMISSION_DENIED"
_OF_HTTP = {"400": "INTERNAL", "401": "UNAUTHENTICATED", "403": "PERMISSION_DENIED"}
_OF_HTTP |= {"404": "UNIMPLEMENTED"} | dict.fromkeys(("429", "502", "503", "504"), "UNAVAILABLE")
_PREFIX = struct.Struct(">BI")


class RpcError(Exception):
    """Call that ended with another status than OK."""

    def __init__(self, code: str, details: str, trailers: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        """Status code, one of CODES."""
        self.details = details
        self.trailers = trailers or {}


class Call:
    """One call. Every way out other than the status OK is an RpcError.

    `with` cancels it on the way out unless it has ended.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        metadata: dict[str, str],
        seconds: float | None = None,
    ) -> None:
        """Begin a call of `path`, /package.Service/Method; it takes for ever without `seconds`."""
        self._connection = connection
        self._deadline = None if seconds is None else time.monotonic() + seconds
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "ldrps-gimp"),
        ]
        if seconds is not None:
            # Eight digits are what the format takes.
            headers.append(("grpc-timeout", f"{min(math.ceil(seconds * 1000), 99_999_999)}m"))
        try:
            self._stream = connection.open([*headers, *metadata.items()])
        except ConnectionLost as error:
            raise RpcError("UNAVAILABLE", str(error)) from None
        self._buffer = bytearray()

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Tell the server to stop; nothing happens to a call that has ended."""
        self._connection.forget(self._stream)

    def send(self, message: bytes, *, last: bool = False) -> bool:
        """Send one message; False if the server has answered and wants no more."""
        try:
            data = _PREFIX.pack(0, len(message)) + message
            self._connection.write(self._stream, data, last, self._deadline)
        except (ConnectionLost, DeadlineExceeded) as error:
            raise self._broken(error) from None
        return not self._stream.over

    def finish_sending(self) -> None:
        """Announce that there will be no more messages."""
        try:
            self._connection.write(self._stream, b"", True, self._deadline)
        except (ConnectionLost, DeadlineExceeded) as error:
            raise self._broken(error) from None

    def receive(self) -> bytes | None:
        """Return the next message; None after the last one if the status is OK."""
        try:
            head = self._take(_PREFIX.size)
            if head is None:
                self._end()
                return None
            compressed, size = _PREFIX.unpack(head)
            if compressed or size > MAX_MESSAGE:
                raise self._refuse(compressed, size)
            message = self._take(size)
        except (ConnectionLost, DeadlineExceeded) as error:
            raise self._broken(error) from None
        if message is None:
            self._end()
            raise RpcError("INTERNAL", "the answer ends in the middle of a message")
        return message

    def only(self) -> bytes:
        """Return the one message of a call that answers once."""
        message = self.receive()
        if message is None or self.receive() is not None:
            raise RpcError("INTERNAL", "the answer is not one message")
        return message

    def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            self._connection.wait_headers(self._stream, self._deadline)
            self._check_http()
            piece = self._connection.read(self._stream, self._deadline)
            if piece is None:
                return None
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _check_http(self) -> None:
        if not self._stream.headers:
            return
        status = self._stream.headers[0].get(":status", "none")
        if status != "200":
            code = _OF_HTTP.get(status, "UNKNOWN")
            raise RpcError(code, f"an HTTP server answered {status}, no gRPC server")
        kind = self._stream.headers[0].get("content-type", "none")
        if not kind.startswith("application/grpc"):
            raise RpcError("UNKNOWN", f"the answer is {kind}, not gRPC")

    def _refuse(self, compressed: int, size: int) -> RpcError:
        self.cancel()
        if compressed:
            return RpcError("INTERNAL", "the answer is compressed, which was not agreed")
        return RpcError("RESOURCE_EXHAUSTED", f"a message of {size} bytes is too large")

    def _end(self) -> None:
        stream = self._stream
        trailers = stream.headers[-1] if stream.headers else {}
        if "grpc-status" not in trailers:
            raise self._unended()
        text = trailers["grpc-status"]
        code = CODES[int(text)] if text.isdecimal() and int(text) < len(CODES) else "UNKNOWN"
        if code != "OK":
            raise RpcError(code, unquote(trailers.get("grpc-message", "")), trailers)
        if self._buffer:
            raise RpcError("INTERNAL", "the answer ends in the middle of a message")

    def _unended(self) -> RpcError:
        stream = self._stream
        if stream.refused:
            return RpcError("UNAVAILABLE", "the server went away before it took the call")
        if stream.reset is not None:
            code = _OF_RESET.get(stream.reset, "INTERNAL")
            return RpcError(code, f"the server broke the call off (error {stream.reset})")
        self._check_http()
        return RpcError("UNKNOWN", "the answer has no status")

    def _broken(self, error: Exception) -> RpcError:
        if isinstance(error, DeadlineExceeded):
            self.cancel()
            return RpcError("DEADLINE_EXCEEDED", "the server did not answer in time")
        return RpcError("UNAVAILABLE", str(error))
