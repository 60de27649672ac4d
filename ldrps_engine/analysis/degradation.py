"""The first guess at how a photo was degraded: a smooth field of gain and offset. No torch.

F-PAM starts from it, so it is the restoration if the prior has nothing to add.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.amounts import Amounts
from ldrps_engine.analysis.backlight import backlight_gain
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.expectation import CELL, log_light
from ldrps_engine.analysis.haze import haze_of
from ldrps_engine.analysis.recognition import Recognition
from ldrps_engine.analysis.resampling import resize, resize_part, squares
from ldrps_engine.analysis.scene_levels import expected_level
from ldrps_engine.analysis.surroundings import indoors
from ldrps_engine.analysis.tone_curve import ToneCurve
from ldrps_engine.colour.srgb import (
    SLOPE,
    luminance,
    plausible,
    roll_off,
    roll_off_gain,
    to_display,
    to_linear,
)
from ldrps_engine.photo import Part

Array = NDArray[np.float32]

LOWEST_GAIN = 1 / 256
"""Light is brought back by eight stops at most: anything darker is noise alone."""

_BRIGHT, _WIDE = 99.9, 98.5
_BACKLIT_FROM, _BACKLIT_SURELY = 0.2, 0.5
# Joint error of both judges, who estimate the log of light: the mean of light lies above.
_LEVEL_DOUBT = 0.45
# Percentiles of light: the middle of the scene, and its lights.
_HALF, _LIGHTS = 50, 99.5
# Ranges of the highlights' light, and of the natural log of their ratio to the middle, over which a
# photo increasingly counts as exposed for them.
_LIT, _LIGHTS_APART = (0.12, 0.25), (2.5, 3.3)
# Range of that log over which the middle is increasingly taken for night, and stays dark.
_NIGHT = (5.5, 7.0)
# Range of the natural log of the gain without that, over which the rest of a photo increasingly
# counts as too dark.
_NEEDY = (0.8, 1.8)
# Natural log of the extra gain of such a photo; never more than the gain without it.
_MORE = 1.5
# Mean share of light above which bringing it back would hardly be visible.
_HARDLY = 0.75
_DARKEST = 2
_BLACK_BLOCK = 4
# One step of eight bits, near black, in light.
_ONE_STEP = 1 / 255 / SLOPE
_MOST_WHITE = 4.0
# Least channel of shadows, as a share of luminance: only clipped colours are more saturated.
_LEAST = 0.2
_DIMMEST = 1e-5
_LOG_GAINS = (0.0, -float(np.log(LOWEST_GAIN)))
_HALVINGS = 20
_NO_OFFSET = 1e-4


@dataclass(frozen=True)
class Degradation:
    """degraded = clean * gain + offset, in light or in display values. Neutral: 1 and 0.

    In light, `clean` is the scene's light; a photo shows it with its highlights rolled off.
    """

    gain: Array
    """(h, w, 3) on a grid of any size over the photo."""
    offset: Array
    """(h, w, 3), same grid."""
    space: str
    """`light` or `display`: the values in which the equation holds."""
    _: KW_ONLY
    white: float = 1.0
    """Light of the scene that is white in the clean photo, see `colour.roll_off`."""
    least: float = 0.0
    """Least share of luminance in each channel of dark photos' shadows, see `colour.plausible`."""
    unsure: float = 0.0
    """Light of the dark photo below which it hardly holds a colour, see `colour.plausible`."""
    grey: bool = False
    """True if the colours were lost as well."""
    curve: ToneCurve | None = None
    """Cast or fading on top of gain and offset; None: there is none."""

    @property
    def is_neutral(self) -> bool:
        """Tell whether there is no tone or colour to bring back."""
        changed = self.grey or self.curve is not None
        return not changed and bool(np.all(self.gain == 1) and np.all(self.offset == 0))

    def raised(self, amount: float) -> Degradation:
        """Return the degradation to the power of `amount`: 0 is none, 2 applies it twice.

        For display values, in which gain and offset leave one value unchanged: the colour of the
        air, or the one to which dyes fade.
        """
        if amount == 1:
            return self
        gain = self.gain ** np.float32(amount)
        left = 1 - self.gain
        share = np.where(
            np.abs(left) > _NO_OFFSET, (1 - gain) / np.where(left == 0, 1, left), amount
        )
        return replace(self, gain=gain, offset=(self.offset * share).astype(np.float32))

    def invert(self, rgb: Array) -> Array:
        """Undo curve, gain and offset on an (H, W, 3) image of display values."""
        height, width = rgb.shape[:2]
        return self.invert_part(rgb, (height, width), (slice(0, height), slice(0, width)))

    def invert_part(self, rgb: Array, size: tuple[int, int], part: Part) -> Array:
        """The same on the rows and columns `part` of an image of (height, width) `size`."""
        if self.curve is not None:
            rgb = self.curve.undo(rgb)
        gain = resize_part(self.gain, size, part, smooth=True)
        offset = resize_part(self.offset, size, part, smooth=True)
        if self.space == "display":
            return np.asarray((rgb - offset) / gain)
        light = plausible((to_linear(rgb) - offset) / gain, gain, self.least, self.unsure)
        return to_display(roll_off(light, self.white))

    def amplification(self, rgb: Array, level: Array | None = None) -> float:
        """Measure how much undoing it amplifies noise, root mean square over the image.

        `level` (H, W, 3) is the relative strength of the noise that is amplified.
        """
        step = np.float32(2 / 255)
        change = np.full_like(rgb, step)
        if not self.is_neutral or self.white != 1:
            change = self.invert(rgb + step) - self.invert(rgb)
        if level is not None:
            change = change * level
        return float(np.sqrt((change**2).mean()) / step)


