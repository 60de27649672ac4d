"""Transmission and airlight of the haze over a photo: where F-PAM's field begins. No torch.

Two judges tell how thick haze is, and their mean is believed: a network that knows what lies far
away in such a scene (`haze_field`), and what every photo shows, its dark channel and its tones.
They err otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.diagnosis import dark_channel
from ldrps_engine.analysis.guided_filter import guided
from ldrps_engine.analysis.haze_field import haze_field
from ldrps_engine.analysis.resampling import resize, squares
from ldrps_engine.analysis.samples import lowest
from ldrps_engine.analysis.scene_levels import expected_airlight_contrast, expected_midtone
from ldrps_engine.analysis.tone import judge_tone
from ldrps_engine.colour.srgb import luminance

Array = NDArray[np.float32]

# He, Sun and Tang keep a little haze for the eye (omega 0.95); on whole photos the dark channel
# is never quite black, so more is kept.
_OMEGA = 0.9
# Parts as bright as the air itself (sky, snow) cannot tell their transmission.
_TELLING = 0.8
_TELLING_SHARE = 75
_FLOOR = (0.25, 0.9)
_TRANSMISSION = (0.2, 1.0)
# A bright thing reads as thick haze, so only part of the differences is believed.
_DEPTH_SHARE = 0.4
_DEPTH_SHARE_ALONE = 0.8
_CLEAR_BELOW, _HAZY_FROM = 0.2, 0.55
_MIDTONE_SHARE = 0.4
_BELOW_BLACK = 0.5
# Haze that both judgements leave, in the logarithm of transmission.
_STILL_HAZY = 0.02
_LEAST_LEFT, _AIR = 0.02, (0.2, 1.05)
# Addition to the half that the judge of depth counts, in rooms.
_KNOWS_ROOMS = 0.1
# Factor for the mean of two judges: each hides what it is unsure of, and their mean more so.
_SPREAD = 1.1
# Additions to that factor in rooms, for the mean depth and for its differences: a far wall is many
# times as far away as the chair before it. Landscapes have no such steps.
_THICKER, _DEEPER = 0.25, 0.5
# Places along the short side of which each tells how thick haze before it can be at the most, and
# how far around, in places, that holds.
_PLACES, _PLACE_REACH = 80, 3
# Light that the darkest of a place may keep above black, and least transmission there.
_DARK_SLACK, _THICKEST = 0.02, 0.05


def haze_of(rgb: Array, indoors: float = 0.0) -> tuple[Array, Array]:
    """Return gain and offset (h, w, 3) of the haze over (H, W, 3) display values.

    `indoors` is how surely, 0 to 1, it is the haze of a room.
    """
    through, shown_air = _by_statistics(rgb)
    field = haze_field(rgb)
    far = resize(field.depth[..., None], through.shape, smooth=True)[..., 0]
    share = 0.5 + indoors * _KNOWS_ROOMS
    judged = share * far - (1 - share) * np.log(through)
    level = float(judged.mean())
    thicker, deeper = _SPREAD + indoors * _THICKER, _SPREAD + indoors * _DEEPER
    air = (field.air + shown_air) / 2
    # Nothing in a room is so far away that it has the air's colour, and what is haziest is dimmer.
    air = (air + indoors * np.abs(field.air - shown_air) / 2).astype(np.float32)
    depth = np.asarray(thicker * level + deeper * (judged - level), np.float32)
    if indoors:
        depth -= np.float32(indoors) * _beyond_dark_channel(depth, rgb, air)
    gain = np.clip(np.exp(-depth), *_TRANSMISSION)[..., None].repeat(3, 2).astype(np.float32)
    return _within_black(gain, ((1 - gain) * air).astype(np.float32), rgb, air)


def _by_statistics(rgb: Array) -> tuple[Array, Array]:
    """Transmission (h, w) and the colour (3,) of the air, by dark channel and tones.

    Where it is thick, the dark channel tells (He, Sun and Tang, CVPR 2009); how thick on the whole,
    the dark channel and the haze prior, half and half. White things pass for the air, so how bright
    its light is has a second judge: the middle tone that good photos have.
    """
    air = _airlight(rgb)
    dark = _minimum(dark_channel(rgb / air, patches=max(1, max(rgb.shape[:2]) // 4)), 2)
    floor = _floor(dark)
    guide = _shrink(luminance(rgb), dark.shape)
    smooth = guided(guide, np.clip(1 - _OMEGA * dark, floor, 1), radius=8, epsilon=1e-2)
    through = np.log(np.clip(smooth, floor, 1))
    level = float(through.mean())
    outdoors = _tones_tell(rgb)
    share = _DEPTH_SHARE * outdoors + _DEPTH_SHARE_ALONE * (1 - outdoors)
    depth = np.exp(share * (through - level)).astype(np.float32)
    even = air - (air - rgb) / resize(depth[..., None], rgb.shape[:2], smooth=True)
    is_level, expected = expected_airlight_contrast(even, air)
    level += outdoors * (is_level - expected - level) / 2
    gain = np.clip(depth * np.exp(level - _STILL_HAZY), *_TRANSMISSION).astype(np.float32)
    undone = air - (air - rgb) / resize(gain[..., None], rgb.shape[:2], smooth=True)
    middle = float(np.median(np.clip(undone, 0, 1).mean(-1)))
    lifted = gain * np.float32(outdoors * _MIDTONE_SHARE * (expected_midtone(rgb) - middle))
    dimmer = float(lifted.mean()) / max(float((1 - gain).mean()), _LEAST_LEFT)
    return gain, np.clip(air - dimmer, *_AIR).astype(np.float32)


def _tones_tell(rgb: Array) -> float:
    """Weight of the judge of tones in judging haze, 0 to 1.

    Where the judge of tones sees none, as in rooms with bright windows, what tones a photo should
    have says nothing about how thick it is: the dark channel tells alone.
    """
    colour = rgb if rgb.shape[2] == 3 else np.repeat(rgb, 3, axis=2)
    hazy = judge_tone(colour).hazy
    return float(np.clip((hazy - _CLEAR_BELOW) / (_HAZY_FROM - _CLEAR_BELOW), 0, 1))


def _beyond_dark_channel(depth: Array, rgb: Array, air: Array) -> Array:
    """Return by how much depth (h, w) exceeds what the darkest pixels of a place allow, same shape.

    Nothing is darker than the air before it is bright (Meng et al., ICCV 2013). In a room the floor
    in front shows that, and would hold the haze before the wall behind it to as little.
    """
    side = max(1, min(rgb.shape[:2]) // _PLACES)
    dark = _minimum(dark_channel(rgb / air, patches=max(1, max(rgb.shape[:2]) // side)), 1)
    most = -np.log(np.clip(1 - dark - _DARK_SLACK, _THICKEST, 1))
    there = resize(np.ascontiguousarray(depth[..., None], np.float32), dark.shape, smooth=True)
    beyond = np.maximum(there[..., 0] - most, 0).astype(np.float32)
    smooth = guided(_shrink(rgb.mean(-1), dark.shape), beyond, radius=_PLACE_REACH, epsilon=1e-2)
    held = np.maximum(smooth, 0)[..., None]
    return resize(held, (depth.shape[0], depth.shape[1]), smooth=True)[..., 0]


def _within_black(gain: Array, offset: Array, rgb: Array, air: Array) -> tuple[Array, Array]:
    """No thicker a haze than leaves the scene's shades above black.

    Meng et al., "Efficient image dehazing with boundary constraint and contextual regularization"
    (ICCV 2013), on the whole of the photo.
    """
    undone = (rgb - resize(offset, rgb.shape[:2], smooth=True)) / resize(
        gain, rgb.shape[:2], smooth=True
    )
    black = float(np.percentile(lowest(undone), _BELOW_BLACK))
    if black >= 0:
        return gain, offset
    thinner = (air - black) / air
    return (gain * thinner).astype(np.float32), (offset + gain * air * (1 - thinner)).astype(
        np.float32
    )


def _floor(dark: Array) -> float:
    """Least transmission anywhere: that of the haziest parts which can tell theirs."""
    telling = dark[dark < _TELLING]
    share = np.percentile(telling, _TELLING_SHARE) if telling.size > 50 else 0.5
    return float(np.clip(1 - _OMEGA * share, *_FLOOR))


def _airlight(rgb: Array) -> Array:
    """Colour of the haze, (3,): the haziest half percent of the scene, half way to neutral."""
    lows = lowest(rgb).ravel()
    count = min(max(16, lows.size // 200), lows.size)
    haziest = np.argpartition(lows, -count)[-count:]
    colour = np.maximum(np.median(rgb.reshape(-1, 3)[haziest], axis=0), 0.3)
    return np.asarray((colour + colour.max()) / 2, dtype=np.float32)


def _minimum(values: Array, radius: int) -> Array:
    padded = np.pad(values, radius, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1,) * 2)
    return np.asarray(windows.min((2, 3)))


def _shrink(values: Array, shape: tuple[int, ...]) -> Array:
    size = max(1, values.shape[0] // shape[0])
    means = squares(values[: shape[0] * size, : shape[1] * size], size).mean((1, 3))
    return np.asarray(means)
