"""Semantic encoder: EfficientNet-lite0, frozen, on a luma-normalised view of the photo. No torch.

Architecture: Tan and Le, "EfficientNet" (ICML 2019), in its lite form without squeeze-and-excite
and with ReLU6. Batch normalisation is folded into the convolutions by `training/encoder.py`, which
converts the published weights. The view is grey and normalised, so that the features describe the
scene and not its degradation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.layers import Layers, load_weights, relu6

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/semantic/encoder.safetensors"

FINE, COARSE, POOLED, CLASSES = 112, 320, 1280, 1000
"""Channels of the feature maps at 1/16 and 1/32, of the pooled features, and ImageNet classes."""
STEM = 32
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, FINE),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, COARSE),
)
"""Blocks, kernel, stride of the first, expansion and channels out (Tan and Le, table 1)."""
FINE_BLOCK = 10
"""The block whose output is the fine map."""


@dataclass(frozen=True)
class Seen:
    """Features that the encoder finds in one view."""

    fine: Array
    """(h / 16, w / 16, 112): local, about parts of objects."""
    coarse: Array
    """(h / 32, w / 32, 320): about objects and places."""
    pooled: Array
    """(1280,): the whole view."""
    logits: Array
    """(1000,): log-odds of the ImageNet-1k classes."""


def encode(view: Array) -> Seen:
    """Return the features of a view (h, w) in [0, 1], sides multiples of 32."""
    layers = Layers(load_weights(MODEL))
    grey = ((255 * view - 127) / 128).astype(np.float32)[..., None]
    hidden = relu6(layers.convolve("stem", grey, 2))
    fine, index = hidden, 0
    for count, _, stride, _, _ in STAGES:
        for k in range(count):
            hidden = _block(layers, f"blocks.{index}", hidden, stride if k == 0 else 1)
            fine = hidden if index == FINE_BLOCK else fine
            index += 1
    pooled = relu6(layers.convolve("head", hidden)).mean((0, 1))
    return Seen(fine, hidden, pooled, layers.linear("classifier", pooled))


def class_shares(seen: Seen) -> Array:
    """Return the probabilities (h / 32, w / 32, 1000) of the classes in each place of a view."""
    layers = Layers(load_weights(MODEL))
    logits = layers.linear("classifier", relu6(layers.convolve("head", seen.coarse)))
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True), np.float32)


def _block(layers: Layers, name: str, hidden: Array, stride: int) -> Array:
    """Inverted residual of Sandler et al., "MobileNetV2" (CVPR 2018)."""
    inner = hidden
    if layers.has(f"{name}.expand"):
        inner = relu6(layers.convolve(f"{name}.expand", inner))
    inner = relu6(layers.convolve_depthwise(f"{name}.depthwise", inner, stride))
    inner = layers.convolve(f"{name}.project", inner)
    return hidden + inner if inner.shape == hidden.shape else inner