NEUTRAL = Degradation(np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32), "light")
"""Nothing was lost."""


def first_guess(
    rgb: Array,
    diagnosis: Diagnosis,
    recipe: str,
    seen: Recognition | None = None,
    amounts: Amounts | None = None,
    curve: ToneCurve | None = None,
) -> Degradation:
    """The degradation of (H, W, 3) display values found by diagnosis and recipe.

    `seen` shows where light is missing, `amounts` scale the correction of light and haze, and
    `curve` is the correction of casts and fading.
    """
    amounts = amounts or Amounts()
    if curve is not None:
        curve = curve.within(rgb)
        below = _beneath(curve.undo(rgb), diagnosis, recipe, seen, amounts)
        # With a curve alone, all other display values stay unchanged, even those beyond white.
        return replace(below, curve=curve, space="display" if below is NEUTRAL else below.space)
    return _beneath(rgb, diagnosis, recipe, seen, amounts)


def _beneath(
    rgb: Array, diagnosis: Diagnosis, recipe: str, seen: Recognition | None, amounts: Amounts
) -> Degradation:
    """The degradation beneath casts and fading: too little light, or haze."""
    if recipe == "colour":
        return NEUTRAL
    if diagnosis.is_dark and amounts.light:
        weight = _backlight(diagnosis)
        guess = _darkened(rgb, seen, weight, amounts.light)
        if recipe == "low-light" and weight < 1 and guess.gain.mean() > _HARDLY:
            # Asking for light in a photo that has enough on the whole means its dark places.
            return _darkened(rgb, seen, 1.0, amounts.light)
        return guess
    if diagnosis.is_hazy and amounts.haze:
        gain, offset = haze_of(rgb, indoors(seen.seen) if seen else 0.0)
        return Degradation(gain, offset, "display").raised(amounts.haze)
    return NEUTRAL


def _backlight(diagnosis: Diagnosis) -> float:
    """Certainty that light comes from within the photo, 0 to 1."""
    backlit = diagnosis.probabilities.get("backlit", 0.0)
    return float(np.clip((backlit - _BACKLIT_FROM) / (_BACKLIT_SURELY - _BACKLIT_FROM), 0, 1))


def _darkened(
    rgb: Array, seen: Recognition | None, weight: float, amount: float = 1.0
) -> Degradation:
    """Degradation by missing light, estimated from good photos of similar scenes.

    `weight`, 0 to 1, is the certainty that light comes from within the photo; `amount` is the
    power to which the gain is raised.

    Highlights are rolled off, as cameras do, instead of all turning white. Two judges estimate how
    much light is missing: the shape of the light's distribution, and the light expected in the
    middle of such a scene's places. In front of a lamp or a window the first sees a night scene, so
    the second weighs more, the more certain such a light is. Both mistake a photo exposed for its
    lights, with all else dark, for a good one with deep shadows, so that one is given more light.
    """
    light = to_linear(rgb)
    black = _black(light)
    shading = np.ones((1, 1), np.float32)
    if seen and weight:
        shading = backlight_gain(rgb, seen.gain) ** np.float32(weight)
    lights = float(np.percentile(luminance(light), _LIGHTS))
    brightest = float(light.max())
    light = (light - black) / resize(shading[..., None], rgb.shape[:2], smooth=True)
    scene = _Scene.of(light, brightest)
    log_gain = scene.gain_to_level(expected_level(light))
    if seen:
        of_places = scene.gain_to_places(light, seen.expected_light)
        even = (log_gain + of_places) / 2
        log_gain = even + weight * (max(log_gain, of_places) - even) + _LEVEL_DOUBT**2 / 2
    needy = max(weight, _rise(log_gain, _NEEDY))
    more = needy * scene.exposed_for(lights) * min(log_gain, _MORE)
    log_gain = min(log_gain + more, _LOG_GAINS[1])
    if amount != 1:
        shading = shading ** np.float32(amount)
        scene = _Scene.of(
            (to_linear(rgb) - black) / resize(shading[..., None], rgb.shape[:2], smooth=True),
            brightest,
        )
        log_gain = min(amount * log_gain, _LOG_GAINS[1])
    gain = float(np.exp(log_gain))
    field = np.repeat(shading[..., None] / np.float32(gain), 3, axis=2)
    offset = np.broadcast_to(black, field.shape).astype(np.float32)
    white = scene.white(gain, _MOST_WHITE * float(np.exp(more)))
    return Degradation(field, offset, "light", white=white, least=_LEAST)


