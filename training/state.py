"""A training run's state on disk: saved whole or not at all, refused when it does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.config import Config, TrainingError, differing_keys

_WEIGHTS = "checkpoint.safetensors"


def save_state(
    work: Path,
    config: Config,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write one safetensors file beside the old one and rename it over: a kill loses nothing."""
    meta = {"config": json.dumps(config.as_dict()), "progress": json.dumps(progress)}
    write_state(work / _WEIGHTS, model, ema, optimiser, meta)


def write_state(
    path: Path,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    meta: dict[str, str],
) -> None:
    """Write weights, averages and moments beside the old file and rename it over."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"adam.{key}.{name}"] = torch.as_tensor(value)
    part = path.with_name(path.name + ".part")
    try:
        save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, part, meta)
    except Exception as error:
        part.unlink(missing_ok=True)
        raise TrainingError(
            f"could not save {part} ({error}); the last checkpoint stands"
        ) from None
    part.replace(path)


def read_progress(work: Path, config: Config) -> dict[str, Any] | None:
    """The saved progress, or None for a fresh run; another configuration is refused."""
    from safetensors import safe_open

    path = work / _WEIGHTS
    if not path.exists():
        return None
    with safe_open(path, "pt") as file:
        meta = file.metadata()
    names = differing_keys(config.as_dict(), json.loads(meta["config"]))
    if names:
        raise TrainingError(
            f"{path} was trained with another {', '.join(names)}; "
            "restore those settings or start in an empty folder"
        )
    return dict(json.loads(meta["progress"]))


def load_state(
    work: Path,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimiser: torch.optim.Optimizer | None = None,
) -> None:
    """Load what `save_state` wrote into the model, the averages and the optimiser."""
    read_state(work / _WEIGHTS, model, ema, optimiser)


def read_state(
    path: Path,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimiser: torch.optim.Optimizer | None = None,
) -> None:
    """Load what `write_state` wrote into the model, the averages and the optimiser."""
    tensors = load_file(path)
    prefix = "model."
    model.load_state_dict(
        {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    )
    for name, value in ema.items():
        value.copy_(tensors[f"ema.{name}"])
    if optimiser is None:
        return
    for name, parameter in model.named_parameters():
        saved = {
            key: tensors[f"adam.{key}.{name}"]
            for key in ("step", "exp_avg", "exp_avg_sq")
            if f"adam.{key}.{name}" in tensors
        }
        if saved:
            # The fused optimiser walks through memory: moments have to lie as their weights do.
            saved = {
                k: v if k == "step" else torch.empty_like(parameter).copy_(v)
                for k, v in saved.items()
            }
            optimiser.state[parameter] = saved
