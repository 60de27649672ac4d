"""From a state of the told denoiser to what ships: averaged weights in halves, and their record."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from training.config import Config, TrainingError
from training.detail import STATE, WEIGHTS, DetailRun
from training.halves import LICENCE, write_halves, write_record


def export_detail(work: Path, out: Path, config: Config, model: Path) -> None:
    """Write the averaged weights of `work`'s state into the folder `out`.

    `weights.json` beside them tells how long it was trained and on how many photos of each source,
    and the sha256 of the weights; a warm start counts on from it.
    """
    if not (work / STATE).exists():
        raise TrainingError(f"{work} holds no state of this network; run `train-detail` first")
    run = DetailRun(work, config, model)
    write_halves(out / WEIGHTS, run.averaged().state_dict(), LICENCE)
    photos = Counter(run.pack.photos[index].source for index in run.pack.training)
    write_record(out, run.progress, dict(sorted(photos.items())), [out / WEIGHTS])
