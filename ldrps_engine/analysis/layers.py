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

# Values of an image that are multiplied at a time.
_STRIP = 1 << 15


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
            found = image.reshape(-1, image.shape[2]) @ weight[:, :, 0, 0].T
            found += bias
            return found.reshape(*image.shape[:2], -1)
        views = _shifted(image, kernel, stride)
        columns = np.concatenate(views, axis=-1).reshape(-1, len(views) * image.shape[2])
        flat = columns @ weight.transpose(2, 3, 1, 0).reshape(columns.shape[1], -1)
        flat += bias
        return flat.reshape(*views[0].shape[:2], -1)

    def convolve_depthwise(self, name: str, image: Array, stride: int) -> Array:
        """Convolve each channel by itself, with TensorFlow's padding."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        height, width, channels = (*(-(-side // stride) for side in image.shape[:2]), len(bias))
        views = [_rows(view) for view in _shifted(image, weight.shape[2], stride)]
        out = np.empty((height, width * channels), np.float32)
        # A product for each of the kernel's places: windows would copy the image k squared times.
        # Rows as long as they are, not pixels of a few channels, and so few at a time that they
        # stay in the processor's cache.
        weights = np.tile(weight.reshape(channels, -1).T, (1, width))
        step = max(1, _STRIP // out.shape[1])
        product = np.empty((step, out.shape[1]), np.float32)
        for top in range(0, height, step):
            strip, made = out[top : top + step], product[: height - top]
            strip[:] = np.tile(bias, width)
            for view, factors in zip(views, weights, strict=True):
                strip += np.multiply(view[top : top + step], factors, out=made)
        return out.reshape(height, width, channels)

    def linear(self, name: str, values: Array) -> Array:
        """Apply a linear layer to (..., in)."""
        return np.asarray(
            values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        )


def relu(values: Array) -> Array:
    """Hold values to 0 or more, in their own place."""
    return np.maximum(values, 0, out=values)


def relu6(values: Array) -> Array:
    """Hold values between 0 and 6, in their own place."""
    return np.minimum(relu(values), 6, out=values)


def softplus(values: Array) -> Array:
    """Return log(1 + exp(values))."""
    # Not log1p of exp, which overflows for large values.
    return np.asarray(np.logaddexp(0, values), dtype=np.float32)


def _shifted(image: Array, kernel: int, stride: int) -> list[Array]:
    """Views (h', w', C) of a padded image: what each of the kernel's places sees, row by row."""
    padded = _padded(image, kernel, stride)
    height, width = (stride * (-(-side // stride) - 1) + 1 for side in image.shape[:2])
    return [
        padded[row : row + height : stride, column : column + width : stride]
        for row in range(kernel)
        for column in range(kernel)
    ]


def _rows(view: Array) -> Array:
    """A view (h, w, C) as (h, w * C), copied only where pixels do not follow each other."""
    height, width, channels = view.shape
    if view.strides[1] != channels * view.itemsize:
        return view.reshape(height, -1)
    strides = view.strides[0], view.itemsize
    return np.lib.stride_tricks.as_strided(view, (height, width * channels), strides)


def _padded(image: Array, kernel: int, stride: int) -> Array:
    widths = []
    for side in image.shape[:2]:
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(image, (*widths, (0, 0)))
