"""Fit the judge of tones: good photos against the same ones darkened, hazed and faded."""

from __future__ import annotations

import numpy as np

from ldrps_engine.analysis.regression import quadratic
from ldrps_engine.analysis.tone import CLASSES, tone_features
from training.degradations import darkened, faded, grey, hazed, noisy, stored
from training.logistic import Judge
from training.photos import PhotoPack

_LONG_SIDE = 512


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


TONE = Judge(
    classes=CLASSES,
    examples=_examples,
    terms=quadratic,
    # A good photo that is called bad costs three times a bad one that is called good.
    costs=(3.0, 1.0, 1.0),
    penalty=1e-4,
)
