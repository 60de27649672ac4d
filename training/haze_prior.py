"""Fit the haze prior: contrast to the airlight by its distribution, quadratic ridge regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ldrps_engine.analysis.haze_prior import airlight_contrast
from ldrps_engine.analysis.regression import frame, quadratic, save_model
from training.config import Config
from training.neighbours import without_twins
from training.photos import PhotoPack

_SIDE = 256
_RIDGE = 30.0
_OUTSIDE = 2
_VIEWS = 4
"""Times that each photo is looked at, every time below another air."""
_AIR = (0.75, 1.0)


def fit_haze_prior(work: Path, out: Path, config: Config) -> None:
    """Fit on the pack's training photos, report the error on the held-out ones, write JSON."""
    pack = PhotoPack(work, config)
    rng = np.random.default_rng(config.train.seed)
    seen, levels, counts = _measure(pack, pack.training, rng)
    model = dict(frame(seen, _OUTSIDE))
    terms = quadratic(seen, model)
    weighted = terms * counts[:, None]
    penalty = _RIDGE * np.eye(terms.shape[1])
    model["weights"] = np.linalg.solve(weighted.T @ terms + penalty, weighted.T @ levels)
    unseen, truth, _ = _measure(pack, without_twins(pack), rng)
    error = float(np.std(quadratic(unseen, model) @ model["weights"] - truth))
    print(f"held-out error of log contrast {error:.3f}, of a constant {truth.std():.3f}")
    save_model(out, model)


def _measure(
    pack: PhotoPack, indices: list[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, log levels and how much each look counts."""
    shapes, levels, counts = [], [], []
    for index in indices:
        rgb = pack.small(index, _SIDE)
        for _ in range(_VIEWS):
            level, shape = airlight_contrast(rgb, np.full(3, rng.uniform(*_AIR), np.float32))
            shapes.append(shape)
            levels.append(level)
            counts.append(pack.weight(index) / _VIEWS)
    return np.stack(shapes), np.array(levels), np.array(counts)
