"""Subjects in the shadow before a bright sky or window. No torch.

Light alone does not show whether the dark is meant: a skyline or a black car is as dark next to
what is bright. Three more things count. The encoder says what the photo is about: places that
excite it most. The expectation says how much light such a place has, and whether it is the scene
that is so bright behind it, as a sky is, or only a white wall on which a dark thing hangs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.expectation import DARKEST, log_light
from ldrps_engine.analysis.recognition import Recognition
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.view import view_size
from ldrps_engine.colour.srgb import luminance, to_linear

Array = NDArray[np.float32]

# Light of a bright place, and share of them before which a subject is dark.
_BRIGHT, _BRIGHTLY = np.log(0.35 + DARKEST), 0.3
# Share of what the photo is about that lies in its dark part.
_IN_SHADOW = 0.4
# Natural log of the light that what it is about has too little.
_SHORT = 0.3
# Light of the middle dark place below which nothing is left to be brought up: silhouettes and black
# cloth. Real subjects in the shadow have four times as much.
_SHOWN = np.log(0.005 + DARKEST)
# Natural log of the light that the bright part should have more than the dark one: of a sky 1.9 and
# 2.2 in real backlit photos, of a white wall or carpet 0.6 to 1.63.
_BEHIND = 1.75


@dataclass(frozen=True)
class Subject:
    """Subject of a photo, and the light that falls on it."""

    in_shadow: float
    """Share of it, 0 to 1, that lies in the darker of the photo's two classes of light."""
    before_sky: bool
    """Tell whether it is dark before a bright sky or window."""

    @classmethod
    def of(cls, colour: Array, seen: Recognition) -> Subject:
        """Look for what an image (H, W, 3) is about."""
        view = np.clip(resize(colour, view_size(*colour.shape[:2]), smooth=True), 0, 1)
        light, expected = log_light(np.maximum(luminance(to_linear(view)), 0)), seen.expected_light
        dark = light <= _between(light)
        if dark.all():
            return cls(1.0, False)
        about = _importance(seen.seen.coarse, light.shape)
        in_shadow = float(about[dark].sum())
        behind = float(expected[~dark].mean() - expected[dark].mean())
        short = float((about * (expected - light)).sum())
        shown = float(np.median(light[dark])) > _SHOWN
        brightly = (light > _BRIGHT).mean() >= _BRIGHTLY and shown
        before = brightly and in_shadow > _IN_SHADOW and short > _SHORT and behind > _BEHIND
        return cls(in_shadow, bool(before))


def _importance(coarse: Array, size: tuple[int, int]) -> Array:
    """Return how much of what the photo is about is in each place (h, w); 1 in all."""
    energy = (np.maximum(coarse, 0) ** 2).mean(-1, keepdims=True)
    smooth = resize(np.ascontiguousarray(energy, np.float32), size, smooth=True)[..., 0]
    about = np.maximum(smooth, 0) ** 2
    return np.asarray(about / max(float(about.sum()), 1e-9), np.float32)


def _between(values: Array) -> float:
    """Return the largest of the lower of two classes that differ most (Otsu 1979)."""
    ordered = np.sort(values, axis=None)
    below = np.arange(1, ordered.size)
    sums = ordered.cumsum()
    lower, upper = sums[:-1] / below, (sums[-1] - sums[:-1]) / (ordered.size - below)
    return float(ordered[int((below * (ordered.size - below) * (upper - lower) ** 2).argmax())])
