"""Subjects in the shadow before a bright sky or window. No torch.

Light alone does not show whether the darkness is intended: a skyline or a black car is as dark next
to a bright part. Three more things count. The encoder locates the subject: the places that excite
it most. The expectation predicts how much light such a place has, and whether the scene behind it
is naturally bright, like a sky, or only a white wall with a dark object on it.
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

# Light of a bright place, and the least share of such places behind a dark subject.
_BRIGHT, _BRIGHTLY = np.log(0.35 + DARKEST), 0.3
# Least share of the subject in the photo's dark part.
_IN_SHADOW = 0.4
# Natural log of the light that the subject lacks.
_SHORT = 0.3
# Light of the median dark place below which there is nothing to bring up: silhouettes and black
# cloth. Real subjects in the shadow have four times as much.
_SHOWN = np.log(0.005 + DARKEST)
# Natural log of the expected ratio of light between bright and dark part: 1.9 and 2.2 for a sky in
# real backlit photos, 0.6 to 1.63 for a white wall or carpet.
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
        """Locate the subject of an image (H, W, 3)."""
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
    """Return the share of the subject in each place (h, w), 1 in total."""
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
