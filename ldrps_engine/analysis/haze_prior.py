"""Contrast to the airlight that a scene should have, from the shape of that contrast. No torch.

Contrast to the airlight is what a pixel is short of the colour of the air. Haze takes the same
share of it everywhere, so its distribution relative to its mean does not change; good photos tell
which mean goes with which distribution. Quadratic ridge regression, fitted by
`python -m training fit-haze-prior`. It is to haze what `exposure.py` is to light.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.regression import load_model, quadratic
from ldrps_engine.analysis.resampling import squares

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/haze_prior.json"

_BLOCKS = 64
_QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
_DEEPEST = (25, 50, 75, 90, 97, 99.5)
_LEAST = 2e-2


def airlight_contrast(rgb: Array, air: Array) -> tuple[float, Array]:
    """Log mean contrast of (H, W, 3) display values to `air` (3,), and what haze leaves alone."""
    size = max(1, min(rgb.shape[:2]) // _BLOCKS)
    means = squares(np.maximum(air - rgb, 0), size).mean((1, 3))
    grey, most, least = means.mean(-1), means.max(-1), means.min(-1)
    level = float(grey.mean()) + 1e-4
    shape = np.concatenate(
        [
            np.percentile(grey, _QUANTILES),
            np.percentile(most, _DEEPEST),
            np.percentile(least, (10, 50, 90)),
            np.percentile(most - least, (50, 90)),
        ]
    )
    return float(np.log(level)), np.log(shape / level + _LEAST).astype(np.float32)


def expected_airlight_contrast(rgb: Array, air: Array) -> tuple[float, float]:
    """Log mean contrast as it is, and as it would be in a good photo of this scene."""
    level, shape = airlight_contrast(rgb, air)
    model = load_model(MODEL)
    return level, float((quadratic(shape[None], model) @ model["weights"])[0])
