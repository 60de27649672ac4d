"""One job: its state, and its persistent record."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import clock
from ldrps_daemon.storage.event_feed import EventFeed
from ldrps_daemon.storage.eventlog import EventLog, pack
from ldrps_daemon.storage.rows import Row
from ldrps_daemon.storage.sizes import (
    expected_bytes,
    header_bytes,
    payload_bytes,
    peak_bytes,
    slim,
)
from ldrps_daemon.storage.spool import JobFolder, StoredLayers
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import settings_to_proto

_orders = itertools.count()


class Job:
    """A job from its acceptance until it is swept."""

    order: int
    """Number that grows from one accepted job to the next."""
    state = pb.JOB_STATE_QUEUED
    started_at = 0.0
    ended_at = 0.0
    ended_tick = 0.0
    """Time of the end on the clock that does not jump, see `clock.py`."""
    reason = ""
    message = ""
    crashes = 0
    """Number of workers in a row that died at this job without progress."""
    crash_step = 0
    """Last step with a checkpoint when a worker last died."""
    losses = 0
    """Number of machines in a row that were lost at this job without progress."""
    loss_step = 0
    """Last step with a checkpoint when a machine was last lost."""
    memory_saving = 0
    """Level of saving memory, see `pipe.Order`."""
    preemptions = 0
    interruptions = 0
    """Number of daemons in a row that died while a worker had this job."""
    saved_step = 0
    """Last step with a checkpoint."""
    cancel_message = ""
    ending = False
    """True while its end is being written down."""
    announced_position = -1
    announced_why = ""
    """Reason in the last Queued event."""
    decoded_bytes = 0
    """Size of a file's photo in bytes, once a worker has decoded it."""
    checkpoint_bytes = 0
    """Size of its checkpoint."""
    grace: asyncio.TimerHandle | None = None
    """Timer that runs while no client watches."""
    deadline: asyncio.TimerHandle | None = None

    def __init__(
        self, header: pb.SubmitHeader, settings: Settings, spool: Path, client: str = ""
    ) -> None:
        self.id = secrets.token_hex(8)
        self.header = header
        self.settings = settings
        self.client = client
        self.folder = JobFolder(spool / self.id)
        self.feed = EventFeed(self.id, self.folder.events)
        self.order = next(_orders)
        self.submitted_at = time.time()
        self.submitted_tick = clock.now()
        self.step = pb.Step()
        self.cancelling = asyncio.Event()
        self.on_resize: Callable[[Job], None] = _to_nobody
        """Function called when its share of the spool has changed."""
        self._waited = 0.0
        self._queued_at = self.submitted_tick

    @property
    def log(self) -> EventLog:
        """Its events."""
        return self.feed.log

    def row(self, ending: pb.Event | None = None, headers: tuple[pb.LayerHeader, ...] = ()) -> Row:
        """Return the job's row for the journal, ended or not."""
        layers = pack(pb.Event(layer_header=header) for header in headers)
        return Row(
            id=self.id,
            key=self.header.idempotency_key,
            client=self.client,
            header=(slim(self.header) if ending else self.header).SerializeToString(),
            submitted_at=self.submitted_at,
            started_at=self.started_at,
            running=self.interruptions + 1 if self.state == pb.JOB_STATE_RUNNING else 0,
            waited=self.waited(),
            crashes=self.crashes,
            crash_step=self.crash_step,
            memory_saving=self.memory_saving,
            preemptions=self.preemptions,
            cancelling=self.cancel_message,
            ended_at=time.time() if ending else 0.0,
            ending=ending.SerializeToString() if ending else None,
            layers=layers,
            boot=clock.boot(),
            submitted_tick=self.submitted_tick,
            ended_tick=clock.now() if ending else 0.0,
        )

    @property
    def is_batch(self) -> bool:
        """True if interactive jobs go first."""
        return bool(self.header.priority == pb.PRIORITY_BATCH)

    @property
    def models(self) -> frozenset[str]:
        """Names of the models that it may need, those among them that are none's included."""
        return frozenset((self.settings.model, self.settings.describer))

    @property
    def ended(self) -> bool:
        """True once it is done, failed or cancelled."""
        return self.log.ended

    @property
    def deadline_at(self) -> float:
        """Deadline in seconds since 1970; 0 if there is none."""
        seconds = self.header.deadline_seconds
        return self.submitted_at + seconds if seconds else 0.0

    def deadline_left(self) -> float:
        """Return the seconds until it is cancelled; negative after the deadline."""
        return self.submitted_tick + float(self.header.deadline_seconds) - clock.now()

    @property
    def payload_bytes(self) -> int:
        """Bytes that the client handed in."""
        return payload_bytes(self.header)

    @property
    def result_bytes(self) -> int:
        """Bytes of its layers, or the bytes they are likely to take."""
        if self.ended:
            stored = self.log.layers
            return stored.bytes + header_bytes(*stored.headers) if stored else 0
        return expected_bytes(self.header, self.decoded_bytes)

    @property
    def spool_bytes(self) -> int:
        """Bytes counted for it: its end frees those of its photo and of what lay next to it."""
        if self.ended:
            return self.result_bytes
        # The next checkpoint is written next to the last one.
        return peak_bytes(self.header, self.decoded_bytes) + 2 * self.checkpoint_bytes

    def decoded(self, size: int) -> None:
        """Note the decoded size of its file's photo, in bytes."""
        self.decoded_bytes = size
        self.on_resize(self)

    def weigh_checkpoint(self) -> None:
        """Note the size of its checkpoint, which takes room until the job ends."""
        size = self.folder.checkpoint_bytes()
        if size != self.checkpoint_bytes:
            self.checkpoint_bytes = size
            self.on_resize(self)

    @property
    def pixels(self) -> int:
        """Pixels of the photo; estimated from the size of a file that is not decoded yet."""
        raster = self._raster()
        return int(raster.width * raster.height or self.header.file.size * 4)

    def waited(self) -> float:
        """Return the seconds in the queue, all times together."""
        queued = self.state == pb.JOB_STATE_QUEUED
        return self._waited + (clock.now() - self._queued_at if queued else 0.0)

    def publish(self, event: pb.Event) -> None:
        """Log an event, or show a preview to those who watch now."""
        if self.feed.publish(event) and event.WhichOneof("kind") == "step":
            self.step = event.step

    def start(self) -> None:
        """Note that a worker has taken the job."""
        self._waited = self.waited()
        self.state = pb.JOB_STATE_RUNNING
        self.started_at = self.started_at or time.time()

    def resume(self, row: Row) -> None:
        """Restore the state that an earlier daemon wrote down."""
        self.id, self.folder = row.id, JobFolder(self.folder.path.with_name(row.id))
        self.submitted_at, self.started_at = row.submitted_at, row.started_at
        self.crashes, self.crash_step = row.crashes, row.crash_step
        self.memory_saving, self.preemptions = row.memory_saving, row.preemptions
        self.interruptions = row.running
        self.cancel_message = row.cancelling
        self._waited = row.waited
        if clock.is_of_this_boot(row.boot):
            self.submitted_tick, self.ended_tick = row.submitted_tick, row.ended_tick
        else:
            # Only the wall knows how long ago that was. A deadline has to believe it; nothing is
            # thrown away for it, so what has ended counts as having ended just now.
            self.submitted_tick = clock.now() - max(0.0, time.time() - row.submitted_at)
            self.ended_tick = clock.now() if row.ending else 0.0
        self.feed = EventFeed(self.id, self.folder.events)
        for event in self.feed.recover():
            if event.WhichOneof("kind") == "step":
                self.step = event.step

    def requeue(self) -> None:
        """Return to waiting, after an interruption."""
        self.state = pb.JOB_STATE_QUEUED
        self._queued_at = clock.now()
        self.announced_position = -1

    def let_go(self) -> None:
        """Note that no worker has it any more, since the daemon ends."""
        if self.state == pb.JOB_STATE_RUNNING:
            self.requeue()

    def end(
        self, event: pb.Event, layers: StoredLayers | None = None, ended_at: float = 0.0
    ) -> None:
        """Close the job with Done, Failed or Cancelled; the first end counts."""
        if self.ended:
            return
        self._waited = self.waited()
        self.state = _STATES[event.WhichOneof("kind")]
        self.ended_at = ended_at or time.time()
        self.ended_tick = self.ended_tick or clock.now()
        self.reason = event.failed.reason
        self.message = event.failed.message or event.cancelled.message
        for timer in (self.grace, self.deadline):
            if timer:
                timer.cancel()
        self.header = slim(self.header)
        self.folder.drop_input()
        self.feed.end(event, layers)
        self.on_resize(self)

    def to_proto(self, position: int, estimated_seconds: float = 0.0) -> pb.Job:
        """Convert to the contract's message."""
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
            priority=pb.PRIORITY_BATCH if self.is_batch else pb.PRIORITY_INTERACTIVE,
            detached=self.header.detached,
            client=self.client,
            estimated_seconds=estimated_seconds,
            crashes=self.crashes,
            preemptions=self.preemptions,
            deadline_at=self.deadline_at,
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


def _to_nobody(_: Job) -> None:
    """Ignore changes of size before an index knows the job."""
