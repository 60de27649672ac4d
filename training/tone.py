"""Fit the judge of tones: good photos against the same ones darkened, hazed and faded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ldrps_engine.analysis.regression import frame, quadratic, save_model
from ldrps_engine.analysis.tone import CLASSES, tone_features
from training.config import Config
from training.degradations import darkened, faded, grey, hazed, noisy, stored
from training.logistic import logistic, report
from training.neighbours import without_twins
from training.photos import PhotoPack

_LONG_SIDE = 512
_PENALTY = 1e-4
_OUTSIDE = 0.5
_COSTS = (3.0, 1.0, 1.0)
"""A good photo that is called bad costs three times a bad one that is called good."""


def fit_tone(work: Path, out: Path, config: Config) -> None:
    """Fit on the pack's training photos, report the held-out ones, write JSON."""
    pack = PhotoPack(work, config)
    rng = np.random.default_rng(config.train.seed)
    seen, truth = _examples(pack, pack.training, rng)
    model = dict(frame(seen, _OUTSIDE))
    model["weights"] = logistic(quadratic(seen, model), truth, _COSTS, _PENALTY)
    unseen, right = _examples(pack, without_twins(pack), rng)
    called = (quadratic(unseen, model) @ model["weights"]).argmax(1)
    report(CLASSES, right, called)
    save_model(out, model)


def _examples(
    pack: PhotoPack, indices: list[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, F) and class numbers (N,); every photo as it is and in five other ways."""
    features, classes = [], []
    for index in indices:
        good = pack.small(index, _LONG_SIDE)
        dark = darkened(good, rng)
        for k, rgb in (
            (0, good),
            (0, grey(good)),
            (1, dark),
            (1, grey(dark)),
            (2, hazed(good, rng)),
            (2, faded(good, rng)),
        ):
            features.append(tone_features(stored(noisy(rgb, rng))))
            classes.append(k)
    return np.stack(features), np.array(classes)
