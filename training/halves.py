"""Weights that ship: safetensors of halves, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ldrps_engine.model_store.atomic import unfinished, write_atomically
from training.config import TrainingError

LICENCE = {"licence": "Apache-2.0"}
RECORD = "weights.json"
"""File next to exported weights: how long they were trained, on what, and their sha256."""


def write_halves(path: Path, weights: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write weights as fp16 next to `path` and rename; `about` goes into the file's metadata."""
    # Beyond 65504 a half is infinite.
    lost = [name for name, value in weights.items() if not value.half().isfinite().all()]
    if lost:
        raise TrainingError(f"{path} is not written: no halves can hold {', '.join(lost)}")
    halves = {name: value.detach().half().contiguous().cpu() for name, value in weights.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as part:
            save_file(halves, part, dict(about))
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be written: {error}") from None
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def read_halves(path: Path, made_by: str) -> dict[str, Tensor]:
    """Read weights in single precision; `made_by` is the command that writes such a file."""
    try:
        return {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); `{made_by}` makes it") from None


def write_export(
    path: Path, weights: Mapping[str, Tensor], progress: Mapping[str, float], sources: Iterable[str]
) -> None:
    """Write weights that ship, and next to them the record that a warm start counts on from.

    `sources` has the source of each photo that they were trained on.
    """
    write_halves(path, weights, LICENCE)
    photos = dict(sorted(Counter(sources).items()))
    write_record(path.parent, progress, photos, [path])


def write_record(
    folder: Path, progress: Mapping[str, float], photos: Mapping[str, int], weights: Iterable[Path]
) -> None:
    """Write `weights.json` next to the old one and rename it over.

    It tells steps, samples and seconds of training, on how many photos of each source, and the
    sha256 of the `weights` in the folder. A warm start counts on from it.
    """
    record = {
        "training": {name: round(value) for name, value in progress.items()},
        "photos": dict(photos),
        "sha256": {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in weights
        },
    }
    write_atomically(folder / RECORD, (json.dumps(record, indent=2) + "\n").encode())
