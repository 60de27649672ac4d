"""The first guess at how a photo was degraded: a smooth field of gain and veil. No torch.

It is where F-PAM starts, and so where restoration stands when the prior has nothing to add.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour import luminance, to_display, to_linear
from ldrps_engine.diagnosis import Diagnosis, dark_channel
from ldrps_engine.exposure import expected_level
from ldrps_engine.resampling import Part, resize, resize_part
from ldrps_engine.shade import expected_shade

Array = NDArray[np.float32]

LOWEST_GAIN = 0.01
"""Light below a hundredth of what it should be is not brought back: it is noise alone."""

# He, Sun and Tang keep a little haze for the eye (omega 0.95); on whole photos the dark channel
# is never quite black, so more is kept.
_OMEGA = 0.9
# Parts as bright as the air itself (sky, snow) cannot tell their transmission.
_TELLING = 0.8
_TELLING_SHARE = 75
_FLOOR = (0.25, 0.9)
_TRANSMISSION = (0.2, 1.0)
# A bright thing reads as a thick veil, so only part of the differences is believed.
_DEPTH_SHARE = 0.5


@dataclass(frozen=True)
class Degradation:
    """degraded = clean * gain + veil, in light or in display values. Neutral: 1 and 0."""

    gain: Array
    """(h, w, 3) on a grid of any size over the photo."""
    veil: Array
    """(h, w, 3), same grid."""
    space: str
    """`light` or `display`: the values in which the equation holds."""
    grey: bool = False
    """Whether the colours were lost as well."""

    @property
    def is_neutral(self) -> bool:
        """Whether there is no tone or colour to bring back."""
        return not self.grey and bool(np.all(self.gain == 1) and np.all(self.veil == 0))

    def invert(self, rgb: Array) -> Array:
        """Undo gain and veil on an (H, W, 3) image of display values."""
        height, width = rgb.shape[:2]
        return self.invert_part(rgb, (height, width), (slice(0, height), slice(0, width)))

    def invert_part(self, rgb: Array, size: tuple[int, int], part: Part) -> Array:
        """The same on the rows and columns `part` of an image of (height, width) `size`."""
        gain = resize_part(self.gain, size, part, smooth=True)
        veil = resize_part(self.veil, size, part, smooth=True)
        if self.space == "display":
            return np.asarray((rgb - veil) / gain)
        return to_display((to_linear(rgb) - veil) / gain)

    def amplification(self, rgb: Array) -> float:
        """By how much undoing it amplifies noise, root mean square over the image."""
        step = np.float32(2 / 255)
        change = self.invert(rgb + step) - self.invert(rgb)
        return float(np.sqrt((change**2).mean()) / step)


NEUTRAL = Degradation(np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32), "light")
"""Nothing was lost."""


def first_guess(rgb: Array, diagnosis: Diagnosis, recipe: str) -> Degradation:
    """The degradation of (H, W, 3) display values that diagnosis and recipe speak of."""
    if recipe == "colour":
        return replace(NEUTRAL, grey=True)
    if recipe == "old-photo" or diagnosis.is_faded:
        return _faded(rgb)
    if diagnosis.is_dark:
        return _darkened(rgb)
    if diagnosis.is_hazy:
        return _hazed(rgb)
    return NEUTRAL


def _faded(rgb: Array) -> Degradation:
    """Each dye has lost range of its own: its ends are brought most of the way back."""
    low, high = np.percentile(rgb.reshape(-1, 3), (0.5, 99.5), axis=0)
    low, high = 0.8 * low, 0.2 + 0.8 * high
    gain = np.maximum(high - low, 0.2).astype(np.float32)
    return Degradation(gain[None, None], low[None, None].astype(np.float32), "display")


def _darkened(rgb: Array) -> Degradation:
    """Less light, the same everywhere; how much less is judged by what good photos have."""
    light = to_linear(rgb)
    gain = float(luminance(light).mean()) / expected_level(light)
    field = np.full((1, 1, 3), np.clip(gain, LOWEST_GAIN, 1.0), np.float32)
    return Degradation(field, np.zeros_like(field), "light")


def _hazed(rgb: Array) -> Degradation:
    """Koschmieder's veil. Where it is thick, the dark channel tells (He, Sun and Tang, CVPR 2009);
    how thick on the whole, the dark channel and the shade that good photos have, half and half.
    """
    air = _airlight(rgb)
    dark = _minimum(dark_channel(rgb / air, patches=max(rgb.shape[:2]) // 4), 2)
    floor = _floor(dark)
    guide = _shrink(luminance(rgb), dark.shape)
    smooth = _guided(guide, np.clip(1 - _OMEGA * dark, floor, 1), radius=8, epsilon=1e-2)
    through = np.log(np.clip(smooth, floor, 1))
    level = float(through.mean())
    depth = np.exp(_DEPTH_SHARE * (through - level)).astype(np.float32)
    even = air - (air - rgb) / resize(depth[..., None], rgb.shape[:2], smooth=True)
    is_level, expected = expected_shade(even, air)
    level = (level + is_level - expected) / 2
    gain = np.clip(depth * np.exp(level), *_TRANSMISSION)[..., None].repeat(3, 2)
    gain = gain.astype(np.float32)
    return Degradation(gain, ((1 - gain) * air).astype(np.float32), "display")


def _floor(dark: Array) -> float:
    """Least transmission anywhere: that of the haziest parts which can tell theirs."""
    telling = dark[dark < _TELLING]
    share = np.percentile(telling, _TELLING_SHARE) if telling.size > 50 else 0.5
    return float(np.clip(1 - _OMEGA * share, *_FLOOR))


def _airlight(rgb: Array) -> Array:
    """Colour of the haze, (3,): the haziest half percent of the scene, half way to neutral."""
    lowest = rgb.min(-1).ravel()
    count = max(16, lowest.size // 200)
    haziest = np.argpartition(lowest, -count)[-count:]
    colour = np.maximum(np.median(rgb.reshape(-1, 3)[haziest], axis=0), 0.3)
    return np.asarray((colour + colour.max()) / 2, dtype=np.float32)


def _minimum(values: Array, radius: int) -> Array:
    padded = np.pad(values, radius, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1,) * 2)
    return np.asarray(windows.min((2, 3)))


def _shrink(values: Array, shape: tuple[int, ...]) -> Array:
    size = max(1, values.shape[0] // shape[0])
    height, width = shape[0] * size, shape[1] * size
    return np.asarray(values[:height, :width].reshape(shape[0], size, shape[1], size).mean((1, 3)))


def _guided(guide: Array, values: Array, radius: int, epsilon: float) -> Array:
    """Guided filter (He, Sun and Tang, ECCV 2010) of a small image by a grey guide."""
    mean_g, mean_v = _box(guide, radius), _box(values, radius)
    slope = (_box(guide * values, radius) - mean_g * mean_v) / (
        _box(guide * guide, radius) - mean_g**2 + epsilon
    )
    offset = mean_v - slope * mean_g
    return _box(slope, radius) * guide + _box(offset, radius)


def _box(values: Array, radius: int) -> Array:
    padded = np.pad(values.astype(np.float64), radius, mode="edge")
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    side = 2 * radius + 1
    window = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(window / side**2, dtype=np.float32)
