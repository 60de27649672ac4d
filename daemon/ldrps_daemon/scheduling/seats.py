"""Places where a worker can work, and the pool that knows which there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ldrps_daemon.workers.process import launch
from ldrps_daemon.workers.transport import Launch


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Room for one worker."""

    name: str
    """Unique in its pool; shown as the device."""
    device: str
    """As the worker itself calls its device: `cpu`, `cuda:0` ..."""
    launch: Launch
    """Starts a worker here."""
    memory_bytes: int = 0
    """What the worker may use; 0: no limit."""


@dataclass(frozen=True)
class Load:
    """Jobs that want a worker."""

    running: int
    urgent: int
    """Waiting, and to be done soon,"""
    later: int
    """and those that can wait."""


class Pool(Protocol):
    """All seats there are. They may come and go."""

    async def open(self, on_seats: Callable[[Sequence[Seat]], None]) -> None:
        """Tell which seats there are, and again whenever that changes; the same seat is equal.

        Called in the front's event loop, as `on_seats` is.
        """

    async def close(self) -> None:
        """Tell no more."""

    def want(self, load: Load) -> None:
        """Take note of what there is to do; called whenever that changes."""

    @property
    def leaving(self) -> Collection[str]:
        """Names of seats that are told of no more, but at which work may come to a stop."""

    @property
    def trouble(self) -> str:
        """Why there are no seats, or fewer than there should be; empty: nothing is known."""


class LocalPool:
    """One worker process on this machine for each of some devices."""

    trouble = ""
    leaving: Collection[str] = ()

    def __init__(self, devices: Sequence[str], memory_bytes: int) -> None:
        """`memory_bytes`: what one worker on the CPU may use."""
        self.seats = [
            # CUDA reserves far more addresses than it uses.
            Seat(name=name, device=name, launch=launch, memory_bytes=_limit(name, memory_bytes))
            for name in devices
        ]

    async def open(self, on_seats: Callable[[Sequence[Seat]], None]) -> None:
        """Tell of the seats, which stay."""
        on_seats(self.seats)

    async def close(self) -> None:
        """Do nothing."""

    def want(self, load: Load) -> None:
        """Do nothing: a machine has the devices that it has."""


def _limit(device: str, memory_bytes: int) -> int:
    return memory_bytes if device == "cpu" else 0
