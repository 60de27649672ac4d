"""Small models on statistics of a photo, fitted by `training/` and kept as JSON. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Model = Mapping[str, NDArray[np.float64]]
Terms = Callable[[Array, Model], NDArray[np.float64]]
"""Terms (N, T) of features (N, F): `held`, `linear` or `quadratic`."""
_FORMER = {"spread": "std"}
"""Names of arrays in files of earlier versions."""


@dataclass(frozen=True)
class Regression:
    """One number predicted from a photo's features: a model's file, and the form of its terms."""

    path: Path
    terms: Terms

    def predict(self, features: Array) -> float:
        """Prediction of the model in the file for features (F,)."""
        return float(self.values(features[None], load_model(self.path))[0])

    def values(self, features: Array, model: Model) -> NDArray[np.float64]:
        """Predictions (N,) of another model of this form for features (N, F)."""
        values = self.terms(features, model) @ model["weights"]
        return np.asarray(values + model.get("bias", 0.0))


def frame(features: Array, outside: float) -> Model:
    """Range, means and deviations of features (N, F), which `linear` and `quadratic` need.

    The range leaves out `outside` percent at both ends: beyond it there is no extrapolation.
    """
    low, high = np.percentile(features, (outside, 100 - outside), axis=0)
    held = np.clip(features, low, high)
    return {"low": low, "high": high, "mean": held.mean(0), "std": held.std(0) + 1e-6}


def held(features: Array, frame: Model) -> NDArray[np.float64]:
    """Features (N, F) themselves, clipped to their range; their model has a separate `bias`."""
    return np.clip(features, frame["low"], frame["high"])


def linear(features: Array, frame: Model) -> NDArray[np.float64]:
    """1 and features (N, F) in units of their standard deviation, (N, 1 + F)."""
    unit = (held(features, frame) - frame["mean"]) / frame["std"]
    return np.concatenate([np.ones((len(unit), 1)), unit], axis=1)


def quadratic(features: Array, frame: Model) -> NDArray[np.float64]:
    """Those of `linear`, and all their products, (N, terms)."""
    first = linear(features, frame)
    unit = first[:, 1:]
    one, other = np.triu_indices(unit.shape[1])
    return np.concatenate([first, unit[:, one] * unit[:, other]], axis=1)


@cache
def load_model(path: Path) -> Model:
    """The arrays of a model file by name."""
    table = json.loads(path.read_text())
    return {_FORMER.get(name, name): np.asarray(v, np.float64) for name, v in table.items()}


def save_model(path: Path, model: Model) -> None:
    """Write the arrays as JSON, rounded to five digits."""
    path.write_text(json.dumps({k: v.round(5).tolist() for k, v in model.items()}) + "\n")
