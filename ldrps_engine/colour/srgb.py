"""Between display values and light: the sRGB transfer curve (IEC 61966-2-1), for numpy arrays.

`priors.srgb` has the same curve for tensors, with the constants from here.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Precision = TypeVar("Precision", bound=np.floating[Any])

EXPONENT, SCALE, OFFSET = 2.4, 1.055, 0.055
SLOPE = 12.92
"""Display values over light in the curve's straight part, which ends at the next two."""
STRAIGHT_DISPLAY, STRAIGHT_LIGHT = 0.04045, 0.0031308

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear sRGB in luminance (ITU-R BT.709)."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of display values in luma (ITU-R BT.601)."""

YCC = np.array([LUMA, [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
"""Rows that make luma, Cb and Cr of display values (ITU-R BT.601)."""


FLARE = 0.003
"""Light that a well exposed photo has where the scene has none: about ten steps of eight bits."""

SHADOW = 8 / 255 / SLOPE
"""Light below which a photo of eight bits has no certain colours: eight of its steps near black."""

TINY = 1e-12
"""Added to squares of light that may be 0, before they divide."""


def decode(values: NDArray[Precision]) -> NDArray[Precision]:
    """Display values to light, in the precision of `values`.

    Odd around 0 and open above 1, so that nothing is clipped.
    """
    size = np.abs(values)
    curve = ((size + OFFSET) / SCALE) ** EXPONENT
    light = np.where(size <= STRAIGHT_DISPLAY, size / SLOPE, curve)
    signed: NDArray[Precision] = np.copysign(light, values)
    return signed


def encode(light: NDArray[Precision]) -> NDArray[Precision]:
    """Light to display values, in the precision of `light`; the inverse of `decode`."""
    size = np.abs(light)
    curve = SCALE * np.maximum(size, 1e-12) ** (1 / EXPONENT) - OFFSET
    values = np.where(size <= STRAIGHT_LIGHT, SLOPE * size, curve)
    signed: NDArray[Precision] = np.copysign(values, light)
    return signed


def to_linear(values: Array) -> Array:
    """Display values to light in single precision, see `decode`."""
    return np.asarray(decode(values), dtype=np.float32)


def to_display(light: Array) -> Array:
    """Light to display values in single precision, see `encode`."""
    return np.asarray(encode(light), dtype=np.float32)


def luminance(light: Array) -> Array:
    """(H, W) luminance of (H, W, 3) linear light."""
    return np.asarray(light @ LUMINANCE, dtype=np.float32)


def roll_off(light: Array, white: float) -> Array:
    """Light (H, W, 3) of a scene as a photo shows it: what is brighter than white is bent below it.

    All three channels by their luminance keeps colours; each by itself, as on film, makes lights
    pale. The brighter, the more it is the second. `white` is the light that becomes 1; with a
    `white` of 1 nothing changes.
    """
    if white == 1:
        return light
    common = roll_off_gain(luminance(light), white)[..., None]
    own = roll_off_gain(light, white)
    return np.asarray(light * (common + (1 - common) * (own - common)), dtype=np.float32)


def roll_off_gain(scene: Array, white: float) -> Array:
    """Factor that `roll_off` multiplies light by, in all channels or each.

    Reinhard, Stark, Shirley and Ferwerda, "Photographic tone reproduction for digital images"
    (SIGGRAPH 2002), equation 4.
    """
    scene = np.maximum(scene, 0)
    return np.asarray((1 + scene / white**2) / (1 + scene), dtype=np.float32)


def plausible(light: Array, share: Array, least: float, unsure: float) -> Array:
    """Light (H, W, 3) of a scene without colours that a dark photo only seems to have.

    `share` (H, W, 3), at most 1, is how much of the light the photo got. A channel of which it got
    nothing was cut off at black, by the sensor or the camera's colour matrix: in shadows it has at
    least `least` of the luminance; lamps keep their colour. Where the photo's luminance is about
    `unsure`, half of the colour is rounding and noise, and fades. What was cut off at black lies,
    as in other photos, a little above it. All hold as far as light was missing.
    """
    if not (least or unsure):
        return light
    scene = np.maximum(luminance(light), 0)[..., None]
    missing = np.maximum(1 - share, 0)
    there = np.square(share * scene)
    fading = missing * np.float32(unsure**2) / (there + np.float32(unsure**2 + TINY))
    faded = light + fading * (scene - light)
    shadow = np.float32(SHADOW**2) / (there + np.float32(SHADOW**2))
    whole = np.maximum(faded, np.float32(least) * shadow * missing * scene)
    return np.asarray(whole + np.float32(FLARE) * missing, np.float32)
