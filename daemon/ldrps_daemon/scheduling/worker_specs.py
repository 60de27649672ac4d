"""Specifications of workers, and the pool that has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ldrps_daemon.workers.process import launch
from ldrps_daemon.workers.transport import Launch

OnProgress = Callable[[str, int, int], None]
"""Function called with a file's name, the bytes done, and the bytes in all."""


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """Specification of a worker: its place, and how it is started there."""

    name: str
    """Name, unique in its pool; shown as the device."""
    device: str
    """Device as the worker itself calls it: `cpu`, `cuda:0` ..."""
    launch: Launch
    """Function that starts a worker here."""
    memory_bytes: int = 0
    """Memory that the worker may use, in bytes; 0: no limit."""


@dataclass(frozen=True)
class Node:
    """Another machine of a pool."""

    name: str
    """Its address, and what tells it from others at that address."""
    models: tuple[str, ...]
    """Models known to be on its disk; the bundled one is everywhere."""
    trouble: str
    """Reason why it lacks a model, or waits for one; empty: nothing is known."""


@dataclass(frozen=True)
class Load:
    """Jobs that want a worker."""

    running: int
    urgent: int
    """Waiting, and to be done soon,"""
    later: int
    """and those that can wait."""


class Pool(Protocol):
    """All workers that there can be. They may come and go."""

    async def open(self, on_specs: Callable[[Sequence[WorkerSpec]], None]) -> None:
        """Report all workers, and again whenever they change; the same one is equal.

        Called in the front's event loop, as `on_specs` is.
        """

    async def close(self) -> None:
        """Stop reporting."""

    async def everywhere(self, action: str, model: str, on_progress: OnProgress) -> Sequence[str]:
        """Do on all other machines what was done with a model here: `pull`, `verify` or `remove`.

        Returns a sentence for each machine on which that failed; it is done on the others.
        """

    @property
    def nodes(self) -> Sequence[Node]:
        """Other machines that there are."""

    def want(self, load: Load) -> None:
        """Take note of what there is to do; called whenever that changes."""

    @property
    def leaving(self) -> Collection[str]:
        """Names of workers that are reported no more, but whose work may come to a stop."""

    @property
    def trouble(self) -> str:
        """Reason why there are fewer workers than there should be; empty: nothing is known."""


class LocalPool:
    """One worker process on this machine for each of some devices."""

    trouble = ""
    leaving: Collection[str] = ()
    nodes: Sequence[Node] = ()

    def __init__(self, devices: Sequence[str], memory_bytes: int) -> None:
        """Take the devices and `memory_bytes`, the limit for one worker on the CPU."""
        self.specs = [
            # CUDA reserves far more addresses than it uses.
            WorkerSpec(
                name=name, device=name, launch=launch, memory_bytes=_limit(name, memory_bytes)
            )
            for name in devices
        ]

    async def open(self, on_specs: Callable[[Sequence[WorkerSpec]], None]) -> None:
        """Report the workers, which stay."""
        on_specs(self.specs)

    async def close(self) -> None:
        """Do nothing."""

    async def everywhere(self, action: str, model: str, on_progress: OnProgress) -> Sequence[str]:
        """Do nothing: there are no other machines."""
        return ()

    def want(self, load: Load) -> None:
        """Do nothing: a machine has the devices that it has."""


def _limit(device: str, memory_bytes: int) -> int:
    return memory_bytes if device == "cpu" else 0
