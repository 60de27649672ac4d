"""Expected statistics of a good photo of the scene, in each place. No torch.

The semantic encoder's features do not depend on light, haze and colour. From them alone, a small
network predicts the statistics of each cell in a good photo, and their uncertainty. The measured
values minus the expected ones show how dark, hazy or tinted each place is *for its content*.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.encoder import Seen
from ldrps_engine.analysis.layers import Layers, load_weights
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.analysis.samples import lowest
from ldrps_engine.colour.srgb import YCC, luminance, to_linear

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/semantic/expectation.safetensors"

CELL = 16
"""Pixels of the encoder's view on a side of a cell."""
STATISTICS = 6
"""Log of mean light, dark channel, logs of contrast and saturation, mean Cb and mean Cr."""

DARKEST, FLAT = 1e-3, 0.01
"""Offsets added to light, and to contrast and saturation, before their logs."""
DARK_RANK = 25
"""Number of a cell's 256 pixels that are darker than its dark channel."""
LOG_VARIANCE = (-6, 3)
"""Range of the expectation's uncertainty."""


@dataclass(frozen=True)
class Residual:
    """Measured less expected values, in standard deviations of good photos."""

    change: Array
    """(h, w, 6) difference."""
    surprise: Array
    """(h, w, 6) difference in units of the expectation's uncertainty."""
    found: Array
    """(h, w, 6) measured values."""
    light: Array
    """(h, w) expected natural log of mean linear light, plus 0.001, of each cell."""
    contrast: Array
    """(h, w) standard deviation of luma within each cell, display values."""


def residual(view: Array, seen: Seen) -> Residual:
    """Compare an image (h, w, 3) at the size of the encoder's view with the expectation."""
    layers, weights = Layers(load_weights(MODEL)), load_weights(MODEL)
    statistics = cell_statistics(view)
    contrast = contrast_of(statistics)
    found = (statistics - weights["target.mean"]) / weights["target.std"]
    whole = np.concatenate([seen.fine.mean((0, 1)), seen.coarse.mean((0, 1)), seen.pooled])
    fine = (seen.fine - weights["fine.mean"]) / weights["fine.std"]
    whole = (whole - weights["whole.mean"]) / weights["whole.std"]
    fine = np.concatenate([fine, _positions(*fine.shape[:2])], -1)
    hidden = _relu(layers.linear("fine", fine) + _relu(layers.linear("whole", whole)))
    hidden = hidden + _relu(layers.linear("mid", hidden))
    context = layers.linear("ctx", hidden.mean((0, 1)))
    hidden = _relu(layers.linear("mid2", hidden) + context)
    estimate = layers.linear("out", hidden)
    change = found - estimate[..., :STATISTICS]
    doubt = np.exp(0.5 * np.clip(estimate[..., STATISTICS:], *LOG_VARIANCE))
    light = estimate[..., 0] * weights["target.std"][0] + weights["target.mean"][0]
    return Residual(change, np.asarray(change / doubt, np.float32), found, light, contrast)


def log_light(light: Array) -> Array:
    """Return the log (h / 16, w / 16) of the mean of light (h, w), plus 0.001, in each cell."""
    return np.asarray(np.log(squares(light, CELL).mean((1, 3)) + DARKEST), np.float32)


def contrast_of(statistics: Array) -> Array:
    """Return the standard deviation of luma (...) in cells of such statistics (..., 6)."""
    return np.asarray(np.exp(statistics[..., 2]) - FLAT, np.float32)


def cell_statistics(view: Array) -> Array:
    """Return statistics (h / 16, w / 16, 6) of the cells of an image (h, w, 3)."""
    light = log_light(luminance(to_linear(view)))
    converted = squares(view @ YCC.T, CELL)
    means = converted.mean((1, 3))
    contrast = np.sqrt(np.maximum((converted[..., 0] ** 2).mean((1, 3)) - means[..., 0] ** 2, 0))
    saturation = np.sqrt((converted[..., 1:] ** 2).sum(-1)).mean((1, 3))
    darkest = squares(lowest(view), CELL).transpose(0, 2, 1, 3)
    dark_channel = np.sort(darkest.reshape(*darkest.shape[:2], -1), -1)[..., DARK_RANK]
    logs = [light, dark_channel, np.log(contrast + FLAT), np.log(saturation + FLAT)]
    return np.asarray(np.stack([*logs, means[..., 1], means[..., 2]], -1), np.float32)


def _positions(height: int, width: int) -> Array:
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    return np.stack([y, x, y**2, x**2], -1).astype(np.float32)


def _relu(values: Array) -> Array:
    return np.maximum(values, 0)
