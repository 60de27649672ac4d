"""Export of the noise-conditioned denoiser: averaged weights in halves, and their record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ldrps_engine.analysis.noise_condition import BANDS
from ldrps_engine.model_store.atomic import write_atomically
from ldrps_engine.priors.own_network import CONFIG
from ldrps_engine.priors.own_network import WEIGHTS as SHIPPED
from training.config import Config, TrainingError
from training.detail import CONDITIONED, STATE, WEIGHTS, DetailRun
from training.halves import RECORD, write_export


def export_detail(work: Path, out: Path, config: Config, model: Path) -> None:
    """Write the averaged weights of `work`'s state into the folder `out`.

    `weights.json` next to them tells how long it was trained and on how many photos of each source,
    and the sha256 of the weights; a warm start counts on from it.
    """
    if not (work / STATE).exists():
        raise TrainingError(f"{work} holds no state of this network; run `train-detail` first")
    run = DetailRun(work, config, model)
    sources = (run.pack.photos[index].source for index in run.pack.training)
    write_export(out / WEIGHTS, run.averaged().state_dict(), run.progress, sources)


def ship_detail(exported: Path, model: Path) -> None:
    """Put what `export_detail` wrote into an exported model, in place of its network.

    How long it was trained, and on what, is `conditioned` in the model's `weights.json`.
    """
    own, record = model / "unet", json.loads((model / RECORD).read_text())
    weights = (exported / WEIGHTS).read_bytes()
    about = json.loads((exported / RECORD).read_text())
    config = json.loads((own / CONFIG).read_text()) | {"noise_bands": BANDS}
    record["sha256"][f"unet/{SHIPPED}"] = hashlib.sha256(weights).hexdigest()
    record[CONDITIONED] = about["training"] | {"photos": about["photos"]}
    write_atomically(own / SHIPPED, weights)
    write_atomically(own / CONFIG, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())
    write_atomically(model / RECORD, (json.dumps(record, indent=2) + "\n").encode())
