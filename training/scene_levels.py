"""Fit the levels of light, contrast and tones that good photos have, given their shape.

Three configurations of one ridge regression, whose other half is `ldrps_engine`'s `scene_levels`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ldrps_engine.analysis.regression import Model, Regression, frame, held, linear, save_model
from ldrps_engine.analysis.scene_levels import (
    EXPOSURE,
    HAZE_PRIOR,
    MIDTONE,
    Array,
    airlight_contrast,
    shape_of_light,
    shape_of_tones,
)
from ldrps_engine.colour.srgb import to_linear
from training.config import Config
from training.neighbours import without_twins
from training.photos import PhotoPack

Look = tuple[float, Array]
"""Level of a photo, and features that are to tell it."""

_SIDE = 256
# Times that each photo is looked at for the haze prior, every time below another air.
_VIEWS = 4
_AIR = (0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One of the regressions, and how it is fitted."""

    regression: Regression
    looks: Callable[[PhotoPack, int, np.random.Generator], Iterator[Look]]
    quantity: str
    outside: float
    """Percent of the features left out at both ends of their range: no extrapolation."""
    ridge: float
    by_source: bool = False
    """True where a photo counts as much as its source does in training the denoiser."""


def _of_light(pack: PhotoPack, index: int, _rng: np.random.Generator) -> Iterator[Look]:
    yield shape_of_light(to_linear(pack.display(index)))


def _of_contrast(pack: PhotoPack, index: int, rng: np.random.Generator) -> Iterator[Look]:
    rgb = pack.small(index, _SIDE)
    for _ in range(_VIEWS):
        yield airlight_contrast(rgb, np.full(3, rng.uniform(*_AIR), np.float32))


def _of_tones(pack: PhotoPack, index: int, _rng: np.random.Generator) -> Iterator[Look]:
    yield shape_of_tones(pack.small(index, _SIDE))


FITS = {
    "exposure": Fit(
        regression=EXPOSURE, looks=_of_light, quantity="log level", outside=10, ridge=3
    ),
    "haze-prior": Fit(
        regression=HAZE_PRIOR,
        looks=_of_contrast,
        quantity="log contrast",
        outside=2,
        ridge=30,
        by_source=True,
    ),
    "midtone": Fit(regression=MIDTONE, looks=_of_tones, quantity="the median", outside=3, ridge=3),
}


def fit_level(fit: Fit, work: Path, out: Path, config: Config) -> None:
    """Fit on the pack's training photos, report the error on the held-out ones, write JSON."""
    pack = PhotoPack(work, config)
    rng = np.random.default_rng(config.train.seed)
    model = _fitted(fit, *_measure(fit, pack, pack.training, rng))
    unseen, truth, _ = _measure(fit, pack, without_twins(pack), rng)
    error = float(np.std(fit.regression.values(unseen, model) - truth))
    print(f"held-out error of {fit.quantity} {error:.3f}, of a constant {truth.std():.3f}")
    save_model(out, model)


def _measure(
    fit: Fit, pack: PhotoPack, indices: list[int], rng: np.random.Generator
) -> tuple[Array, np.ndarray, np.ndarray]:
    """Features (N, F), levels (N,) and how much each look counts (N,)."""
    shapes, levels, counts = [], [], []
    for index in indices:
        looks = list(fit.looks(pack, index, rng))
        levels += [level for level, _ in looks]
        shapes += [shape for _, shape in looks]
        counts += [(pack.weight(index) if fit.by_source else 1.0) / len(looks)] * len(looks)
    return np.stack(shapes), np.array(levels), np.array(counts)


def _fitted(fit: Fit, features: Array, levels: np.ndarray, counts: np.ndarray) -> Model:
    model = frame(features, fit.outside)
    bias_apart = fit.regression.terms is held
    terms = (linear if bias_apart else fit.regression.terms)(features, model)
    penalty = fit.ridge * np.eye(terms.shape[1])
    if bias_apart:
        penalty[0, 0] = 0
    weighted = terms * counts[:, None]
    weights = np.linalg.solve(weighted.T @ terms + penalty, weighted.T @ levels)
    return _in_own_units(model, weights) if bias_apart else {**model, "weights": weights}


def _in_own_units(model: Model, weights: np.ndarray) -> Model:
    """Return the model of the features held to their range that a linear one amounts to."""
    scaled = weights[1:] / model["std"]
    bias = np.asarray(weights[0] - scaled @ model["mean"])
    return {"weights": scaled, "low": model["low"], "high": model["high"], "bias": bias}
