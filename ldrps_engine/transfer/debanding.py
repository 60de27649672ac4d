"""Deep shadows without the steps of eight bits, where light is brought back to them.

A place of two or three steps holds no more than that: its colours are those of rounding and of
JPEG's blocks, which a gain of four stops makes stains. A guided filter keeps edges of more than the
steps; chroma follows luma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.guided_filter import guided
from ldrps_engine.analysis.resampling import resize_part
from ldrps_engine.colour.srgb import YCC
from ldrps_engine.photo import Part

Array = NDArray[np.float32]

_STEP = 1 / 255
# Pixels; twice the sum of both is what parts overlap by.
_LUMA_RADIUS, _CHROMA_RADIUS = 4, 8
# Deviation that is taken for an edge where steps are raised twice as much as may be seen.
_EDGE = 0.4 * _STEP
# Factor above which the raised steps are seen.
_SEEN = 2.5
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
        edge = np.square(_EDGE * above) + _TINY
        share = np.minimum(above / 2, 1)
        luma = np.asarray(rgb @ YCC[0], np.float32)
        smoothed = guided(luma, luma, _LUMA_RADIUS, edge)
        out = np.empty_like(rgb)
        for channel in range(3):
            chroma = rgb[..., channel] - luma
            followed = guided(smoothed, chroma, _CHROMA_RADIUS, edge)
            out[..., channel] = smoothed + chroma + share * (followed - chroma)
        return out
