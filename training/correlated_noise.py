"""Fit the judge of texture: good photos as programs save them, against what noisy cameras take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ldrps_engine.analysis.correlated_noise import correlated_noise_features, is_doubtful
from ldrps_engine.analysis.noise_level import measure_noise
from ldrps_engine.analysis.regression import linear
from training.camera import Camera, film
from training.degradations import Array, in_some_tones, processed, stored
from training.logistic import Judge
from training.photos import PhotoPack

_LONG_SIDES = (192, 224, 288, 384, 384, 512, 640)
_WEAKEST, _STRONGEST = 2.0 / 255, 45.0 / 255
_TRIES = 4


def _examples(
    pack: PhotoPack, indices: list[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, F) and whether all is noise (N,), of those where it matters."""
    features, noisy = [], []
    for index in indices:
        for rgb, noise in _pair(pack.small(index, int(rng.choice(_LONG_SIDES))), rng):
            found = measure_noise(rgb)
            if is_doubtful(found):
                features.append(correlated_noise_features(rgb, found))
                noisy.append(noise)
    return np.stack(features), np.array(noisy)


def _pair(rgb: Array, rng: np.random.Generator) -> Iterator[tuple[Array, int]]:
    """One photo as it may come without noise, twice, and with it."""
    yield stored(processed(_toned(rgb, rng), rng)), 0
    yield stored(processed(rgb, rng)), 0
    rgb = _toned(rgb, rng)
    for _ in range(_TRIES):
        noisy, clean = taken(rgb, rng)
        if _WEAKEST < float((noisy - clean).std()) < _STRONGEST:
            yield noisy, 1
            return


def taken(rgb: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(with noise of a camera or grain of film, the same without)."""
    camera = Camera.drawn(rng)
    still = replace(camera, shot=0.0, read=0.0)
    if rng.random() < 0.25:
        camera = still
        return camera.take(film(rgb, rng), rng), still.take(rgb, rng)
    return camera.take(rgb, rng), still.take(rgb, rng)


def _toned(rgb: Array, rng: np.random.Generator) -> Array:
    """Put a photo into some light and colours."""
    return in_some_tones(rgb, rng, 0.1, (0.15, 0.25, 0.29))


CORRELATED_NOISE = Judge(
    classes=("texture", "noise"),
    examples=_examples,
    terms=linear,
    # Texture that is called noise is filtered away.
    costs=(8.0, 1.0),
    penalty=1e-2,
    photos=300,
)
