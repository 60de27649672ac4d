"""Haze over a photo, estimated by a network: its optical depth in each place, and its colour.

Haze follows depth, and a room has depth that no dark channel shows: a white wall nearby looks as
pale as a dark one far away. A small U-Net (Ronneberger, Fischer and Brox, 2015) estimates both from
cells of four by four pixels, given each channel's mean, minimum and maximum, and the deviation of
luma. Haze that is even within a cell changes all of these by the same linear law as its pixels, so
`training/haze.py` draws it over cells instead of pixels. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.layers import Layers, load_weights, softplus
from ldrps_engine.analysis.resampling import reduce, squares
from ldrps_engine.analysis.samples import lowest

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/haze/haze.safetensors"

SHORT = 128
"""Short side of the network's input, pixels."""
CELL = 4
STATISTICS = 10
"""Mean, minimum and maximum of each channel in a cell, and the standard deviation of its luma."""
QUANTILES = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 0.995)
"""Quantiles of each channel's means, and of the dark channel, as further input."""
FAR = 64
"""One in this many cells, those with the brightest darkest channel, is seen through most air."""
DIMMEST, BRIGHTEST = 0.3, 0.97
"""Range of those cells' colour from which the air's is judged."""

_MULTIPLE = 16
_LEVELS = 3


@dataclass(frozen=True)
class HazeField:
    """Haze over a photo, by Koschmieder's law in display values."""

    depth: Array
    """(h, w) optical depth on a grid over the photo: minus the log of transmission."""
    air: Array
    """(3,) display values of the light that the air adds."""


def haze_field(rgb: Array) -> HazeField:
    """Judge the haze over an image (H, W, 3) of display values.

    The answer is the mean of those for the image and its mirror image.
    """
    cells = cell_statistics(_view(rgb))
    plain, mirrored = _judge(cells), _judge(np.ascontiguousarray(cells[:, ::-1]))
    return HazeField(
        depth=np.asarray((plain.depth + mirrored.depth[:, ::-1]) / 2, np.float32),
        air=np.asarray((plain.air + mirrored.air) / 2, np.float32),
    )


def cell_statistics(view: Array) -> Array:
    """Return statistics (h / 4, w / 4, 10) of the cells of an image (h, w, 3)."""
    cells = squares(view, CELL)
    channels = [cells.mean((1, 3)), cells.min((1, 3)), cells.max((1, 3))]
    luma = squares(view.mean(-1), CELL).std((1, 3))
    return np.asarray(np.concatenate([*channels, luma[..., None]], -1), np.float32)


def _view(rgb: Array) -> Array:
    """Return the image at the network's input size, in [0, 1]."""
    colour = rgb if rgb.shape[2] == 3 else np.repeat(rgb, 3, axis=2)
    scale = SHORT / min(rgb.shape[:2])
    height, width = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in rgb.shape[:2])
    return np.clip(reduce(colour, (height, width), smooth=True), 0, 1)


def _judge(cells: Array) -> HazeField:
    layers = Layers(load_weights(MODEL))
    hidden = _looked(layers, "look.0", _relu(layers.convolve("enter", _entered(cells))))
    seen: list[Array] = []
    for level in range(_LEVELS):
        seen.append(hidden)
        # Every other place of the full result: the padding is then the same on both sides, as in
        # training.
        hidden = _relu(layers.convolve(f"down.{level}", hidden)[::2, ::2])
        hidden = _looked(layers, f"look.{level + 1}", hidden)
        if level == 1:
            hidden = _looked(layers, "wide", hidden)
    whole, far = _summary(cells)
    pooled = [hidden.mean((0, 1)), hidden.max((0, 1)), whole]
    context = _relu(layers.linear("context", np.concatenate(pooled).astype(np.float32)))
    hidden = _looked(layers, "deep", _relu(hidden + layers.linear("into", context)))
    for level in reversed(range(_LEVELS)):
        fine = seen[level]
        larger = layers.convolve(f"narrow.{level}", hidden).repeat(2, 0).repeat(2, 1)
        hidden = _relu(fine + larger[: fine.shape[0], : fine.shape[1]])
        hidden = _looked(layers, f"up.{level}", hidden)
    depth = softplus(layers.convolve("leave", hidden)[..., 0])
    start = np.clip(far, DIMMEST, BRIGHTEST)
    odds = np.log(start / (1 - start)) + layers.linear("air", context)
    return HazeField(depth, np.asarray(1 / (1 + np.exp(-odds)), np.float32))


def _entered(cells: Array) -> Array:
    """Scale statistics (h, w, 10) for the network, and add each cell's position."""
    height, width = cells.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    unit = [cells[..., :9] - 0.5, 10 * cells[..., 9:] - 0.3, y[..., None], np.abs(x)[..., None]]
    return np.concatenate(unit, -1).astype(np.float32)


def _summary(cells: Array) -> tuple[Array, Array]:
    """Quantiles over the photo and the colour of its far cells (39,), and that colour (3,)."""
    means, dark = cells[..., :3].reshape(-1, 3), lowest(cells[..., 3:6]).ravel()
    channels = np.quantile(means, QUANTILES, axis=0).T.ravel()
    count = max(1, dark.size // FAR)
    far = means[np.argpartition(dark, -count)[-count:]].mean(0)
    whole = np.concatenate([channels, np.quantile(dark, QUANTILES), far])
    return whole.astype(np.float32), far


def _looked(layers: Layers, name: str, hidden: Array) -> Array:
    """Apply a residual layer."""
    return _relu(hidden + layers.convolve(name, hidden))


def _relu(values: Array) -> Array:
    return np.maximum(values, 0)
