"""Pace of incoming photos: a sender of hardly anything must not keep a place from others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypeVar

from ldrps_daemon.config import ServeConfig
from ldrps_engine.errors import BusyError, PhotoError

# Seconds before which no client is called slow.
_SLOW_SECONDS = 5.0
_RETRY_SECONDS = 10.0
T = TypeVar("T")


class Pace:
    """Progress of one photo on its way in. Only the time in which we wait for its sender counts."""

    def __init__(self, config: ServeConfig) -> None:
        self._stall = config.stall_seconds
        self._least = config.min_bytes_per_second
        self._began = self._waited = 0.0
        self._received = 0
        self._timeout: asyncio.Timeout | None = None
        self.displaced = False
        """True once its place was given to another client."""

    @property
    def is_slow(self) -> bool:
        """True if it may lose its place to another client that wants one."""
        enough = min(_SLOW_SECONDS, self._stall)
        return self._waited_now() > enough and self._received < self._least * self._waited_now()

    def received(self, size: int) -> None:
        """Count bytes of the photo."""
        self._received += size

    def displace(self) -> None:
        """Give its place to another call, with an error for its sender."""
        self.displaced = True
        if self._timeout:
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def next(self, messages: AsyncIterator[T]) -> T | None:
        """Return the next message; None behind the last. PhotoError if it is too long in coming."""
        self._began = time.monotonic()
        left = min(self._stall, self._seconds_left())
        try:
            async with asyncio.timeout(left) as self._timeout:
                if self.displaced:
                    raise TimeoutError
                return await anext(messages)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise self._refusal(left) from None
        finally:
            self._timeout = None
            self._waited += time.monotonic() - self._began

    def _waited_now(self) -> float:
        return self._waited + (time.monotonic() - self._began if self._timeout else 0.0)

    def _seconds_left(self) -> float:
        if not self._least:
            return self._stall
        return max(0.0, self._stall + self._received / self._least - self._waited)

    def _refusal(self, left: float) -> PhotoError | BusyError:
        if self.displaced:
            return BusyError(
                "the photo came so slowly that its place was given to another one; "
                f"try again in {_RETRY_SECONDS:.0f} seconds",
                _RETRY_SECONDS,
            )
        if left < self._stall / 2:
            return PhotoError(
                f"the photo came with less than {self._least} bytes a second; submit it again "
                "over a faster connection"
            )
        return PhotoError(f"no pixels came for {left:.0f} seconds; submit again")
