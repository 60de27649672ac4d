"""Deep shadows without the steps of eight bits, where light is brought back to them.

A place of two or three steps holds no more than that: its colours are those of rounding and of
JPEG's blocks, which a gain of four stops makes stains. A guided filter (He, Sun and Tang, "Guided
image filtering", TPAMI 2013) keeps edges of more than the steps; chroma follows luma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.resampling import resize_part
from ldrps_engine.colour.srgb import YCC
from ldrps_engine.photo import Part

Array = NDArray[np.float32]

_STEP = 1 / 255
_LUMA_RADIUS, _CHROMA_RADIUS = 4, 8
"""Pixels; twice the sum of both is what parts overlap by."""
_EDGE = 0.4 * _STEP
"""Deviation that is taken for an edge where steps are raised twice as much as may be seen."""
_SEEN = 2.5
"""Factor above which the raised steps are seen."""
_MOST = 4.0
_TINY = 1e-9


@dataclass(frozen=True)
class Debanding:
    """Smoothing of a photo of 8 bits, as strong as its steps are raised in each place."""

    raised: Array
    """(h, w, 1) factors by which undoing the degradation raises steps, over the photo."""
    size: tuple[int, int]
    """(height, width) of the photo."""

    @classmethod
    def of(cls, guess: Degradation, scaled: Array, size: tuple[int, int]) -> Debanding | None:
        """Measure how a degradation's undoing raises steps of a small copy (h, w, 3).

        None where no step becomes visible.
        """
        step = np.float32(_STEP)
        change = (guess.invert(scaled + step) - guess.invert(scaled - step)) / (2 * step)
        raised = np.asarray(change.max(2, keepdims=True), np.float32)
        return cls(raised, size) if raised.max() > _SEEN else None

    def smooth(self, rgb: Array, part: Part) -> Array:
        """Smooth display values (h, w, 3) of a part of the photo where its steps are raised."""
        raised = resize_part(self.raised, self.size, part, smooth=True)[..., 0]
        above = np.clip(raised / _SEEN - 1, 0, _MOST)
        if not above.any():
            return rgb
        edge = _plane(np.square(_EDGE * above))
        luma = _plane(rgb @ YCC[0])
        smoothed = _guided(luma, luma, _LUMA_RADIUS, edge)
        chroma = torch.from_numpy(rgb).permute(2, 0, 1)[:, None] - luma
        followed = _guided(smoothed, chroma, _CHROMA_RADIUS, edge)
        share = _plane(np.minimum(above / 2, 1))
        found = smoothed + chroma + share * (followed - chroma)
        return np.ascontiguousarray(found[:, 0].permute(1, 2, 0).numpy())


def _plane(values: NDArray[np.generic]) -> Tensor:
    """Return values (h, w) as single precision (1, 1, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]


def _guided(guide: Tensor, values: Tensor, radius: int, edge: Tensor) -> Tensor:
    """Filter (N, 1, h, w) by a guide (1, 1, h, w); `edge` is the variance that is kept by half."""
    mean, centre = _box(guide, radius), _box(values, radius)
    variance = _box(guide * guide, radius) - mean * mean
    slope = (_box(guide * values, radius) - mean * centre) / (variance + edge + _TINY)
    return _box(slope, radius) * guide + _box(centre - slope * mean, radius)


def _box(values: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1) squared pixels, as far as they lie within the image."""
    for along in ((2 * radius + 1, 1), (1, 2 * radius + 1)):
        around = along[0] // 2, along[1] // 2
        values = avg_pool2d(values, along, 1, around, count_include_pad=False)
    return values
