"""Casts and fading: the curves of a photo's channels, judged from what it shows. No torch.

Small networks look at how the channels are distributed, at the colours of dark, middle and bright
places, at edges, at what such a scene's colours are (`expectation`), and at what the scene is. They
answer with the `ToneCurve` that a photo has if it has one. Fitted by `python -m training
fit-casts` on good photos under casts and fading of known strength.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.expectation import Residual, residual
from ldrps_engine.analysis.layers import Layers, Weights, load_weights
from ldrps_engine.analysis.monochrome import grey_of, is_monochrome
from ldrps_engine.analysis.recognition import Recognition
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.tone_curve import ToneCurve
from ldrps_engine.analysis.view import view_size
from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/semantic/casts.safetensors"

QUANTILES = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 0.995)
BANDS = 8
"""Bands of luma with equally many pixels, whose mean colours are features."""
SIDE = 64
"""Long side of the reduced picture that is analysed."""
ANSWERS = 10
"""Low, log of span and log of power of three channels, log of chroma."""
MOST = (0.45, 0.9, 1.1, 0.5)
"""Most that low, the logs of span and of power, and that of chroma may be."""
FOUND_FROM = 0.65
"""Probability from which a cast or fading is corrected: of 430 good photos with colours seven reach
it, and five of these have one."""
_HELD = 6.0
# Weights of the log-odds of casts and fading, of how far black is lifted, and of how pale the least
# pale part is; bias.
_TINTED, _FADED, _LIFTED, _PALE, _NEITHER = 0.35, 0.15, 12.0, 17.0, -1.58
# Weight of how far the channels' darkest tones lie apart, for each unit of a cast's log-odds that
# is above one against; the most that they count.
_COLOURED_BLACK, _MOST_COLOURED = 2.0, 0.3
# Log-odds that a mount adds: of 24 good photos in round ones, one is called cast then.
_MOUNTED = 1.0
# Quantile of the optical depth over the photo: fading does not vary with distance.
_LEAST_PALE = 0.1
_MOST_SURE, _MOST_LIFTED = 7.0, 0.2
# Probability of haze from which haze, not fading, is held to have lifted black.
_HAZE = 0.6
_AGED_FROM = 0.5


@dataclass(frozen=True)
class Cast:
    """Most likely curve of a photo's channels."""

    curve: ToneCurve
    probability: float
    """Probability of a visible cast or fading, 0 to 1; 0 for a photo of one hue."""
    one_hue: bool
    """Tell whether the photo is grey or toned; the curve keeps its hue."""


def find_cast(rgb: Array, seen: Recognition, *, mounted: bool = False) -> Cast:
    """Judge an image (H, W, 3) of display values, of which the recogniser saw `seen`.

    A picture that is `mounted`, in an oval or with rounded or torn corners, is a print or a slide:
    casts and fading are believed sooner.
    """
    view = np.clip(resize(rgb, view_size(*rgb.shape[:2]), smooth=True), 0, 1)
    one_hue = is_monochrome(rgb)
    shown = grey_of(view) if one_hue else view
    looked_at = cast_features(shown, expected_colours(residual(shown, seen.seen)))
    answers = answer(looked_at, seen.seen.pooled, load_weights(MODEL))
    curve = curve_of(answers)
    if one_hue:
        return Cast(curve.even(), 0.0, True)
    pale = float(np.quantile(seen.haze.depth, _LEAST_PALE))
    darkest = darkest_tones(looked_at)
    return Cast(
        curve, _probability(curve, pale, darkest, seen.probabilities, mounted=mounted), False
    )


def _probability(
    curve: ToneCurve, pale: float, darkest: Array, odds: Mapping[str, float], *, mounted: bool
) -> float:
    """Weigh what the recogniser sees, how far black is lifted, and prints aged to nearly one hue.

    The curve is an estimate on the condition that there is one. A good photo is hardly ever found
    to have lost its black, so how much of it is evidence as well; graded colours and pale objects
    look faded to the curve, but the judge of haze finds something in them that is not pale. Light
    of another colour, a sunset's or a candle's, does not change black; a faded dye does.
    """
    tinted = _log(odds["tinted"])
    log_odds = _TINTED * tinted + _FADED * _log(odds["faded"]) + _NEITHER
    coloured = min(float(np.ptp(darkest)), _MOST_COLOURED)
    log_odds += _COLOURED_BLACK * coloured * max(tinted + 1, 0.0)
    if odds["hazy"] < _HAZE:
        log_odds += _LIFTED * min(float(curve.low.mean()), _MOST_LIFTED) + _PALE * pale
    if mounted:
        log_odds += _MOUNTED
    # Of 187 good photos with colours none looked toned.
    aged = odds["toned"]
    return max(float(1 / (1 + np.exp(-log_odds))), aged if aged > _AGED_FROM else 0.0)


