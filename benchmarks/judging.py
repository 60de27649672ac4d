"""The engine's judgement of many photos: in this process, or in several side by side."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.findings import named, probabilities
from benchmarks.labelled import read
from benchmarks.sets import Samples
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.errors import LdrpsError
from ldrps_engine.progress import Diagnosed, Progress
from ldrps_engine.settings import Settings

DIAGNOSE = "diagnose"
"""In the place of a recipe: stop as soon as `auto` has said what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The engine's answer for one photo."""

    words: str
    named: tuple[str, ...]
    probabilities: dict[str, float]
    has_probabilities: bool
    """False: made from what is named, 0 and 1."""
    needs_work: bool
    restored: Samples | None
    """(H, W, 3) uint8; None where it was to diagnose only."""


Judge = Callable[[Samples, str], Judged]
"""From pixels and a recipe, or DIAGNOSE, to the answer."""

MakeJudge = Callable[[int | None], Judge]
"""From a number of threads, or None for the library's own, to a judge; a function of a module, so
that other processes can call it too."""


@dataclass(frozen=True)
class Task:
    """One photo and what to do with it."""

    name: str
    source: Path | Samples
    recipe: str

    def pixels(self) -> Samples:
        """The photo, read if it is a file."""
        return read(self.source) if isinstance(self.source, Path) else self.source


class _Known(Exception):
    """Stops the engine once the diagnosis is there."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__()
        self.diagnosis = diagnosis


def engine_judge(threads: int | None = None) -> Judge:
    """Set up the engine on the CPU with the bundled model, which the first photo loads."""
    import torch

    from ldrps_engine.photo import Photo
    from ldrps_engine.priors.model_cache import ModelCache
    from ldrps_engine.restore import restore

    if threads:
        torch.set_num_threads(threads)
    models = ModelCache("cpu")

    def stop(progress: Progress, /) -> None:
        if isinstance(progress, Diagnosed):
            raise _Known(progress.diagnosis)

    def judge(photo: Samples, recipe: str) -> Judged:
        if recipe == DIAGNOSE:
            # The main path itself: a diagnosis made elsewhere could be another one.
            try:
                restore(Photo.from_samples(photo), Settings(), models, stop)
            except _Known as known:
                return judged(known.diagnosis, None)
            raise BenchmarkError("the engine restored a photo without a diagnosis")
        found = restore(Photo.from_samples(photo), Settings(recipe=recipe), models)
        pixels = np.asarray(found.photo.to_samples(), np.uint8)
        return judged(found.diagnosis, pixels[..., :3])

    return judge


def judged(diagnosis: Diagnosis, restored: Samples | None) -> Judged:
    """Put a diagnosis in plain values, which can be sent between processes."""
    likely, are_given = probabilities(diagnosis)
    return Judged(
        words=diagnosis.words(),
        named=named(diagnosis),
        probabilities=likely,
        has_probabilities=are_given,
        needs_work=diagnosis.needs_work,
        restored=restored,
    )


def judge_all(
    tasks: Sequence[Task],
    jobs: int = 1,
    make: MakeJudge = engine_judge,
    threads: int | None = None,
    on_done: Callable[[Task, Judged], None] = lambda *_: None,
) -> dict[tuple[str, str], Judged]:
    """Answers by name and recipe; `on_done` is called with each in turn."""
    found: dict[tuple[str, str], Judged] = {}
    for task, answer in zip(tasks, _answers(tasks, jobs, make, threads), strict=True):
        found[task.name, task.recipe] = answer
        on_done(task, answer)
    return found


def _answers(
    tasks: Sequence[Task], jobs: int, make: MakeJudge, threads: int | None
) -> Iterator[Judged]:
    if jobs == 1 or len(tasks) < 2:
        judge = make(threads)
        yield from (_answer(judge, task) for task in tasks)
        return
    spawning: Any = multiprocessing.get_context("spawn")  # a forked torch hangs
    with ProcessPoolExecutor(jobs, spawning, _start, (make, threads or 1)) as pool:
        yield from pool.map(_work, tasks)


_judges: list[Judge] = []


def _start(make: MakeJudge, threads: int) -> None:
    """Begin a worker process."""
    _judges.append(make(threads))


def _work(task: Task) -> Judged:
    return _answer(_judges[0], task)


def _answer(judge: Judge, task: Task) -> Judged:
    try:
        return judge(task.pixels(), task.recipe)
    except LdrpsError as error:
        raise BenchmarkError(f"{task.name} cannot be restored: {error}") from error
