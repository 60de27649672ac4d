"""Verdicts on light and haze by several judges together. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.faces import Face, find_faces
from ldrps_engine.analysis.recognition import Recognition
from ldrps_engine.analysis.samples import highest, lowest
from ldrps_engine.analysis.subject import Subject
from ldrps_engine.analysis.surroundings import in_hand, indoors, within_reach
from ldrps_engine.colour.srgb import luminance, to_linear

Array = NDArray[np.float32]

# Of 396 good photos one is as likely and as short of light as this; of 12 dark ones all are.
_LIGHT_FROM = 0.45
_SHORT_FROM = 1.3
# Of 396 good photos none reaches both: probability of backlight, and lack of light in a fifth of
# the photo.
_BACKLIT_FROM = 0.5
_BACKLIT_GAIN_FROM = 2.0
# Log-odds against missing light, for each unit by which the subject's share in the dark part is
# below this one: a flash lights near objects and leaves the rest dark. Of 18 dark and backlit
# photos all but one have 0.39 or more.
_LIT_BY_FLASH, _IN_SHADOW = 5.0, 0.4
# The same against backlight, in which the subject is in the shadow. Five of six backlit photos have
# 0.41 or more, a spotted dog before a dark room 0.22.
_SUBJECT_LIT = 12.0
# Log-odds of an object at arm's length against missing light: clothes are black, and shown on
# black. Certainty of such an object from which backlight is ruled out.
_DARK_THINGS, _SURELY_NEAR = 3.0, 0.5
# Of 100 good photos that may be backlit none has so large a face that is this short of light, by a
# factor of 2.7, before something bright.
_FACE_FROM, _FACE_BACKLIT_FROM, _FACE_GAIN_FROM = 0.1, 0.1, 1.0
_BRIGHT_FROM = 0.5
# Three stops between the face and what is bright: 6.3 times as light by day, 12.7 at dusk.
_FACE_DARKER = 8.0
# Light of clothes in the shadow, as a share of what is bright: a white shirt's 0.2; of 20 dark
# faces drawn into portraits the one that was taken for a backlit one is above clothes of 0.87.
_WORN = 0.4
# A print of one hue is faded by the judge of the scene alone, or by both judges.
_FADED_SEEN_FROM = 0.65
_FADED_ALSO_FROM = 0.4
# A photo with colours: log-odds of haze by what is seen and by its tones, and optical depths by a
# judge of depth. Of 396 good photos six have as much, of 160 others one, of 160 hazed ones 88 %.
_HAZE_SEEN, _HAZE_TONES, _HAZE_FROM = 0.6, 0.2, 2.15
# Extra log-odds needed for haze outdoors: pale ground and snow have as much. Of ten hazy landscapes
# none has less than 3.6 to spare, of rooms with haze one has 0.1.
_OUTDOORS = 0.6
# Quantiles of the depth over the photo, and their weights: a sky alone is deep in most places.
_HAZE_DEPTHS = ((0.1, 14.0), (0.5, 12.0))
# Log-odds of an object at arm's length against haze.
_WITHIN_REACH = 7.0
# The same for objects of one hue, as opposed to a print of one hue.
_PALE_THINGS = 3.0
# Share of the photo, one in so many, in which a night sky is looked for, how bright it is at the
# most, and how many times as bright the whole is. Of 108 hazy photos none has such a sky.
_ABOVE, _NIGHT_SKY, _LIT_BELOW = 8, 0.3, 1.5
# Pale things before white: three of four pixels are as bright, or half are white paper. What is
# over-exposed: two of five are burnt out. Haze is darker than white; of 22 photos with haze the
# most burnt out are one in five.
_HIGH_KEY, _PAPER, _BURNT_OUT = 0.88, 0.97, 0.97
_FADED_TONES_FROM = 0.5
_UNSURE = 1e-4


def lacks_light(colour: Array, seen: Recognition) -> bool:
    """Tell whether the scene is short of light: the whole of it, or what is before the light.

    A face in the shadow before something bright is never meant to be dark.
    """
    near, subject = within_reach(seen.seen), Subject.of(colour, seen)
    black, lit = _DARK_THINGS * near, max(_IN_SHADOW - subject.in_shadow, 0)
    backlit = seen.probabilities["backlit"]
    whole = log_odds(seen.light) - black - _LIT_BY_FLASH * lit > log_odds(_LIGHT_FROM)
    before = log_odds(backlit) - black - _SUBJECT_LIT * lit > log_odds(_BACKLIT_FROM)
    return (
        (whole and seen.shortfall > _SHORT_FROM)
        or (before and float(np.quantile(seen.gain, 0.8)) > _BACKLIT_GAIN_FROM)
        or (subject.before_sky and near < _SURELY_NEAR)
        or (backlit > _FACE_BACKLIT_FROM and _has_faces_in_shadow(colour, seen.gain))
    )


def is_high_key(colour: Array) -> bool:
    """Tell whether a photo is pale because of pale objects, white paper, or over-exposure."""
    pale, usual = np.percentile(highest(colour), (25, 50))
    burnt = np.percentile(lowest(colour), 60)
    return bool(pale > _HIGH_KEY or usual > _PAPER or burnt > _BURNT_OUT)


def is_pale(tones: float, seen: Recognition, *, is_print: bool = True) -> bool:
    """Tell whether a photo of one hue has lost its black, by its tones and its content.

    If it is not a grey or toned print, it shows objects of one hue, which may be pale themselves.
    """
    near = 0.0 if is_print else _held(seen)
    faded = log_odds(seen.hazy_or_faded) - _PALE_THINGS * near
    both = tones > _FADED_TONES_FROM and faded > log_odds(_FADED_ALSO_FROM)
    return both or faded > log_odds(_FADED_SEEN_FROM)


def is_hazy_or_faded(
    colour: Array, tones: float, seen: Recognition, *, one_hue: bool, is_print: bool
) -> bool:
    """Tell whether a photo is hazy or, if of one hue, has lost its black."""
    if one_hue:
        return is_pale(tones, seen, is_print=is_print)
    return is_hazy(colour, tones, seen)


def is_hazy(colour: Array, tones: float, seen: Recognition) -> bool:
    """Tell whether a photo with colours is hazy, by three judges together.

    An object at arm's length may be pale, but is not in haze; and haze lit by lamps at night is not
    darkest above them.
    """
    if _is_under_night_sky(colour):
        return False
    found = _HAZE_SEEN * log_odds(seen.probabilities["hazy"]) + _HAZE_TONES * log_odds(tones)
    depths = (weight * float(np.quantile(seen.haze.depth, q)) for q, weight in _HAZE_DEPTHS)
    doubt = _WITHIN_REACH * _held(seen) + _OUTDOORS * (1 - indoors(seen.seen))
    return found + sum(depths) - doubt > _HAZE_FROM


def _held(seen: Recognition) -> float:
    return max(within_reach(seen.seen), in_hand(seen.seen))


def _is_under_night_sky(colour: Array) -> bool:
    bright = highest(colour)
    above = float(np.median(bright[: max(1, len(bright) // _ABOVE)]))
    return above < _NIGHT_SKY and above * _LIT_BELOW < float(np.median(bright))


def _has_faces_in_shadow(colour: Array, gain: Array) -> bool:
    bright = float(np.quantile(colour.mean(-1), 0.9)) > _BRIGHT_FROM
    if not bright or float(gain.max()) < _FACE_GAIN_FROM:
        return False
    light = luminance(to_linear(np.clip(colour, 0, 1)))
    bright_light = float(np.quantile(light, 0.9))
    dark = bright_light / _FACE_DARKER
    side = max(light.shape)
    in_places = side / np.array(light.shape) * gain.shape

    def in_shadow(face: Face) -> bool:
        row, column = (np.array(face.middle) * in_places).astype(int)
        missing = gain[min(row, gain.shape[0] - 1), min(column, gain.shape[1] - 1)]
        half = max(face.size) / 4
        top, left = (np.maximum(np.array(face.middle) - half, 0) * side).astype(int)
        bottom, right = ((np.array(face.middle) + half) * side).astype(int) + 1
        skin = float(np.median(light[top:bottom, left:right]))
        # Dark skin in full light is above clothes in full light; a shadow covers both.
        wide = (right - left) // 2
        below = light[bottom + wide :, max(0, left - wide) : right + wide][: 4 * wide]
        worn = float(np.quantile(below, 0.9)) if below.size else 0.0
        return bool(missing >= _FACE_GAIN_FROM and skin <= dark and worn <= _WORN * bright_light)

    # If one face is lit, another dark one has dark skin, or is in the shadow of a hat.
    large = [face for face in find_faces(colour) if max(face.size) >= _FACE_FROM]
    return bool(large) and all(map(in_shadow, large))


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, which is clipped away from 0 and 1."""
    share = min(max(probability, _UNSURE), 1 - _UNSURE)
    return float(np.log(share / (1 - share)))
