"""Expected middle tone of a scene, judged from the shape of its tones alone. No torch.

A veil moves all tones of a photo alike and draws them together alike, so that relative to their
median and spread they do not change; good photos tell which median goes with which shape (ridge
regression, `python -m training fit-midtone`). It knows nothing of the air's colour, which bright
things are so easily taken for, and so errs otherwise than `haze_prior.py` and the dark channel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.regression import linear, load_model
from ldrps_engine.analysis.resampling import squares

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/midtone.json"

_BLOCKS = 48
_QUANTILES = (1, 5, 10, 25, 75, 90, 95, 99)
_COARSE = 4
_LEAST = 1e-3


def shape_of_tones(rgb: Array) -> tuple[float, Array]:
    """Median of (H, W, 3) display values, and features (23,) that a grey veil does not change."""
    size = max(1, min(rgb.shape[:2]) // _BLOCKS)
    means = squares(rgb, size).mean((1, 3))
    grey, most, least = means.mean(-1), means.max(-1), means.min(-1)
    median, spread = float(np.median(grey)), float(grey.std()) + _LEAST
    darkest = squares(least, _COARSE).min((1, 3))
    third = max(1, grey.shape[0] // 3)
    tones = [
        np.percentile(grey, _QUANTILES),
        np.percentile(most, (50, 90, 99)),
        np.percentile(least, (1, 10, 50)),
        np.percentile(darkest, (5, 25, 50, 75)),
    ]
    colours = np.percentile(most - least, (50, 90, 99)) / spread
    slope = np.abs(np.diff(grey, axis=1)).mean() / spread if grey.shape[1] > 1 else 0.0
    above = (grey[:third].mean() - grey[-third:].mean()) / spread
    shape = [(np.concatenate(tones) - median) / spread, np.log(colours + 0.02)]
    return median, np.concatenate([*shape, [np.log(slope + 0.01), above]]).astype(np.float32)


def expected_midtone(rgb: Array) -> float:
    """Median display value that a good photo of this scene would have, for (H, W, 3)."""
    model = load_model(MODEL)
    _, shape = shape_of_tones(rgb)
    return float(np.clip((linear(shape[None], model) @ model["weights"])[0], 0.05, 0.95))
