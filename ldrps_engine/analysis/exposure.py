"""Expected brightness of a scene, judged from the shape of its light alone. No torch.

A linear model on the quantiles of log luminance relative to its mean, fitted on good photos by
`python -m training fit-exposure`: it sees the distribution of a photo's light without its
level, and gives the level that good photos with such a distribution have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.regression import load_model
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.colour.srgb import luminance

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/exposure.json"
_BLOCKS = 64
_QUANTILES = (2, 10, 25, 50, 75, 90, 97)
_BRIGHT_QUANTILES = (50, 90, 99)


def shape_of_light(light: Array) -> tuple[float, Array]:
    """Log mean luminance of (H, W, 3) linear light, and features that do not depend on it."""
    size = max(1, min(light.shape[:2]) // _BLOCKS)
    # Floats may lie below black, which has no logarithm.
    means = squares(np.maximum(light, 0), size).mean((1, 3))
    grey = luminance(means)
    level = float(grey.mean()) + 1e-6
    dark = np.percentile(grey, _QUANTILES) / level
    bright = np.percentile(means.max(-1), _BRIGHT_QUANTILES) / level
    features = np.log(np.concatenate([dark, bright]) + 1e-4)
    return float(np.log(level)), features.astype(np.float32)


def expected_level(light: Array) -> float:
    """Mean luminance (0 to 1, linear) that a good photo of this scene would have."""
    model = load_model(MODEL)
    _, features = shape_of_light(light)
    held = np.clip(features, model["low"], model["high"])
    level = np.exp(held @ model["weights"] + model["bias"])
    return float(np.clip(level, 0.03, 0.6))
