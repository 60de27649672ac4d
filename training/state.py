"""A training run's state on disk: saved whole or not at all, refused when it does not fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ldrps_engine.model_store.atomic import unfinished
from training.config import Config, TrainingError, differing_keys
from training.halves import RECORD, read_halves

CHECKPOINT = "checkpoint.safetensors"
"""State of the first training in its work folder."""
# Errors of reading a strange file, or of loading it into a network.
_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError)


@dataclass(frozen=True)
class RunState:
    """Length of a run so far, which its state on disk holds next to the weights."""

    progress: dict[str, float]
    """Steps, samples and seconds, with those of the export it began with."""
    taken: int
    """Steps of its own."""
    about: dict[str, str]
    """Everything else that was saved with them."""


def start_warm(network: nn.Module, state: Path, weights: Path, command: str) -> dict[str, float]:
    """Load an export, which `command` wrote, into the network of a new run; return its progress.

    A folder in which a run has left its `state` is refused: that run would be lost.
    """
    values, progress = warm_weights(state, weights, command)
    try:
        network.load_state_dict(values)
        return progress
    except _UNREADABLE as error:
        raise TrainingError(f"{weights.parent} is no export of this network: {error}") from None


def warm_weights(
    state: Path, weights: Path, command: str
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Return weights and progress of an export, as `start_warm` loads them."""
    if state.exists():
        raise TrainingError(
            f"{state.parent} holds a run already; leave out --warm, or start in an empty folder"
        )
    values = read_halves(weights, f"python -m training {command} OUT")
    try:
        return values, dict(json.loads((weights.parent / RECORD).read_text())["training"])
    except _UNREADABLE as error:
        raise TrainingError(f"{weights.parent} is no export of this network: {error}") from None


def resume(
    path: Path, network: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> RunState:
    """Load what `save_run` wrote into the network, its averages and the optimiser."""
    try:
        with safe_open(path, "pt") as file:
            about = dict(file.metadata())
        progress = dict(json.loads(about.pop("progress")))
        # States did not tell it before there were warm starts.
        taken = int(about.pop("taken", progress["step"]))
        read_state(path, network, average, optimiser)
    except _UNREADABLE as error:
        raise TrainingError(f"{path} holds no state of this network: {error}") from None
    return RunState(progress, taken, about)


def save_run(
    path: Path,
    network: nn.Module,
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    run: RunState,
) -> None:
    """Write a run's state, for `resume`, next to the old one and rename it over."""
    meta = {"progress": json.dumps(run.progress), "taken": str(run.taken)}
    write_state(path, network, average, optimiser, run.about | meta)


def write_state(
    path: Path,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    meta: dict[str, str],
) -> None:
    """Write weights, averages and moments next to the old file and rename it over."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"adam.{key}.{name}"] = torch.as_tensor(value)
    try:
        with unfinished(path) as part:
            save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, part, meta)
    except Exception as error:
        raise TrainingError(
            f"could not save {path} ({error}); the last checkpoint stands"
        ) from None


def read_progress(work: Path, config: Config) -> dict[str, Any] | None:
    """The saved progress, or None for a fresh run; another configuration is refused."""
    path = work / CHECKPOINT
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