@dataclass(frozen=True)
class _Scene:
    """The light of a dark photo, to be scaled by one gain."""

    light: Array
    """(H, W) luminance."""
    bright: float
    """Luminance of its lights."""
    wide: float
    """Luminance of a window or sky, which are wider than lamps and must not burn out."""
    brightest: float
    """Most light in any channel of the photo as it is."""

    @classmethod
    def of(cls, light: Array, brightest: float) -> _Scene:
        scene = np.maximum(luminance(light), 0)
        wide, bright = np.percentile(scene, (_WIDE, _BRIGHT))
        return cls(scene, float(bright), float(wide), brightest)

    def exposed_for(self, lights: float) -> float:
        """Certainty, 0 to 1, that a photo was exposed for its lights, and the rest is too dark.

        The lights are nearly as bright as a photo can be, and far brighter than the middle; if the
        middle is darker still, it is night.
        """
        light = np.maximum(self.light, _DIMMEST)
        middle, bright = np.log(np.percentile(light, (_HALF, _LIGHTS)))
        apart = float(bright - middle)
        return _rise(lights, _LIT) * _rise(apart, _LIGHTS_APART) * (1 - _rise(apart, _NIGHT))

    def white(self, gain: float, most: float = _MOST_WHITE) -> float:
        """Luminance that becomes white after a gain; at most `most`, unless it was white before."""
        return _white(gain, self.bright, self.brightest, max(most, gain * self.wide))

    def shown(self, light: Array, log_gain: float) -> Array:
        """Light as the photo shows it after the gain."""
        gain = np.float32(np.exp(log_gain))
        lit = gain * light
        shown = np.minimum(lit * roll_off_gain(lit, self.white(float(gain))), 1)
        return np.asarray(shown, np.float32)

    def gain_to_level(self, level: float) -> float:
        """Log of the gain that brings the mean to a level."""
        return _root(lambda g: float(self.shown(self.light, g).mean()) - level, _LOG_GAINS)

    def gain_to_places(self, light: Array, expected: Array) -> float:
        """Log of the gain after which half of the places (h, w) are as bright as expected."""
        size = (expected.shape[0] * CELL, expected.shape[1] * CELL)
        small = np.maximum(luminance(resize(light, size, smooth=True)), 0)

        def excess(log_gain: float) -> float:
            return float(np.median(log_light(self.shown(small, log_gain)) - expected))

        return _root(excess, _LOG_GAINS)


def _black(light: Array) -> Array:
    """Excess of each channel (3,) in the darkest parts, which should have no colour.

    It is a black level that is wrong, by at most one step of eight bits: with much light brought
    back, all shadows get a cast from it.
    """
    means = squares(light, _BLACK_BLOCK).mean((1, 3))
    darkest = np.percentile(means, _DARKEST, axis=(0, 1))
    excess = np.clip(darkest - darkest.min(), 0, _ONE_STEP)
    return np.asarray(excess, dtype=np.float32)


def _white(gain: float, bright: float, brightest: float, most: float) -> float:
    """White point, which rises with the gain so that bright parts stay below it.

    Nothing becomes darker than it was, not even values above white: `roll_off` of `gain` times the
    brightest is at least that.
    """
    white = max(2 - 1 / gain, min(gain * bright, most))
    room = 1 - (1 - 1 / gain) / max(brightest, 1e-6)
    return min(white, float(np.sqrt(gain / room))) if room > 0 else white


def _rise(value: float, bounds: tuple[float, float]) -> float:
    """Return 0 below the bounds, 1 above them, and the proportion between them."""
    low, high = bounds
    return float(np.clip((value - low) / (high - low), 0, 1))


def _root(function: Callable[[float], float], bounds: tuple[float, float]) -> float:
    """Find the zero of an increasing function, or return the nearer bound."""
    low, high = bounds
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return bounds[0] if function(bounds[0]) >= 0 else high
