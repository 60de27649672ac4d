"""Judgement of a photo's tones: fine, too little light, or haze. No torch.

A quadratic classifier on statistics of a photo reduced to about 128 pixels, where its noise has
averaged out: its contrast to white as it is and should be, quantiles of the brightest and darkest
channel, of the dark channel (He, Sun and Tang, CVPR 2009), of saturation and of local contrast.
Fitted by `python -m training fit-tone` on good photos and the same ones darkened, hazed and faded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.regression import load_model, quadratic
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.analysis.samples import highest, lowest
from ldrps_engine.analysis.scene_levels import expected_airlight_contrast
from ldrps_engine.colour.srgb import LUMINANCE

Array = NDArray[np.float32]

CLASSES = ("fine", "dark", "hazy")
MODEL = Path(__file__).parents[1] / "models/tone.json"

_SIDE = 128
_BLOCK = 4
_ENDS = (1, 10, 50, 90, 99)
_FLOORS = (1, 5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Tone:
    """Probabilities that a photo's tones are fine, too dark, or hazy or faded; they sum to 1."""

    fine: float
    dark: float
    hazy: float


def judge_tone(rgb: Array) -> Tone:
    """Judge an (H, W, 3) image of display values in [0, 1]."""
    model = load_model(MODEL)
    logits = (quadratic(tone_features(rgb)[None], model) @ model["weights"])[0]
    shares = np.exp(logits - logits.max())
    return Tone(*(shares / shares.sum()).tolist())


def tone_features(rgb: Array) -> Array:
    """Statistics of the tones of an (H, W, 3) image of display values, (34,)."""
    small = np.clip(_reduced(rgb), 0, 1)
    high, low, luma = highest(small), lowest(small), small @ LUMINANCE
    dark, bright = squares(low, _BLOCK).min((1, 3)), squares(high, _BLOCK).max((1, 3))
    deviation = squares(luma, _BLOCK).std((1, 3))
    slope = np.abs(np.diff(luma, axis=1))
    contrasts = np.concatenate(
        [np.percentile(deviation, (10, 50, 75, 90, 99)), [slope.mean() if slope.size else 0.0]]
    )
    level, expected = expected_airlight_contrast(small, np.ones(3, np.float32))
    return np.concatenate(
        [
            [level, expected - level],
            np.percentile(high, _ENDS),
            np.percentile(low, _FLOORS),
            np.percentile(dark, (5, 25, 50, 75)),
            np.percentile((high - low) / (high + 0.02), (25, 50, 75, 95)),
            np.percentile(high - low, (50, 75, 95, 99)),
            np.log(contrasts + 0.003),
            np.log(np.array([luma.std(), dark.std(), bright.std()]) + 0.01),
        ]
    ).astype(np.float32)


def _reduced(rgb: Array) -> Array:
    size = max(1, round(max(rgb.shape[:2]) / _SIDE))
    height, width = (max(1, side // size) for side in rgb.shape[:2])
    part = rgb[: height * size, : width * size]
    rows, columns = part.shape[0] // height, part.shape[1] // width
    return np.asarray(part.reshape(height, rows, width, columns, 3).mean((1, 3)))
