"""From a state of the scene expert to what ships: averaged weights in halves, and their record."""

from __future__ import annotations

from pathlib import Path

from training.config import TrainingError
from training.halves import write_export
from training.scene import STATE, WEIGHTS, SceneRun, SceneTraining


def export_scene(work: Path, out: Path) -> None:
    """Write the averaged weights of `work`'s state into the folder `out`.

    `weights.json` next to them tells how long it was trained and on how many photos of each source,
    and the sha256 of the weights; a warm start counts on from it.
    """
    if not (work / STATE).exists():
        raise TrainingError(f"{work} holds no state of the scene expert; run `train-scene` first")
    run = SceneRun(work, SceneTraining())
    photos = {(crop.source, crop.file) for crop in run.crops if not crop.held_out}
    sources = (source for source, _ in photos)
    write_export(out / WEIGHTS, run.averaged_state(), run.progress, sources)
