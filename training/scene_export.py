"""From a state of the scene expert to what ships: averaged weights in halves, and their record."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from training.config import TrainingError
from training.halves import LICENCE, write_halves, write_record
from training.scene import STATE, WEIGHTS, SceneRun, SceneTraining


def export_scene(work: Path, out: Path) -> None:
    """Write the averaged weights of `work`'s state into the folder `out`.

    `weights.json` beside them tells how long it was trained and on how many photos of each source,
    and the sha256 of the weights; a warm start counts on from it.
    """
    if not (work / STATE).exists():
        raise TrainingError(f"{work} holds no state of the scene expert; run `train-scene` first")
    run = SceneRun(work, SceneTraining())
    write_halves(out / WEIGHTS, run.network.state_dict() | run.average, LICENCE)
    photos = {(crop.source, crop.file) for crop in run.crops if not crop.held_out}
    counts = Counter(source for source, _ in photos)
    write_record(out, run.progress, dict(sorted(counts.items())), [out / WEIGHTS])