def _log(probability: float) -> float:
    """Return log-odds, clipped to the range in which the probability can be trusted."""
    share = float(np.clip(probability, 1e-6, 1 - 1e-6))
    return float(np.clip(np.log(share / (1 - share)), -_MOST_SURE, _MOST_SURE))


def answer(looked_at: Array, pooled: Array, weights: Weights) -> Array:
    """Return the mean (ANSWERS,) of the networks' answers: they err in different ways."""
    layers = Layers(weights)
    scene = (pooled - weights["scene.mean"]) @ weights["scene.axes"].T
    joined = np.concatenate([looked_at, scene])
    unit = (joined - weights["input.mean"]) / weights["input.std"]
    inputs = np.clip(unit, -_HELD, _HELD).astype(np.float32)
    answers: list[Array] = []
    while layers.has(f"{len(answers)}.a"):
        name = f"{len(answers)}."
        hidden = np.maximum(layers.linear(name + "a", inputs), 0)
        hidden = hidden + np.maximum(layers.linear(name + "b", hidden), 0)
        answers.append(layers.linear(name + "c", hidden))
    return np.asarray(np.mean(answers, axis=0), np.float32)


def curve_of(answers: Array) -> ToneCurve:
    """Read the curve out of answers (ANSWERS,)."""
    low, span, power = (
        most * np.tanh(answers[3 * k : 3 * k + 3] / most) for k, most in enumerate(MOST[:3])
    )
    chroma = MOST[3] * np.tanh(answers[9] / MOST[3])
    return ToneCurve(
        low.astype(np.float32),
        np.exp(span).astype(np.float32),
        np.exp(power).astype(np.float32),
        float(np.exp(chroma)),
    )


def expected_colours(found: Residual) -> Array:
    """Expected statistics of a good photo of the scene, averaged over its cells."""
    expected = found.found - found.change
    return np.asarray(expected.reshape(-1, expected.shape[-1]).mean(0), np.float32)


def cast_features(view: Array, expected: Array) -> Array:
    """Statistics of a view (h, w, 3), and those expected of such a scene."""
    scale = SIDE / max(view.shape[:2])
    small = resize(view, (round(view.shape[0] * scale), round(view.shape[1] * scale)), smooth=True)
    return np.concatenate([pixel_features(small), expected]).astype(np.float32)


def darkest_tones(looked_at: Array) -> Array:
    """Return the darkest tone (3,) of each channel, out of what `cast_features` returned."""
    return looked_at[: 3 * len(QUANTILES) : len(QUANTILES)]


def pixel_features(small: Array) -> Array:
    """Statistics of the pixels (h, w, 3) of a small picture."""
    flat = np.clip(small, 0, 1).reshape(-1, 3)
    luma, chroma = flat @ YCC[0], flat @ YCC[1:].T
    bands = np.array_split(np.argsort(luma, kind="stable"), BANDS)
    colours = [np.concatenate([chroma[b].mean(0), chroma[b].std(0)]) for b in bands]
    far = np.abs(chroma - np.median(chroma, 0)).max(1)
    greyest = chroma[np.argsort(np.abs(chroma).max(1), kind="stable")[: len(chroma) // 8]]
    usual = chroma[np.argsort(far, kind="stable")[: len(chroma) // 4]]
    edges = [np.log(np.abs(np.diff(small, axis=axis)).mean((0, 1)) + 0.003) for axis in (0, 1)]
    means = flat.mean(0)
    return np.concatenate(
        [
            np.quantile(flat, QUANTILES, axis=0).T.ravel(),
            *colours,
            greyest.mean(0),
            usual.mean(0),
            *edges,
            means,
            np.log((flat**6).mean(0) ** (1 / 6) + 0.01),
            _correlations(flat),
        ]
    )


def _correlations(flat: Array) -> Array:
    """Correlations (3,) of red with green, red with blue and green with blue, of (N, 3) pixels."""
    # Flat pictures have none; a little noise avoids a division by 0.
    noise = np.random.default_rng(0).standard_normal(flat.T.shape)
    found = np.asarray(np.corrcoef(flat.T + 1e-3 * noise))
    return np.asarray(found[np.triu_indices(3, 1)], np.float32)
