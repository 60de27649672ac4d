"""Layers of small convolutional networks in numpy, for the analysis, which runs without torch.

Images are (h, w, C). Weights come in torch's layout from safetensors files: dense convolutions are
(out, in, k, k), depthwise ones (C, 1, k, k), linear ones (out, in).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


@cache
def load_weights(path: Path) -> Weights:
    """Read a safetensors file of halves as single precision."""
    from safetensors.numpy import load_file

    return {name: value.astype(np.float32) for name, value in load_file(path).items()}


class Layers:
    """The layers of one network, by the names of their weights."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def has(self, name: str) -> bool:
        """Return whether there is such a layer."""
        return f"{name}.weight" in self._weights

    def convolve(self, name: str, image: Array, stride: int = 1) -> Array:
        """Convolve densely, with TensorFlow's padding; single pixels without a stride."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        kernel = weight.shape[2]
        if kernel == 1:
            return image @ weight[:, :, 0, 0].T + bias
        windows = _windows(image, kernel, stride)
        height, width = windows.shape[:2]
        flat = windows.reshape(height * width, -1)
        return (flat @ weight.reshape(len(weight), -1).T + bias).reshape(height, width, -1)

    def convolve_depthwise(self, name: str, image: Array, stride: int) -> Array:
        """Convolve each channel by itself, with TensorFlow's padding."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        kernel = weight.shape[2]
        padded = _padded(image, kernel, stride)
        height, width = (-(-side // stride) for side in image.shape[:2])
        out = np.broadcast_to(bias, (height, width, len(bias))).copy()
        # A product for each of the kernel's places: windows would copy the image k squared times.
        for row in range(kernel):
            for column in range(kernel):
                rows = slice(row, row + stride * (height - 1) + 1, stride)
                columns = slice(column, column + stride * (width - 1) + 1, stride)
                out += padded[rows, columns] * weight[:, 0, row, column]
        return out

    def linear(self, name: str, values: Array) -> Array:
        """Apply a linear layer to (..., in)."""
        return np.asarray(
            values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        )


def relu6(values: Array) -> Array:
    """Hold values between 0 and 6."""
    return np.clip(values, 0, 6)


def softplus(values: Array) -> Array:
    """Return log(1 + exp(values))."""
    # Not log1p of exp, which overflows for large values.
    return np.asarray(np.logaddexp(0, values), dtype=np.float32)


def _windows(image: Array, kernel: int, stride: int) -> Array:
    """Windows (h', w', C, k, k) of an image."""
    padded = _padded(image, kernel, stride)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(0, 1))
    return windows[::stride, ::stride]


def _padded(image: Array, kernel: int, stride: int) -> Array:
    widths = []
    for side in image.shape[:2]:
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(image, (*widths, (0, 0)))
