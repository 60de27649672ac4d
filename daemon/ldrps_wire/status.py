"""Words of `ldrps-reason` and their gRPC status codes: one table for both ends of the wire."""

from __future__ import annotations

import grpc

from ldrps_engine.errors import BY_REASON, InternalError, LdrpsError

REASON_KEY = "ldrps-reason"
"""Trailing metadata: the reason word of a refused call."""
RETRY_AFTER_KEY = "ldrps-retry-after"
"""Trailing metadata: seconds after which a full queue is worth another try."""
MAX_SENTENCE = 1000
AUTHORIZATION_KEY = "authorization"
"""Request metadata on TCP addresses: `Bearer <token>`."""

STATUS_OF_REASON: dict[str, grpc.StatusCode] = {
    "settings": grpc.StatusCode.INVALID_ARGUMENT,
    "photo": grpc.StatusCode.INVALID_ARGUMENT,
    "limit": grpc.StatusCode.OUT_OF_RANGE,
    "output": grpc.StatusCode.INTERNAL,
    "model": grpc.StatusCode.FAILED_PRECONDITION,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "busy": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "not-found": grpc.StatusCode.NOT_FOUND,
    "cancelled": grpc.StatusCode.CANCELLED,
    "internal": grpc.StatusCode.INTERNAL,
    "access": grpc.StatusCode.UNAUTHENTICATED,
}


def status_of(error: LdrpsError) -> grpc.StatusCode:
    """The status code that an error travels under."""
    return STATUS_OF_REASON.get(error.reason, grpc.StatusCode.INTERNAL)


def sentence(error: LdrpsError) -> str:
    """An error's message as it may go over the wire and into logs: one line, not too long.

    It may quote what a client sent, which may hold anything.
    """
    text = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return " ".join(text.split())[:MAX_SENTENCE]


def error_of(reason: str, message: str) -> LdrpsError:
    """The error that a reason word and its sentence stand for; InternalError if unknown."""
    return BY_REASON.get(reason, InternalError)(message)
