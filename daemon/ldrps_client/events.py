"""Events of a job, as plain objects; `Client.watch` yields them in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.progress import Described, Loading
from ldrps_engine.result import Layer

__all__ = [
    "Described",
    "Diagnosed",
    "Done",
    "EncodedLayer",
    "Event",
    "Layer",
    "Loading",
    "Preview",
    "Queued",
    "Restarted",
    "Step",
]


@dataclass(frozen=True)
class Queued:
    """Wait in the queue; `position` 0 is next to run."""

    position: int
    estimated_seconds: float
    """Seconds until it starts; 0 if not known."""
    why: str = ""
    """Reason that keeps all jobs waiting, such as a worker that cannot start; empty: none."""


@dataclass(frozen=True)
class Restarted:
    """Restart, by this client, of a daemon that died under the job."""

    words: str = "the daemon had died and was started again; the job goes on"


@dataclass(frozen=True)
class Diagnosed:
    """Findings about the photo, as figures and in words."""

    diagnosis: Diagnosis
    words: str


@dataclass(frozen=True)
class Step:
    """Completion of step `index` of `count`."""

    stage: str
    """Stage: `fill` (of damage), `denoise`, `sample`, `refine` or `transfer`."""
    index: int
    count: int
    seconds_left: float
    """Seconds left; 0 if not known."""


@dataclass(frozen=True)
class Preview:
    """A small (h, w, 3) sRGB picture of the current estimate."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Done:
    """End of a job that went well."""

    seconds: float
    """Working time in seconds, without the queue."""
    model: str
    seed: int
    model_hash: str = ""
    """sha256 over the model's weights; empty if not known."""
    generated: tuple[float, float] | None = None
    """Mean and maximum of the share that came from the model and not from the photo, 0 to 1 per
    pixel; None if not known."""


@dataclass(frozen=True)
class EncodedLayer:
    """A layer of a job whose result was asked for as files."""

    name: str
    format: str
    """Format: `PNG`, `JPEG`, `TIFF` or `WEBP`."""
    data: bytes
    """The whole file."""


Event = (
    Queued
    | Restarted
    | Loading
    | Diagnosed
    | Described
    | Step
    | Preview
    | Layer
    | EncodedLayer
    | Done
)
