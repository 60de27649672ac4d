"""The step callback inside a worker: reports progress to the front, learns that it should stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.workers import pipe as wire
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.errors import CancelledError
from ldrps_engine.progress import Described, Diagnosed, Loading, Progress, Step
from ldrps_wire.conversion import amounts_to_proto

PREVIEW_SECONDS = 0.5
PREVIEW_SIDE = 576


class Looked(Exception):
    """End of a diagnose-only job: everything it asks for has been reported."""


class PausedError(Exception):
    """Pause of a job that is to wait for another; its checkpoint is saved where it can be."""


class Reporter:
    """Callback of the engine for every step. `open`, `cancel`, `pause` and `want_previews` come
    from the thread that reads commands; plain attributes suffice, since each is written by one
    thread."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._save: Callable[[int, bytes], bool] = _nowhere
        self._save_seconds = 0.0
        self._saved_at = 0.0
        self._paused = threading.Event()
        self.diagnose_only = False
        """True if Looked is to be raised behind the description."""
        self._job = ""
        self._cancelled = threading.Event()
        self._previews = False
        self._last_preview = 0.0
        self._started = 0.0
        self._last: Progress | None = None

    def open(self, job: str) -> None:
        """Begin another job."""
        self._job = job
        self._cancelled.clear()
        self._paused.clear()
        self._previews = False
        self._started = 0.0
        self._last = None

    def cancel(self, job: str) -> None:
        """Stop at the next step. A command for an earlier job is late and means nothing."""
        if job == self._job:
            self._cancelled.set()

    def pause(self, job: str) -> None:
        """Stop at the next step, to go on from there later."""
        if job == self._job:
            self._paused.set()

    def keep(self, save: Callable[[int, bytes], bool], seconds: float) -> None:
        """Set the function that saves checkpoints, and the seconds between them.

        Called when the job's work begins. `save` returns whether it kept the checkpoint.
        """
        self._save, self._save_seconds = save, seconds
        self._saved_at = time.monotonic()

    def want_previews(self, job: str, wanted: bool) -> None:
        """Note whether any client looks at previews."""
        if job == self._job:
            self._previews = wanted

    def check(self) -> None:
        """Raise CancelledError if the job should stop."""
        if self._cancelled.is_set():
            raise CancelledError("the job was cancelled")

    def __call__(self, progress: Progress, /) -> None:
        """Send one event, and a preview when one is due."""
        self.check()
        # The engine looks in more often than it gets on; and a report twice is no news.
        if progress != self._last:
            wire.send_event(self._pipe, self._event(progress))
        self._last = progress
        if isinstance(progress, Step):
            self._checkpoint(progress)
            self._preview(progress)
        if self._paused.is_set():
            raise PausedError
        if self.diagnose_only and isinstance(progress, Described):
            raise Looked

    def _event(self, progress: Progress) -> pb.Event:
        match progress:
            case Loading():
                loading = pb.Loading(model=progress.model, fraction=progress.fraction)
                return pb.Event(loading=loading)
            case Diagnosed():
                return pb.Event(diagnosis=_diagnosis(progress.diagnosis))
            case Described():
                said = {"text": progress.text, "source": progress.source}
                return pb.Event(description=pb.Description(**said, remarks=progress.remarks))
            case Step():
                return pb.Event(step=self._step(progress))

    def _step(self, step: Step) -> pb.Step:
        now = time.monotonic()
        # The first step only starts the clock: before it models were loaded.
        if not self._started or step.index <= 1:
            self._started, left = now, 0.0
        else:
            left = (now - self._started) / (step.index - 1) * (step.count - step.index)
        return pb.Step(stage=step.stage, index=step.index, count=step.count, seconds_left=left)

    def _checkpoint(self, step: Step) -> None:
        due = time.monotonic() - self._saved_at >= self._save_seconds
        if step.checkpoint and (due or self._paused.is_set()):
            saved = self._save(step.index, step.checkpoint())
            self._saved_at = time.monotonic()
            if saved:
                wire.send_saved(self._pipe, step.index)

    def _preview(self, step: Step) -> None:
        due = time.monotonic() - self._last_preview >= PREVIEW_SECONDS
        if not (self._previews and due and step.preview):
            return
        self._last_preview = time.monotonic()
        pixels = _small(step.preview())
        raster = pb.Raster(
            width=pixels.shape[1],
            height=pixels.shape[0],
            channels=pb.CHANNELS_RGB,
            sample_type=pb.SAMPLE_TYPE_U8,
        )
        preview = pb.Preview(raster=raster, pixels=pixels.tobytes())
        wire.send_event(self._pipe, pb.Event(preview=preview))


def _diagnosis(found: Diagnosis) -> pb.Diagnosis:
    return pb.Diagnosis(
        noise_sigma=found.noise_sigma,
        haze=found.haze,
        darkness=found.darkness,
        cast=found.cast,
        grey=found.grey,
        words=found.words(),
        graphic=found.graphic,
        toned=found.toned,
        probabilities=[
            pb.Probability(finding=name, probability=share)
            for name, share in found.probabilities.items()
        ],
        inner=_rectangle(found.inner) if found.inner else None,
        hot_pixels=found.hot_pixels,
        blocks=found.blocks,
        damage=found.damage,
        damage_kinds=found.damage_kinds,
        amounts=amounts_to_proto(found.amounts),
    )


def _rectangle(of: Rectangle) -> pb.Rectangle:
    return pb.Rectangle(left=of.left, top=of.top, width=of.width, height=of.height)


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # A message on the wire must stay well below gRPC's usual limit of 4 MiB.
    stride = -(-max(pixels.shape[:2]) // PREVIEW_SIDE)
    return np.ascontiguousarray(pixels[::stride, ::stride])


def _nowhere(_: int, __: bytes) -> bool:
    """Discard checkpoints before a job's work begins."""
    return False
