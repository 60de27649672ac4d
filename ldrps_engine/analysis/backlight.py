"""Light for objects in front of a bright sky, window or lamp: a smooth gain field. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.guided_filter import guided
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.samples import highest
from ldrps_engine.colour.srgb import luminance, to_linear

Array = NDArray[np.float32]

_SIDE = 192
_RADIUS = 10
_EPSILON = 0.15
# Natural log of the greatest gain: about four stops.
_MOST = 3.0
# Share of the missing light that is brought back: the photo should still look backlit.
_SHARE = 0.8
_CEILING = 0.8
_FLOOR = 2e-3


def backlight_gain(rgb: Array, missing: Array) -> Array:
    """Return the share of light (h, w), at most 1, at each place of (H, W, 3) display values.

    `missing` (h', w') is the natural log of the light that is missing, on a coarse grid. The field
    follows the edges of the log of light (guided filter; He, Sun and Tang, ECCV 2010), and nowhere
    brings light above white.
    """
    scale = _SIDE / min(rgb.shape[:2])
    size = (round(rgb.shape[0] * scale), round(rgb.shape[1] * scale))
    small = resize(rgb, size, smooth=True)
    light = np.log(np.maximum(luminance(to_linear(small)), 0) + _FLOOR)
    wanted = resize(np.ascontiguousarray(missing[..., None]), size, smooth=True)[..., 0]
    field = guided(light, wanted, _RADIUS, _EPSILON)
    brightest = np.log(np.maximum(highest(to_linear(small)), _FLOOR))
    field = np.minimum(_SHARE * field, np.log(_CEILING) - brightest)
    return np.asarray(np.exp(-np.clip(field, 0, _MOST)), np.float32)
