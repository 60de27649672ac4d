"""Fit how bright the middle of good photos is, given their tones' shape (ridge regression)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ldrps_engine.analysis.midtone import shape_of_tones
from ldrps_engine.analysis.regression import frame, linear, save_model
from training.config import Config
from training.neighbours import without_twins
from training.photos import PhotoPack

_SIDE = 256
_RIDGE = 3.0
_OUTSIDE = 3


def fit_midtone(work: Path, out: Path, config: Config) -> None:
    """Fit on the pack's training photos, report the error on the held-out ones, write JSON."""
    pack = PhotoPack(work, config)
    seen, medians = _measure(pack, pack.training)
    model = dict(frame(seen, _OUTSIDE))
    terms = linear(seen, model)
    penalty = _RIDGE * np.eye(terms.shape[1])
    model["weights"] = np.linalg.solve(terms.T @ terms + penalty, terms.T @ medians)
    unseen, truth = _measure(pack, without_twins(pack))
    error = float(np.std(linear(unseen, model) @ model["weights"] - truth))
    print(f"held-out error of the median {error:.3f}, of a constant {truth.std():.3f}")
    save_model(out, model)


def _measure(pack: PhotoPack, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
    shapes, medians = [], []
    for index in indices:
        median, shape = shape_of_tones(pack.small(index, _SIDE))
        shapes.append(shape)
        medians.append(median)
    return np.stack(shapes), np.array(medians)
