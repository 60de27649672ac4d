"""Fit the judge of noise: good photos as programs save them, against the same ones with noise."""

from __future__ import annotations

import math

import numpy as np

from ldrps_engine.analysis.noise_detection import noise_features
from ldrps_engine.analysis.noise_spectrum import noise_spectrum
from ldrps_engine.analysis.regression import quadratic
from training.degradations import as_jpeg, grained, in_some_tones, processed, stored
from training.logistic import Judge
from training.photos import PhotoPack

_LONG_SIDES = (256, 384, 512, 512, 768, 1024)
_WEAKEST, _STRONGEST = 5.0, 45.0
_INVISIBLE = 1.5
# Weaker noise is taken away by JPEG itself.
_SEEN_IN_JPEG = 8.0


def _examples(
    pack: PhotoPack, indices: list[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, F) and whether there is noise (N,); every photo with noise and twice without."""
    features, noisy = [], []
    for index in indices:
        for noise in (0, 0, 1):
            rgb = _photo(pack, index, rng)
            strength = _strength(noise, rng)
            rgb = stored(grained(rgb, strength, rng) if strength else rgb)
            if rng.random() < 0.3 and not 0 < strength < _SEEN_IN_JPEG:
                rgb = as_jpeg(rgb, rng)
            features.append(noise_features(rgb, noise_spectrum(rgb)))
            noisy.append(noise)
    return np.stack(features), np.array(noisy)


def _photo(pack: PhotoPack, index: int, rng: np.random.Generator) -> np.ndarray:
    """One photo at some size, as it may come: sharpened, saved, grey, dark, hazy, or as it is."""
    rgb = processed(pack.small(index, int(rng.choice(_LONG_SIDES))), rng)
    return in_some_tones(rgb, rng, 0.12, (0.12, 0.22, 0.26))


def _strength(noise: int, rng: np.random.Generator) -> float:
    """Standard deviation in 8-bit steps, even in its logarithm; a fifth of good photos has some."""
    if noise:
        return float(np.exp(rng.uniform(math.log(_WEAKEST), math.log(_STRONGEST))))
    return float(rng.uniform(0, _INVISIBLE)) if rng.random() < 0.2 else 0.0


NOISE_DETECTION = Judge(
    classes=("texture", "noise"),
    examples=_examples,
    terms=quadratic,
    # Texture that is called noise is filtered away.
    costs=(3.0, 1.0),
    penalty=1e-4,
    photos=900,
)
