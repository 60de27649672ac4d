"""Access to a busy daemon: a crowd at its door is no reason to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from ldrps_client._channel import is_cut_off
from ldrps_client._listening import is_listening

CALL_SECONDS = 10.0
"""Seconds for a short call, all its tries together."""
_PAUSE_SECONDS = 0.05
_LEAST_SECONDS = 0.1

Answer = TypeVar("Answer")


def persistently(
    call: Callable[[float], Answer], address: str, seconds: float | None = None
) -> Answer:
    """Repeat a call that finds no connection while a process listens at the address.

    `call` is given the seconds that are left of `seconds`, or of those of a short call, and must do
    no harm twice. Where nothing listens, its first failure is the last.
    """
    deadline = time.monotonic() + (CALL_SECONDS if seconds is None else seconds)
    while True:
        left = deadline - time.monotonic()
        try:
            return call(max(left, _LEAST_SECONDS))
        except grpc.RpcError as error:
            if not is_cut_off(error) or left <= _PAUSE_SECONDS or not is_listening(address):
                raise
        time.sleep(_PAUSE_SECONDS)
