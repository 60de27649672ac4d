"""Checks before every call: unreadable messages and those over a limit are refused, whatever they
were for, and connections are marked as in use.

Left to gRPC, the former would end as UNKNOWN, with the name of a Python exception.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from ldrps_daemon.transport import limits
from ldrps_daemon.transport.peer_proxy import PeerProxy
from ldrps_engine.errors import BusyError, LdrpsError, SettingsError
from ldrps_wire.status import REASON_KEY, RETRY_AFTER_KEY, status_of

log = logging.getLogger("ldrps.server")
HEALTH = "/grpc.health.v1.Health/"
_SHORT = "unary_unary"
_ALL_KINDS = (_SHORT, "unary_stream", "stream_unary", "stream_stream")


@dataclass(frozen=True)
class _Refused:
    """Placeholder for a message that is not taken."""

    error: LdrpsError

    def raised(self) -> LdrpsError:
        """Make a new error: one that is raised again keeps all the frames it went through."""
        return type(self.error)(str(self.error))


_UNREADABLE = _Refused(
    SettingsError("a message cannot be read; it must be the one that the contract names")
)


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Tells the proxy which connections have calls under way.

    Runs after token authentication, so every call that it sees is allowed.
    """

    def __init__(self, proxy: PeerProxy) -> None:
        self._proxy = proxy

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Put the mark around the method."""
        handler = await continuation(details)
        for kind in _ALL_KINDS:
            if handler and (method := getattr(handler, kind)):
                make = getattr(grpc, f"{kind}_rpc_method_handler")
                wrap = self._streaming if inspect.isasyncgenfunction(method) else self._plain
                # Health is for everybody, and so proves nothing.
                marked = wrap(method, kind != _SHORT, not details.method.startswith(HEALTH))
                return make(marked, handler.request_deserializer, handler.response_serializer)
        return handler

    def _plain(self, method: Any, takes_time: bool, proves: bool) -> Any:
        async def call(request: Any, context: Any) -> Any:
            with self._proxy.calling(context.peer(), proves=proves):
                await self._check(context, takes_time)
                return await method(request, context)

        return call

    def _streaming(self, method: Any, takes_time: bool, proves: bool) -> Any:
        async def call(request: Any, context: Any) -> AsyncGenerator[Any, None]:
            with self._proxy.calling(context.peer(), proves=proves):
                await self._check(context, takes_time)
                async with aclosing(method(request, context)) as answers:
                    async for answer in answers:
                        yield answer

        return call

    async def _check(self, context: Any, takes_time: bool) -> None:
        if takes_time and not self._proxy.lets_stay(context.peer()):
            error = BusyError("there are too many connections; try again in 5 seconds", 5.0)
            trailing = ((REASON_KEY, error.reason), (RETRY_AFTER_KEY, "5"))
            await context.abort(status_of(error), str(error), trailing)


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
    """Report the error where the method would have met the message."""

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
