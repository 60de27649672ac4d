"""Levels of light, contrast and tones that a scene should have, judged from their shape. No torch.

Three regressions of one form. Each sees how values are distributed about their level, but not the
level itself, which is what a degradation changes; good photos tell which level goes with which
shape. The models are fitted by `python -m training fit-exposure`, `fit-haze-prior` and
`fit-midtone`.

  - `EXPOSURE`: mean luminance. Less light scales all luminance alike. - `HAZE_PRIOR`: mean contrast
  to the airlight, which is what a pixel is short of the colour of the air. Haze removes the same
  share of it everywhere. - `MIDTONE`: median display value. A grey haze moves all tones alike and
  draws them together alike. It does not depend on the air's colour, for which bright objects are
  easily mistaken, and so errs differently from the haze prior and the dark channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.regression import Regression, held, linear, quadratic
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.analysis.samples import highest, lowest
from ldrps_engine.colour.srgb import luminance

Array = NDArray[np.float32]

_MODELS = Path(__file__).parents[1] / "models"
EXPOSURE = Regression(_MODELS / "exposure.json", held)
HAZE_PRIOR = Regression(_MODELS / "haze_prior.json", quadratic)
MIDTONE = Regression(_MODELS / "midtone.json", linear)

_LIGHT_BLOCKS = _CONTRAST_BLOCKS = 64
# Number of squares along the short side, whose means are used.
_TONE_BLOCKS = 48
_LEVELS, _MIDTONES = (0.03, 0.6), (0.05, 0.95)
_LEAST_CONTRAST, _LEAST_DEVIATION = 2e-2, 1e-3
_DARKEST_BLOCK = 4


def expected_level(light: Array) -> float:
    """Mean luminance (0 to 1, linear) that a good photo of this scene would have."""
    _, shape = shape_of_light(light)
    return float(np.clip(np.exp(EXPOSURE.predict(shape)), *_LEVELS))


def expected_airlight_contrast(rgb: Array, air: Array) -> tuple[float, float]:
    """Log mean contrast, as measured and as in a good photo of this scene."""
    level, shape = airlight_contrast(rgb, air)
    return level, HAZE_PRIOR.predict(shape)


def expected_midtone(rgb: Array) -> float:
    """Median display value that a good photo of this scene would have, for (H, W, 3)."""
    _, shape = shape_of_tones(rgb)
    return float(np.clip(MIDTONE.predict(shape), *_MIDTONES))


def shape_of_light(light: Array) -> tuple[float, Array]:
    """Log mean luminance of (H, W, 3) linear light, and features (10,) without that level."""
    # Floats may lie below black, which has no logarithm.
    means = _block_means(np.maximum(light, 0), _LIGHT_BLOCKS)
    grey = luminance(means)
    level = float(grey.mean()) + 1e-6
    dark = np.percentile(grey, (2, 10, 25, 50, 75, 90, 97)) / level
    bright = np.percentile(highest(means), (50, 90, 99)) / level
    return float(np.log(level)), _joined(np.log(np.concatenate([dark, bright]) + 1e-4))


def airlight_contrast(rgb: Array, air: Array) -> tuple[float, Array]:
    """Log mean contrast of (H, W, 3) display values to `air` (3,), and features (20,) apart."""
    means = _block_means(np.maximum(air - rgb, 0), _CONTRAST_BLOCKS)
    grey, most, least = means.mean(-1), highest(means), lowest(means)
    level = float(grey.mean()) + 1e-4
    shape = np.concatenate(
        [
            np.percentile(grey, (1, 5, 10, 25, 50, 75, 90, 95, 99)),
            np.percentile(most, (25, 50, 75, 90, 97, 99.5)),
            np.percentile(least, (10, 50, 90)),
            np.percentile(most - least, (50, 90)),
        ]
    )
    return float(np.log(level)), _joined(np.log(shape / level + _LEAST_CONTRAST))


def shape_of_tones(rgb: Array) -> tuple[float, Array]:
    """Median of (H, W, 3) display values, and features (23,) that a grey haze does not change."""
    means = _block_means(rgb, _TONE_BLOCKS)
    grey, most, least = means.mean(-1), highest(means), lowest(means)
    median, deviation = float(np.median(grey)), float(grey.std()) + _LEAST_DEVIATION
    darkest = squares(least, _DARKEST_BLOCK).min((1, 3))
    tones = np.concatenate(
        [
            np.percentile(grey, (1, 5, 10, 25, 75, 90, 95, 99)),
            np.percentile(most, (50, 90, 99)),
            np.percentile(least, (1, 10, 50)),
            np.percentile(darkest, (5, 25, 50, 75)),
        ]
    )
    colours = np.percentile(most - least, (50, 90, 99)) / deviation
    slope = np.abs(np.diff(grey, axis=1)).mean() / deviation if grey.shape[1] > 1 else 0.0
    third = max(1, grey.shape[0] // 3)
    above = (grey[:third].mean() - grey[-third:].mean()) / deviation
    shape = [(tones - median) / deviation, np.log(colours + 0.02), [np.log(slope + 0.01), above]]
    return median, _joined(*shape)


def _block_means(values: Array, blocks: int) -> Array:
    """Means of the squares, `blocks` or somewhat more along the short side, (h, w, 3)."""
    size = max(1, min(values.shape[:2]) // blocks)
    return np.asarray(squares(values, size).mean((1, 3)))


def _joined(*features: NDArray[np.float64] | Sequence[float]) -> Array:
    return np.concatenate(features).astype(np.float32)
