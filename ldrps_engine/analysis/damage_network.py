"""Network that finds damage: a small U-Net of plain convolutions, on half the photo's size.

A residual block on every scale on the way down, one convolution on the way up, where the same
scale's earlier features are added (Ronneberger, Fischer and Brox, "U-Net", 2015). Two by two pixels
go in together and come out together. `training/damage.py` trains it and folds its normalisation
into the convolutions. No torch.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.layers import Weights, load_weights, relu

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/damage/damage.safetensors"

MULTIPLE = 32
"""Both sides of an image must be multiples of this many pixels."""
_LEVELS = 5
# Values of pixels, in all channels, that are convolved at once.
_AT_ONCE = 100_000


def log_odds(image: Array) -> Array:
    """Log-odds (H, W) that a pixel of an image (H, W, 3) in [0, 1] is damaged."""
    net = _network(MODEL)
    hidden = relu(net.convolve("enter", _unshuffled(image - np.float32(0.5))))
    seen: list[Array] = []
    for level in range(_LEVELS):
        hidden = net.looked("look", level, hidden)
        if level < _LEVELS - 1:
            seen.append(hidden)
            hidden = relu(net.halve(f"down.{level}", hidden))
    hidden = relu(hidden + net.convolve("widest", hidden))
    for level in reversed(range(_LEVELS - 1)):
        narrow = net.mix(f"narrow.{level}", hidden)
        larger = narrow.repeat(2, 0).repeat(2, 1)
        hidden = net.looked("up", level, relu(seen[level] + larger))
    return _shuffled(net.mix("leave", hidden))


class _Network:
    """Convolutions by the names of their layers. Images are (h, w, C)."""

    def __init__(self, weights: Weights) -> None:
        self._taps = {
            name: np.ascontiguousarray(value.transpose(2, 3, 1, 0))
            for name, value in weights.items()
            if name.endswith("weight")
        }
        self._weights = weights

    def looked(self, name: str, level: int, hidden: Array) -> Array:
        """Apply a residual layer."""
        return relu(hidden + self.convolve(f"{name}.{level}", hidden))

    def mix(self, name: str, image: Array) -> Array:
        """Convolve single pixels."""
        mixed = image @ self._taps[f"{name}.weight"][0, 0] + self._weights[f"{name}.bias"]
        return np.asarray(mixed, np.float32)

    def convolve(self, name: str, image: Array) -> Array:
        """Convolve 3 by 3 pixels, with zeros around the image.

        The rows of a padded image follow each other in memory: moved by a pixel or a row, all of it
        is one slice, and nothing is copied. Sums are made of so few pixels at a time that they stay
        in the processor's cache.
        """
        taps = self._taps[f"{name}.0.weight"]
        height, width, channels = image.shape
        wide = width + 2
        padded = np.zeros(((height + 2) * wide + 2, channels), np.float32)
        padded[: (height + 2) * wide].reshape(height + 2, wide, channels)[1:-1, 1:-1] = image
        count = height * wide
        total = np.empty((count, taps.shape[3]), np.float32)
        total[:] = self._weights[f"{name}.0.bias"]
        step = _AT_ONCE // max(taps.shape[2:])
        product = np.empty((min(step, count), taps.shape[3]), np.float32)
        for first in range(0, count, step):
            some = total[first : first + step]
            part = product[: len(some)]
            for row in range(3):
                for column in range(3):
                    start = first + row * wide + column
                    np.matmul(padded[start : start + len(some)], taps[row, column], out=part)
                    some += part
        return total.reshape(height, wide, -1)[:, :width]

    def halve(self, name: str, image: Array) -> Array:
        """Convolve 3 by 3 pixels, every other time in both directions, with zeros around."""
        taps = self._taps[f"{name}.0.weight"]
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        total: Array | np.float32 = np.float32(0)
        for row in range(3):
            for column in range(3):
                moved = padded[row : row + image.shape[0] : 2, column : column + image.shape[1] : 2]
                total = total + moved @ taps[row, column]
        return np.asarray(total + self._weights[f"{name}.0.bias"], np.float32)


@cache
def _network(path: Path) -> _Network:
    return _Network(load_weights(path))


def _unshuffled(image: Array) -> Array:
    """Return (H / 2, W / 2, 12): each two by two pixels as one."""
    height, width, colours = image.shape
    blocks = image.reshape(height // 2, 2, width // 2, 2, colours)
    return np.ascontiguousarray(blocks.transpose(0, 2, 4, 1, 3)).reshape(
        height // 2, width // 2, 4 * colours
    )


def _shuffled(values: Array) -> Array:
    """Return (H, W) from (H / 2, W / 2, 4)."""
    height, width, _ = values.shape
    return values.reshape(height, width, 2, 2).transpose(0, 2, 1, 3).reshape(2 * height, 2 * width)
