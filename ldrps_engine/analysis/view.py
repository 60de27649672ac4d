"""The view in which exposure, haze and colour are normalised away. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]

MULTIPLE = 32
_AREA = 160 * 160
_ENDS = (1, 99)
_MEDIAN = 0.45
_MEDIAN_BETWEEN = (0.1, 0.9)
_LEAST_RANGE = 0.02
_LEAST = 1e-4


def normalised_luma(rgb: Array) -> Array:
    """Luma (H, W) of display values (H, W, 3) in [0, 1], its ends stretched and its median moved.

    The 1st and 99th percentile go to 0 and 1, then a power moves the median to 0.45.
    """
    curve = ToneNormalisation.of(rgb @ YCC[0])
    return curve.apply(rgb @ YCC[0])


class ToneNormalisation:
    """The stretch and power by which `normalised_luma` moves one photo's tones."""

    def __init__(self, low: float, high: float, power: float) -> None:
        self.low, self.high, self.power = low, high, power

    @classmethod
    def of(cls, luma: Array) -> ToneNormalisation:
        """Fit to a luma (H, W) of display values."""
        low, high = (float(v) for v in np.percentile(luma, _ENDS))
        high = max(high, low + _LEAST_RANGE)
        median = float(np.median(np.clip((luma - low) / (high - low), 0, 1)))
        power = np.log(_MEDIAN) / np.log(np.clip(median, *_MEDIAN_BETWEEN))
        return cls(low, high, float(power))

    def apply(self, values: Array) -> Array:
        """Move display values of any shape, of one channel or of all three."""
        unit = np.clip((values - self.low) / (self.high - self.low), _LEAST, 1)
        return np.asarray(unit**self.power, dtype=np.float32)


def view_size(height: int, width: int) -> tuple[int, int]:
    """Size (h, w) of a photo's view: multiples of 32, about 25,600 pixels, aspect roughly kept."""
    scale = (_AREA / (height * width)) ** 0.5
    sides = (max(2, round(side * scale / MULTIPLE)) for side in (height, width))
    h, w = (min(side, 12) * MULTIPLE for side in sides)
    return h, w
