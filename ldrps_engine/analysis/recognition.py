"""Recognition of what a photo suffers from: how likely, and maps of light and haze. No torch.

A small network judges what is there less what such a scene has (`expectation`): a lamp, a window or
a bright sky does not speak for the rest. Trained by `python -m training fit-recogniser` on open
photos with synthetic degradations, drawn in linear light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.airlight import contradiction
from ldrps_engine.analysis.encoder import Seen, encode
from ldrps_engine.analysis.expectation import Residual, residual
from ldrps_engine.analysis.haze_field import HazeField, haze_field
from ldrps_engine.analysis.layers import Layers, load_weights, softplus
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.view import normalised_luma, view_size

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/semantic/recogniser.safetensors"

FINDINGS = ("dark", "backlit", "hazy", "tinted", "faded", "toned", "graphic")
"""Findings in the order of the network's answers."""
QUANTILES = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 0.995)
"""Quantiles of each channel that it looks at besides."""

_GRAPHIC_FROM = 0.15
TONED_FROM = 0.5
"""Probability from which a print of one hue is taken for toned."""

MAP_QUANTILES = (0.1, 0.5, 0.9)
"""Quantiles over the cells of what is there, and of the maps."""
MOST, MOST_SUMMARY, MOST_UNIT = 8, 5, 6
"""Most that cells, their summary and the whole view's features count, in deviations."""
DOUBTED = 40.0
"""Log-odds that haze loses if every place shows something too dark for it: of a twentieth, 2. Of
68 crops with haze drawn over them one had such places."""
FLAT_BELOW, HARD_FROM = (0.004, 0.01, 0.03), 0.2
"""Contrasts below which a cell is flat, and from which it is hard."""


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """Recognised degradations of a photo. Neutral: probabilities and maps of 0."""

    probabilities: Mapping[str, float]
    """0 to 1 by finding."""
    gain: Array
    """(h, w) natural log of the light that is missing, on a grid over the photo."""
    depth: Array
    """(h, w) optical depth of the haze, same grid: minus the log of its transmission."""
    expected_light: Array
    """(h, w) natural log of the mean linear light, plus 0.001, that such a scene has, same grid."""
    shortfall: float
    """Lack of light in the middle of the photo's places against such scenes, in standard
    deviations of good photos; below 0 where it shows more."""
    seen: Seen
    """Findings of the semantic encoder."""
    haze: HazeField
    """Haze by a second judge, which knows depth and no scenes."""

    @property
    def light(self) -> float:
        """Probability, 0 to 1, that there is too little light, everywhere or in places."""
        return min(1.0, self.probabilities["dark"] + self.probabilities["backlit"])

    @property
    def hazy_or_faded(self) -> float:
        """Probability, 0 to 1, that haze lies over the photo or a print has lost its black."""
        return min(1.0, self.probabilities["hazy"] + self.probabilities["faded"])

    @property
    def graphic(self) -> float:
        """Probability, 0 to 1, that this is no photo but a page, a screenshot or a drawing."""
        return self.probabilities.get("graphic", 0.0)

    @property
    def is_graphic(self) -> bool:
        """Tell whether this is taken for no photo."""
        return self.graphic >= _GRAPHIC_FROM

    @property
    def darkness(self) -> float:
        """Share of the light that is missing in the middle of the photo's places, 0 to 1."""
        return float(1 - np.exp(-np.median(self.gain)))


def recognise(rgb: Array) -> Recognition:
    """Look at an image (H, W, 3) of display values in [0, 1]."""
    view = np.clip(resize(rgb, view_size(*rgb.shape[:2]), smooth=True), 0, 1)
    seen = encode(normalised_luma(view))
    found = residual(view, seen)
    logits, gain, depth = _judge(found, view)
    shortfall = -float(np.median(found.change[..., 0]))
    logits[FINDINGS.index("hazy")] -= DOUBTED * contradiction(view, depth)
    logits = np.append(logits, _is_graphic(seen, found.contrast))
    shares = 1 / (1 + np.exp(-logits))
    probabilities = dict(zip(FINDINGS, (float(share) for share in shares), strict=True))
    return Recognition(
        probabilities=probabilities,
        gain=gain,
        depth=depth,
        expected_light=found.light,
        shortfall=shortfall,
        seen=seen,
        haze=haze_field(view),
    )


def _judge(found: Residual, view: Array) -> tuple[Array, Array, Array]:
    layers, weights = Layers(load_weights(MODEL)), load_weights(MODEL)
    cells = np.concatenate([found.change, found.surprise, found.found], -1)
    flat = cells.reshape(-1, cells.shape[-1])
    points_of_cells = np.quantile(flat, MAP_QUANTILES, axis=0).ravel()
    channels = np.quantile(view.reshape(-1, 3), QUANTILES, axis=0).T.ravel()
    summary = np.concatenate([points_of_cells, flat.mean(0), channels])
    unit = (summary - weights["summary.mean"]) / weights["summary.std"]
    summary = np.clip(unit, -MOST_SUMMARY, MOST_SUMMARY).astype(np.float32)
    cells = np.clip(cells, -MOST, MOST).astype(np.float32)
    whole = np.broadcast_to(cells.mean((0, 1)), cells.shape)
    around = [cells, _neighbourhood(cells), whole, _positions(*cells.shape[:2])]
    hidden = layers.linear("a", np.concatenate(around, -1)) + layers.linear("g", summary)
    hidden = np.maximum(hidden, 0)
    hidden = hidden + np.maximum(layers.linear("b", hidden), 0)
    maps = softplus(layers.linear("m", hidden))
    points = np.quantile(maps.reshape(-1, 2), MAP_QUANTILES, axis=0).ravel()
    pooled = [summary, hidden.mean((0, 1)), hidden.max((0, 1)), points, maps.mean((0, 1))]
    last = np.maximum(layers.linear("f.0", np.concatenate(pooled).astype(np.float32)), 0)
    return layers.linear("f.3", last), maps[..., 0], maps[..., 1]


def _is_graphic(seen: Seen, contrast: Array) -> Array:
    """Log-odds (1,) that this is no photo: what it shows, and how many places are flat or hard."""
    layers, weights = Layers(load_weights(MODEL)), load_weights(MODEL)
    flat = [(contrast < limit).mean() for limit in FLAT_BELOW]
    looked_at = np.concatenate([seen.pooled, flat, [(contrast > HARD_FROM).mean()]])
    unit = (looked_at - weights["graphic.mean"]) / weights["graphic.std"]
    hidden = layers.linear("graphic.1", np.clip(unit, -MOST_UNIT, MOST_UNIT).astype(np.float32))
    return layers.linear("graphic.4", np.maximum(hidden, 0))


def _neighbourhood(cells: Array) -> Array:
    """Means over 3 x 3 cells, edges repeated."""
    padded = np.pad(cells, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.asarray(windows.mean((-2, -1)))


def _positions(height: int, width: int) -> Array:
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    return np.stack([y, x], -1).astype(np.float32)
