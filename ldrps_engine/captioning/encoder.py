"""Semantic encoder: EfficientNet-lite0, frozen, on a luma-normalised view of the photo.

Architecture: Tan and Le, "EfficientNet" (ICML 2019), in its lite form without squeeze-and-excite
and with ReLU6. Batch normalisation is folded into the convolutions. `training/encoder.py` converts
the published weights. The view is grey and normalised, so that the encoder says what the scene is
and not how it was degraded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.captioning.view import normalised_luma, view_size
from ldrps_engine.resampling import resize

Array = NDArray[np.float32]

MODEL = Path(__file__).parent.parent / "models/semantic/encoder.safetensors"

FINE, COARSE, POOLED, CLASSES = 112, 320, 1280, 1000
"""Channels of the feature maps at 1/16 and 1/32, of the pooled features, and ImageNet classes."""

_STEM = 32
# (blocks, kernel, stride of the first, expansion, channels out), Tan and Le, table 1.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, FINE),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, COARSE),
)
_FINE_BLOCK = 10


@dataclass(frozen=True)
class Features:
    """What the encoder sees in N views."""

    fine: Tensor
    """(N, 112, h / 16, w / 16): local, about parts of objects."""
    coarse: Tensor
    """(N, 320, h / 32, w / 32): about objects and places."""
    pooled: Tensor
    """(N, 1280): the whole view."""
    logits: Tensor
    """(N, 1000): log-odds of the ImageNet-1k classes."""


class SemanticEncoder(nn.Module):
    """The frozen network. Views are (N, 1, h, w) in [0, 1], sides multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, _STEM, 3, stride=2)
        blocks: list[nn.Module] = []
        width = _STEM
        for count, kernel, stride, expansion, out in _STAGES:
            for k in range(count):
                blocks.append(_Block(width, out, kernel, stride if k == 0 else 1, expansion))
                width = out
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(width, POOLED, 1)
        self.classifier = nn.Linear(POOLED, CLASSES)

    @classmethod
    def load(cls, path: Path = MODEL) -> SemanticEncoder:
        """Read the bundled weights (fp16 safetensors) for inference in single precision."""
        network = cls()
        network.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward(self, views: Tensor) -> Features:
        """Return the features of a batch of views."""
        hidden = functional.relu6(_same((255 * views - 127) / 128, self.stem))
        fine = hidden
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            if index == _FINE_BLOCK:
                fine = hidden
        pooled = functional.relu6(self.head(hidden)).mean((2, 3))
        return Features(fine, hidden, pooled, self.classifier(pooled))

    def see(self, rgb: Array) -> Features:
        """Return the features of one image (H, W, 3) of display values in [0, 1]."""
        luma = normalised_luma(rgb)
        view = resize(luma[..., None], view_size(*luma.shape))
        return self(torch.from_numpy(np.ascontiguousarray(view[..., 0]))[None, None])


class _Block(nn.Module):
    """Inverted residual of Sandler et al., "MobileNetV2" (CVPR 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = nn.Conv2d(inputs, width, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(width, width, kernel, stride=stride, groups=width)
        self.project = nn.Conv2d(width, outputs, 1)
        self._residual = stride == 1 and inputs == outputs

    def forward(self, hidden: Tensor) -> Tensor:
        inner = functional.relu6(self.expand(hidden)) if self.expand is not None else hidden
        inner = functional.relu6(_same(inner, self.depthwise))
        inner = self.project(inner)
        return hidden + inner if self._residual else torch.as_tensor(inner)


def _same(image: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Convolve with TensorFlow's padding, which the weights were trained with."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    pads: list[int] = []
    for side in (image.shape[3], image.shape[2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return torch.as_tensor(convolution(functional.pad(image, pads)))
