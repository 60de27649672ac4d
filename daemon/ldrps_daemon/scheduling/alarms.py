"""Timers of one worker: alarms while it works, and what becomes of it when it is idle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from ldrps_daemon.config import ServeConfig


class Alarms:
    """Alarms by their reasons. Each goes off once, unless it is set again or called off."""

    def __init__(self, ring: Callable[[str], None]) -> None:
        """`ring` receives the reason of an alarm that goes off."""
        self._ring = ring
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, why: str) -> bool:
        return why in self._timers

    def set(self, why: str, seconds: float) -> None:
        """Have an alarm go off in so many seconds from now, whenever it would have before."""
        if old := self._timers.pop(why, None):
            old.cancel()
        loop = asyncio.get_running_loop()
        self._timers[why] = loop.call_later(seconds, self._ring, why)

    def call_off(self) -> None:
        """Call all alarms off."""
        for why in list(self._timers):
            self._timers.pop(why).cancel()


class Idleness:
    """Lack of work: a worker rests after a while, and leaves after another."""

    def __init__(
        self,
        config: ServeConfig,
        rest: Callable[[], None],
        sleep: Callable[[], Coroutine[None, None, None]],
    ) -> None:
        self._config, self._rest, self._sleep = config, rest, sleep
        self._timers: list[asyncio.TimerHandle] = []
        self._leaving: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Count the time from now on."""
        self.end()
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(self._config.rest_seconds, self._rest),
            loop.call_later(self._config.idle_seconds, self.leave),
        ]

    def leave(self) -> None:
        """Have the worker stopped soon, unless there is work before."""
        self._leaving = asyncio.get_running_loop().create_task(self._sleep())

    def end(self) -> None:
        """Call off what was to come, since there is work or no worker to be idle."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        if self._leaving and self._leaving is not asyncio.current_task():
            self._leaving.cancel()
