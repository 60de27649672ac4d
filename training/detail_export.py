"""From a state of the told denoiser to what ships: averaged weights in halves, and their record."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

from training.config import Config, TrainingError
from training.detail import RECORD, STATE, WEIGHTS, DetailRun
from training.halves import LICENCE, write_halves


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
    record = {
        "training": {name: round(value) for name, value in run.progress.items()},
        "photos": dict(sorted(photos.items())),
        "sha256": {WEIGHTS: hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest()},
    }
    part = out / f"{RECORD}.part"
    part.write_text(json.dumps(record, indent=2) + "\n")
    part.replace(out / RECORD)
