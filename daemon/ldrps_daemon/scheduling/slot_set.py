"""Slots for the workers that a pool can have, which may come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.fair_queue import FairQueue
from ldrps_daemon.scheduling.worker_slot import WorkerSlot
from ldrps_daemon.scheduling.worker_specs import WorkerSpec


class SlotSet:
    """All slots of one daemon that restore. Lives in one event loop."""

    def __init__(
        self, config: ServeConfig, attend: Callable[[WorkerSlot], Coroutine[Any, Any, None]]
    ) -> None:
        """Have `attend` work with each slot until that is `retired`."""
        self.slots: list[WorkerSlot] = []
        self._config = config
        self._attend = attend
        self._attending: dict[WorkerSlot, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def update(self, specs: Sequence[WorkerSpec], leaving: Collection[str] = ()) -> None:
        """Keep one slot for each of these workers, and none for any other.

        At those with the names `leaving`, work goes on to its next checkpoint first.
        """
        for slot in [slot for slot in self.slots if slot.spec not in specs]:
            self.slots.remove(slot)
            slot.retired = True
            self._keep(self._leaving, self._leave(slot, at_once=slot.name not in leaving))
        taken = [slot.spec for slot in self.slots]
        for spec in specs:
            if spec not in taken:
                slot = WorkerSlot(spec, self._config)
                self.slots.append(slot)
                work = self._attend(slot)
                self._attending[slot] = asyncio.get_running_loop().create_task(work)

    async def stop(self) -> None:
        """Stop attending to slots. Running work goes on until its slot is stopped."""
        tasks = [*self._attending.values(), *self._leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(self, slot: WorkerSlot, *, at_once: bool) -> None:
        # The task that works here hears of it, and lets go of the turn.
        if at_once:
            await slot.stop()
        else:
            slot.pause(slot.job)
        try:
            async with slot.turn:
                self._attending.pop(slot).cancel()
        finally:
            await slot.stop()

    def _keep(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def spare_starts(slots: Iterable[WorkerSlot], queue: FairQueue) -> None:
    """End a start for which there is no job any more, and those that seem to hang."""
    for slot in slots:
        slot.spare_suspect()
    if queue.spared:
        starting = (slot for slot in slots if slot.state == pb.WORKER_STATE_STARTING)
        if spared := next(starting, None):
            spared.spare()
