"""How dark and how hazy each place is for what it shows, and what else is wrong. No torch.

A small network looks at the scene beside the semantic encoder's features, which say what it is
whatever its light: a lamp, a window or a bright sky does not speak for the rest. Trained by
`python -m training recogniser` on open photos with degradations drawn over them by physics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.encoder import Seen, encode
from ldrps_engine.analysis.layers import (
    Layers,
    bilinear,
    load_weights,
    silu,
    softplus,
    unshuffle,
)
from ldrps_engine.analysis.view import ToneNormalisation, view_size
from ldrps_engine.colour import luminance, to_linear
from ldrps_engine.resampling import resize

Array = NDArray[np.float32]

MODEL = Path(__file__).parent.parent / "models/semantic/recogniser.safetensors"

FINDINGS = ("dark", "backlit", "hazy", "tinted", "faded", "toned", "graphic")
"""What the probabilities speak of, in the order of the network's answers."""
SIDE = 64
"""Pixels on the short side of the scene that is looked at."""
QUANTILES = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 0.995)

_MULTIPLE = 16
_LONGEST = 4
_GROUPS = 8
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_WINDOW = 13
_FLAT = 0.005


@dataclass(frozen=True)
class Recognition:
    """What a photo suffers from. Neutral: probabilities and maps of 0."""

    probabilities: Mapping[str, float]
    """0 to 1 by finding."""
    gain: Array
    """(h, w) natural log of the light that is missing, on a grid over the photo."""
    depth: Array
    """(h, w) optical depth of the haze, same grid: minus the log of its transmission."""
    seen: Seen
    """What the semantic encoder saw."""


def recognise(rgb: Array) -> Recognition:
    """Look at an image (H, W, 3) of display values in [0, 1]."""
    scene = scene_of(rgb)
    size = view_size(*rgb.shape[:2])
    view = resize(np.ascontiguousarray((rgb @ _LUMA)[..., None]), size, smooth=True)
    luma = view[..., 0]
    seen = encode(ToneNormalisation.of(luma).apply(luma))
    logits, gain, depth = _network(scene, seen)
    shares = 1 / (1 + np.exp(-logits))
    probabilities = dict(zip(FINDINGS, (float(share) for share in shares), strict=True))
    return Recognition(probabilities, gain, depth, seen)


def scene_of(rgb: Array) -> Array:
    """Reduce an image to 64 pixels on its short side, sides multiples of 16."""
    scale = SIDE / min(rgb.shape[:2])
    height, width = (
        min(max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE, _LONGEST * SIDE)
        for side in rgb.shape[:2]
    )
    return np.clip(resize(rgb, (height, width), smooth=True), 0, 1)


def _network(scene: Array, seen: Seen) -> tuple[Array, Array, Array]:
    layers = Layers(load_weights(MODEL))
    hidden = _block(layers, "first", layers.convolve("head", _looked_at(scene)))
    hidden = layers.convolve("down", hidden, 2, "none")
    hidden = hidden + bilinear(layers.convolve("features", seen.fine), hidden.shape[:2])
    for k in range(2):
        hidden = _block(layers, f"second.{k}", hidden)
    deep = layers.convolve("deeper", hidden, 2, "none")
    deep = deep + bilinear(layers.convolve("far", seen.coarse), deep.shape[:2])
    for k in range(2):
        deep = _block(layers, f"third.{k}", deep)
    whole = np.concatenate([seen.pooled, _quantiles(scene), deep.mean((0, 1)), deep.max((0, 1))])
    whole = silu(layers.linear("whole.0", whole))
    hidden = hidden + bilinear(layers.convolve("back", deep), hidden.shape[:2])
    hidden = _block(layers, "fourth", hidden + layers.linear("told", whole))
    maps = softplus(layers.convolve("maps", hidden) - 2)
    gain, depth = maps[..., 0], maps[..., 1]
    pooled = [whole, hidden.mean((0, 1)), hidden.max((0, 1)), _spread(gain), _spread(depth)]
    told = silu(layers.linear("findings.0", np.concatenate(pooled)))
    return layers.linear("findings.3", told), gain, depth


def _block(layers: Layers, name: str, hidden: Array) -> Array:
    inner = layers.group_norm(f"{name}.norm", hidden, _GROUPS)
    inner = silu(layers.convolve(f"{name}.first", inner))
    return hidden + layers.convolve(f"{name}.second", inner)


def _looked_at(scene: Array) -> Array:
    """(h / 2, w / 2, 28): colours, log light, darkest channel, and views without exposure."""
    luma = scene @ _LUMA
    mean, deviation = _local(luma)
    local = np.clip((luma - mean) / (deviation + _FLAT), -3, 3)
    normal = np.maximum(ToneNormalisation.of(luma).apply(luma), 0)
    planes = [
        (scene - 0.45) * 4,
        _log_light(scene)[..., None],
        (scene.min(-1, keepdims=True) - 0.25) * 4,
        ((normal - 0.45) * 4)[..., None],
        local[..., None],
    ]
    return np.concatenate([unshuffle(np.asarray(p, np.float32)) for p in planes], -1)


def _log_light(scene: Array) -> Array:
    return np.asarray((np.log(luminance(to_linear(scene)) + 1e-3) + 2) / 1.5, np.float32)


def _quantiles(scene: Array) -> Array:
    """(36,): quantiles of the three channels and of the log of light."""
    planes = np.concatenate([(scene - 0.45) * 4, _log_light(scene)[..., None]], -1)
    found = np.quantile(planes.reshape(-1, 4), QUANTILES, axis=0)
    return np.asarray(found.T.ravel(), np.float32)


def _spread(values: Array) -> Array:
    return np.asarray([values.mean(), *np.quantile(values, (0.1, 0.5, 0.9))], np.float32)


def _local(luma: Array) -> tuple[Array, Array]:
    """Mean and standard deviation in a window of 13 pixels around each, mirrored at the edges."""
    mean = _box(luma)
    return mean, np.sqrt(np.maximum(_box(luma**2) - mean**2, 1e-8))


def _box(values: Array) -> Array:
    padded = np.pad(values.astype(np.float64), _WINDOW // 2, mode="reflect")
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    whole = sums[_WINDOW:, _WINDOW:] - sums[:-_WINDOW, _WINDOW:]
    window = whole - sums[_WINDOW:, :-_WINDOW] + sums[:-_WINDOW, :-_WINDOW]
    return np.asarray(window / _WINDOW**2, np.float32)
