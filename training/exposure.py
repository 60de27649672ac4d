"""Fit how bright good photos are, given the distribution of their light (ridge regression)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ldrps_engine.analysis.exposure import shape_of_light
from ldrps_engine.analysis.regression import save_model
from ldrps_engine.colour.srgb import to_linear
from training.config import Config
from training.neighbours import without_twins
from training.photos import PhotoPack

_RIDGE = 3.0
_RANGE = 10
"""Features are held to the percentiles that most good photos lie in: no extrapolation."""


def fit_exposure(work: Path, out: Path, config: Config) -> None:
    """Fit on the pack's training photos, report the error on the held-out ones, write JSON."""
    pack = PhotoPack(work, config)
    seen, levels = _measure(pack, pack.training)
    low, high = np.percentile(seen, (_RANGE, 100 - _RANGE), axis=0)
    seen = np.clip(seen, low, high)
    mean, spread = seen.mean(0), seen.std(0) + 1e-6
    design = np.c_[np.ones(len(seen)), (seen - mean) / spread]
    penalty = _RIDGE * np.diag([0.0] + [1.0] * seen.shape[1])
    solution = np.linalg.solve(design.T @ design + penalty, design.T @ levels)
    weights = solution[1:] / spread
    bias = float(solution[0] - weights @ mean)
    unseen, truth = _measure(pack, without_twins(pack))
    unseen = np.clip(unseen, low, high)
    error = float(np.std(unseen @ weights + bias - truth))
    print(f"held-out error of log level {error:.3f}, of a constant {truth.std():.3f}")
    save_model(out, {"weights": weights, "low": low, "high": high, "bias": np.array(bias)})


def _measure(pack: PhotoPack, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
    rows = [shape_of_light(to_linear(pack.display(i))) for i in indices]
    return np.stack([f for _, f in rows]), np.array([level for level, _ in rows])
