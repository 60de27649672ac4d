"""Reports of the engine while it works. The same call is where it learns that it should stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.diagnosis import Diagnosis


@dataclass(frozen=True)
class Loading:
    """A model is being read; `fraction` runs from 0 to 1."""

    model: str
    fraction: float


@dataclass(frozen=True)
class Diagnosed:
    """The photo's diagnosis."""

    diagnosis: Diagnosis


@dataclass(frozen=True)
class Described:
    """Contents of the photo in words for people, and who wrote them."""

    text: str
    """At most 20 words unless the user wrote them; empty where the tagger is not sure."""
    source: str
    """`user`, `tagger` or a describer's name."""
    remarks: tuple[str, ...] = ()
    """For the user: where describer and measurement disagree, why the tagger stood in, and what was
    asked for and is not done to this photo."""


@dataclass(frozen=True)
class Step:
    """Step `index` of `count` is done (over all stages of the job); 0: the first is under way.

    Sent again while the next one takes its time, so that the caller can stop the engine.
    """

    stage: str
    """`fill` (of damage), `denoise`, `sample`, `refine` (a recurrence) or `transfer`."""
    index: int
    count: int
    preview: Callable[[], NDArray[np.uint8]] | None = None
    """Makes a small (h, w, 3) sRGB picture of the current estimate, when asked."""
    checkpoint: Callable[[], bytes] | None = None
    """Gives the state after this step as safetensors, when asked: `restore` goes on from it."""


Progress = Loading | Diagnosed | Described | Step


class OnStep(Protocol):
    """Called by the engine at least once a step. It stops the engine by raising."""

    def __call__(self, progress: Progress, /) -> None:
        """Take note of one piece of progress, or raise to stop."""
        ...


def ignore(_: Progress, /) -> None:
    """Ignore progress, for callers who only want the result."""


# Filling is reported as one part of so many of the work.
_PARTS_OF_FILLING = 5


class PictureSteps:
    """The step callback for work on the picture inside a frame, of which filling is the first part.

    Filling of damage is a fifth of the work: how many steps come after it is known only once the
    photo is measured, and that takes the filled one.
    """

    def __init__(self, on_step: OnStep, of_whole: Callable[[Progress], Progress]) -> None:
        """`of_whole` makes progress with the picture that with the photo around it."""
        self._on_step, self._of_whole = on_step, of_whole
        self._filled = 0

    def filled(self, done: int, count: int) -> None:
        """Take note of how many parts of how many are filled."""
        self._filled = count
        self._on_step(Step("fill", done, _PARTS_OF_FILLING * count))

    def __call__(self, progress: Progress, /) -> None:
        """Pass on the reports of later stages, after those of the filling."""
        if isinstance(progress, Step) and self._filled:
            before = -(-progress.count // (_PARTS_OF_FILLING - 1))
            progress = replace(
                progress, index=progress.index + before, count=progress.count + before
            )
        self._on_step(self._of_whole(progress))
