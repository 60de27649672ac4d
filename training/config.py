"""The one config file: read once, frozen, and compared with a checkpoint's own copy."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class TrainingError(Exception):
    """Something the person who trains can mend; the message says what and how."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Photos that are used, and how often (`source_weight` multiplies a source's count)."""

    tiers: list[str]
    source_weight: dict[str, float]
    min_side: int
    holdout_every: int


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Shape of the patch transform and how many crops it is fitted on."""

    patch_size: int
    latent_channels: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape of the U-Net and of its text encoder."""

    block_channels: list[int]
    blocks_per_level: int
    text_width: int
    text_layers: int
    text_tokens: int
    vocabulary: int


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Noise schedule: number of steps and the shift of its log-SNR (a factor on sigma)."""

    steps: int
    noise_shift: float


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Optimiser, average of the weights, and how often the state is saved: of every network."""

    learning_rate: float
    warmup: int
    """Steps over which the learning rate rises from nothing."""
    weight_decay: float
    average_decay: float
    """Share of the average that a step leaves."""
    save_minutes: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Pace):
    """First training, as a diffusion model of photos and their texts."""

    crop_sizes: list[int]
    pixels_per_batch: int
    drop_text: float
    low_noise_share: float
    sample_minutes: float


@dataclass(frozen=True, kw_only=True)
class DetailConfig(Pace):
    """Training that goes on from the exported network, conditioned on the measured noise."""

    source_weight: dict[str, float]
    crop_sizes: list[int]
    pixels_per_batch: int
    scene_share: float
    """Share of batches of the first training, so that the sampler keeps its prior."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what the weights become."""

    data: DataConfig
    autoencoder: AutoencoderConfig
    model: ModelConfig
    schedule: ScheduleConfig
    train: TrainConfig
    detail: DetailConfig

    def as_dict(self) -> dict[str, Any]:
        """Plain nested dict, for checkpoints."""
        return dataclasses.asdict(self)


_ROOMS = {
    "data": DataConfig,
    "autoencoder": AutoencoderConfig,
    "model": ModelConfig,
    "schedule": ScheduleConfig,
    "train": TrainConfig,
    "detail": DetailConfig,
}


def load_config(path: Path) -> Config:
    """Read a TOML file; an unknown or missing section or key is refused by name."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if strange := ", ".join(sorted(table.keys() - _ROOMS.keys())):
        raise TrainingError(f"{path}: the configuration does not know: {strange}")
    rooms = {}
    for name, kind in _ROOMS.items():
        known = {field.name for field in dataclasses.fields(kind)}
        given = set(table.get(name, {}))
        if known != given:
            wrong = ", ".join(sorted(known ^ given))
            raise TrainingError(f"{path}: section [{name}] lacks or does not know: {wrong}")
        rooms[name] = kind(**table[name])
    return Config(**rooms)


def differing_keys(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Dotted names of the model-shaping settings in which two configs differ."""
    names = []
    for room in ("autoencoder", "model", "schedule"):
        keys = set(ours[room]) | set(theirs.get(room, {}))
        names += [
            f"{room}.{key}"
            for key in sorted(keys)
            if ours[room].get(key) != theirs.get(room, {}).get(key)
        ]
    return names
