"""Network that finds faces: BlazeFace for the full range of distances, in numpy. No torch.

Bazarevsky, Kartynnik, Vakunov, Raveendran and Grundmann, "BlazeFace: sub-millisecond neural face
detection on mobile GPUs" (2019), in the form of MediaPipe's "full range": blocks of two depthwise
convolutions on five scales, then the way back up to a quarter of the image's size, where each place
predicts whether it is the middle of a face, and where the outline and features are.
`training/faces.py` converts the published weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.layers import Layers, load_weights, relu

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/faces/faces.safetensors"

MULTIPLE = 32
"""Both sides of an image must be multiples of this many pixels."""
STRIDE = 4
"""Pixels between the places that are judged."""
DOWN = ((32, 32), (48, 48, 64), (96, 128, 128), (144, 192, 256), (384, 384, 384, 384))
"""Channels after each block, scale by scale; all but the first scale begin with a halving."""
UP = ((96, 2), (64, 2), (48, 1))
"""Channels and blocks of each scale on the way up."""
VALUES = 16
"""Middle and size of a face and six of its points, two numbers each, in pixels from the place."""


def look_for_faces(image: Array) -> tuple[Array, Array]:
    """Return log-odds (h / 4, w / 4) of a face, and the VALUES there, of an image in [0, 1]."""
    layers = Layers(load_weights(MODEL))
    hidden = relu(layers.convolve("stem", 2 * image - 1, 2))
    seen = []
    for scale, widths in enumerate(DOWN):
        for index, width in enumerate(widths):
            halves = scale > 0 and index == 0
            hidden = _block(layers, f"down.{scale}.{index}", hidden, width, 2 if halves else 1)
        seen.append(hidden)
    for scale, (width, blocks) in enumerate(UP):
        before = relu(layers.convolve(f"skip.{scale}", seen[-2 - scale]))
        narrow = relu(layers.convolve(f"narrow.{scale}", hidden))
        hidden = before + _twice(_twice(narrow).swapaxes(0, 1)).swapaxes(0, 1)
        for index in range(blocks):
            hidden = _block(layers, f"up.{scale}.{index}", hidden, width, 1)
    return layers.convolve("odds", hidden)[..., 0], layers.convolve("values", hidden)


def _twice(image: Array) -> Array:
    """Twice as many rows (2 h, w, C), bilinear: each is three quarters of its own, one of the next.

    Resampling channel by channel took more than half of the network's time.
    """
    own, edged = image * np.float32(0.75), np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
    edged *= np.float32(0.25)
    return np.stack((own + edged[:-2], own + edged[2:]), 1).reshape(-1, *image.shape[1:])


def _block(layers: Layers, name: str, hidden: Array, width: int, stride: int) -> Array:
    """Two depthwise convolutions, each mixed by a convolution of single pixels, and a residual."""
    inner = layers.convolve_depthwise(f"{name}.look.0", hidden, stride)
    inner = relu(layers.convolve(f"{name}.mix.0", inner))
    inner = layers.convolve_depthwise(f"{name}.look.1", inner, 1)
    inner = layers.convolve(f"{name}.mix.1", inner)
    if stride == 2:
        height, across, channels = hidden.shape
        rows = hidden.reshape(height // 2, 2, across // 2, 2, channels)
        rows = np.maximum(rows[:, 0], rows[:, 1])
        hidden = np.maximum(rows[:, :, 0], rows[:, :, 1])
    inner[..., : hidden.shape[2]] += hidden
    return relu(inner)
