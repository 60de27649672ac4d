"""Messages that cannot be read, or are over a limit, are refused whatever they were for.

Left to gRPC the first would end as UNKNOWN, with the name of a Python exception.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from ldrps_client._status import REASON_KEY, status_of
from ldrps_daemon import limits
from ldrps_engine.errors import LdrpsError, SettingsError

log = logging.getLogger("ldrps.server")


@dataclass(frozen=True)
class _Refused:
    """Stands for a message that is not taken."""

    error: LdrpsError

    def raised(self) -> LdrpsError:
        """Make the error anew: one that is raised again keeps all the frames it went through."""
        return type(self.error)(str(self.error))


_UNREADABLE = _Refused(
    SettingsError("a message cannot be read; it must be the one that the contract names")
)


class MessageInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls whose messages are not what their method takes; keeps answers to the limits."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Put a reader that does not raise before the method."""
        handler = await continuation(details)
        if handler is None or handler.request_deserializer is None:
            return handler
        reader = _reader(handler.request_deserializer)
        for kind, wrap in _KINDS.items():
            if method := getattr(handler, kind):
                make = getattr(grpc, f"{kind}_rpc_method_handler")
                return make(wrap(method), reader, _writer(handler.response_serializer))
        return handler


def _reader(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def reader(data: bytes) -> Any:
        try:
            message = read(data)
            if limits.is_ours(message):
                limits.check(message)
            return message
        except DecodeError:
            return _UNREADABLE
        except LdrpsError as error:
            return _Refused(error.with_traceback(None))

    return reader


def _writer(write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def writer(message: Any) -> bytes:
        if limits.is_ours(message) and (cut := limits.clip(message)):
            log.warning("an answer was over its limits in %s", ", ".join(cut))
        return write(message)

    return writer


def _with_one(method: Any) -> Any:
    async def call(request: Any, context: Any) -> Any:
        if isinstance(request, _Refused):
            error = request.error
            await context.abort(status_of(error), str(error), ((REASON_KEY, error.reason),))
        return await method(request, context)

    return call


def _with_many(method: Any) -> Any:
    """The method meets the error where it would have met the message."""

    async def readable(requests: Any) -> AsyncGenerator[Any, None]:
        async for request in requests:
            if isinstance(request, _Refused):
                raise request.raised()
            yield request

    async def call(requests: Any, context: Any) -> Any:
        # Closed here, or else a call that is refused half-way leaves that to the collector.
        async with aclosing(readable(requests)) as messages:
            return await method(messages, context)

    return call


_KINDS: dict[str, Callable[[Any], Any]] = {
    "unary_unary": _with_one,
    "unary_stream": _with_one,
    "stream_unary": _with_many,
}
