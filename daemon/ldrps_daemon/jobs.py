"""One job: its state, its numbered events, and those who watch it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client._wire import settings_to_proto
from ldrps_daemon.spool import JobFolder, StoredLayers
from ldrps_engine.settings import Settings


class EventLog:
    """Events numbered 1, 2, 3 ...: what was said, then the result's layers, then the end.

    Layers are never held in memory: their events are made from the result file on demand.
    """

    def __init__(self) -> None:
        self._said: list[pb.Event] = []
        self._end: pb.Event | None = None
        self.layers: StoredLayers | None = None

    @property
    def last(self) -> int:
        """Number of the last event so far; 0 if there is none."""
        layers = self.layers.count() if self.layers else 0
        return len(self._said) + layers + (self._end is not None)

    @property
    def ended(self) -> bool:
        """Whether nothing will follow."""
        return self._end is not None

    def add(self, event: pb.Event) -> None:
        """Number an event and keep it."""
        event.number = self.last + 1
        self._said.append(event)

    def end(self, event: pb.Event, layers: StoredLayers | None = None) -> None:
        """Close the log with an end event, after the layers if there are any."""
        self.layers = layers
        event.number = self.last + 1
        self._end = event

    async def read(self, number: int) -> pb.Event | None:
        """The event with this number, or None if there is none yet."""
        if number > self.last:
            return None
        if number <= len(self._said):
            return self._said[number - 1]
        if self._end and number == self._end.number:
            return self._end
        assert self.layers
        event = await asyncio.to_thread(self.layers.event, number - len(self._said) - 1)
        event.number = number
        return event


class Job:
    """A job from its acceptance until it is swept."""

    def __init__(self, header: pb.SubmitHeader, settings: Settings, spool: Path) -> None:
        self.id = secrets.token_hex(8)
        self.header = header
        self.settings = settings
        self.folder = JobFolder(spool / self.id)
        self.state = pb.JOB_STATE_QUEUED
        self.submitted_at = time.time()
        self.started_at = 0.0
        self.ended_at = 0.0
        self.step = pb.Step()
        self.reason = ""
        self.message = ""
        self.deaths = 0
        """How many workers died at this job."""
        self.cancelling = asyncio.Event()
        self.cancel_message = ""
        self.watchers = 0
        self.preview_watchers = 0
        self.told_position = -1
        """What the last Queued event said."""
        self.grace: asyncio.TimerHandle | None = None
        """Runs while nobody watches."""
        self.log = EventLog()
        self._preview = pb.Event()
        self._preview_serial = 0
        self._changed = asyncio.Event()

    @property
    def is_batch(self) -> bool:
        """Whether interactive jobs go first."""
        return bool(self.header.priority == pb.PRIORITY_BATCH)

    @property
    def ended(self) -> bool:
        """Done, failed or cancelled."""
        return self.log.ended

    def tell(self, event: pb.Event) -> None:
        """Log an event, or show a preview to those who watch now."""
        if self.ended:
            return
        if event.HasField("preview"):
            event.number = self.log.last
            self._preview = event
            self._preview_serial += 1
        else:
            self.log.add(event)
            if event.HasField("step"):
                self.step = event.step
        self._notify()

    def start(self) -> None:
        """A worker has taken the job."""
        self.state = pb.JOB_STATE_RUNNING
        self.started_at = time.time()

    def requeue(self) -> None:
        """Back to waiting, after its worker died."""
        self.state = pb.JOB_STATE_QUEUED
        self.step = pb.Step()
        self.told_position = -1

    def end(self, event: pb.Event, layers: StoredLayers | None = None) -> None:
        """Close the job with Done, Failed or Cancelled; the first end counts."""
        if self.ended:
            return
        self.state = _STATES[event.WhichOneof("kind")]
        self.ended_at = time.time()
        self.reason = event.failed.reason
        self.message = event.failed.message or event.cancelled.message
        self.log.end(event, layers)
        # What a worker may still show must not hold memory for as long as the job is kept.
        self._preview = pb.Event()
        self.folder.drop_input()
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @contextmanager
    def watched(self, previews: bool) -> Iterator[None]:
        """Count a watcher for as long as it stays."""
        self.watchers += 1
        self.preview_watchers += previews
        try:
            yield
        finally:
            self.watchers -= 1
            self.preview_watchers -= previews

    async def follow(self, number: int, previews: bool) -> AsyncIterator[pb.Event]:
        """Events from a number on, until the end. A slow reader holds up nobody else."""
        number = max(number, 1)
        shown = self._preview_serial
        while True:
            # Taken before reading, so that no change can slip in between.
            changed = self._changed
            while event := await self.log.read(number):
                yield event
                number += 1
            if self.ended:
                return
            if previews and shown != self._preview_serial:
                shown = self._preview_serial
                yield self._preview
            await changed.wait()

    def to_proto(self, position: int) -> pb.Job:
        """As the contract shows it."""
        return pb.Job(
            job_id=self.id,
            state=self.state,
            position=position,
            settings=settings_to_proto(self.settings),
            width=self._raster().width,
            height=self._raster().height,
            submitted_at=self.submitted_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            step=self.step.index,
            step_count=self.step.count,
            reason=self.reason,
            message=self.message,
            last_event=self.log.last,
        )

    def _raster(self) -> pb.Raster:
        # A file's size is known once its result is there.
        if self.log.layers:
            return self.log.layers.headers[0].raster
        return self.header.raster


_STATES = {
    "done": pb.JOB_STATE_DONE,
    "failed": pb.JOB_STATE_FAILED,
    "cancelled": pb.JOB_STATE_CANCELLED,
}
