"""Features that the engine's analysis looks at, of whole packs: made once, kept next to the pack.

The statistics are those of `ldrps_engine.analysis` in batches of tensors; tests hold them equal.
"""

from __future__ import annotations

import hashlib
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldrps_engine.analysis.encoder import MODEL
from ldrps_engine.analysis.expectation import CELL, DARK_RANK, DARKEST, FLAT
from ldrps_engine.analysis.recognition import QUANTILES
from ldrps_engine.model_store.atomic import replacing
from ldrps_engine.priors import scene_statistics, srgb
from ldrps_engine.priors.scene_statistics import luminance, normalised_tones
from ldrps_engine.priors.srgb import ycc
from training import degradation_model, graphics
from training import encoder as encoders
from training.degradation_model import DegradationModel
from training.encoder import SemanticEncoder
from training.graphics import draw
from training.scene_batches import as_tensor
from training.scene_pack import load_pack

_BATCH = 64
_SEED = 7
_GRAPHICS_SEED = 3
DRAWS = 2
"""Degradations drawn over each crop."""
GRAPHICS = 2400
"""Pictures drawn that are no photos."""


@dataclass(frozen=True)
class CropFeatures:
    """Features of N crops."""

    fine: NDArray[np.float16]
    """(N, h / 16, w / 16, 112) the encoder's local features."""
    coarse: NDArray[np.float16]
    """(N, 320) means of those of objects and places."""
    pooled: NDArray[np.float16]
    """(N, 1280) those of the whole crop."""
    statistics: NDArray[np.float32]
    """(N, h / 16, w / 16, 6) as `expectation.cell_statistics`."""
    quantiles: NDArray[np.float32]
    """(N, 27) of red, then of green, then of blue."""


@dataclass(frozen=True)
class DegradedFeatures(CropFeatures):
    """The same of crops over which degradations were drawn, and what was drawn."""

    labels: NDArray[np.float32]
    """(N, findings) as `degradation_model.Degraded.labels`."""
    weights: NDArray[np.float32]
    """(N, findings) as `degradation_model.Degraded.weights`."""
    maps: NDArray[np.float32]
    """(N, h / 16, w / 16, 2) missing light and optical depth of the haze."""


_Kind = TypeVar("_Kind", bound=CropFeatures)


def held_out(work: Path) -> NDArray[np.bool_]:
    """Return which crops (N,) of a pack are never trained on."""
    return np.array([crop.held_out for crop in load_pack(work)[1]])


def clean_features(work: Path) -> CropFeatures:
    """Look at the crops of a pack as they are."""

    def make() -> CropFeatures:
        encoder = SemanticEncoder.load()
        parts = (_looked_at(crops, encoder) for crops in _batches(work))
        return CropFeatures(*_joined(parts))

    # The encoder is most of a fit's time, and looks at the same crops in each.
    return _kept(work, "features-clean.npz", CropFeatures, make)


def degraded_features(work: Path) -> DegradedFeatures:
    """Look `DRAWS` times at the crops of a pack with degradations drawn over them.

    The draws follow one another, each in the pack's order, and are always the same.
    """

    def make() -> DegradedFeatures:
        encoder, drawing = (
            SemanticEncoder.load(),
            DegradationModel(torch.Generator().manual_seed(_SEED)),
        )
        parts = (
            _degraded(crops, encoder, drawing) for _ in range(DRAWS) for crops in _batches(work)
        )
        return DegradedFeatures(*_joined(parts))

    return _kept(work, "features-degraded.npz", DegradedFeatures, make)


def graphic_features(work: Path) -> CropFeatures:
    """Look at drawn pictures that are no photos, always the same."""
    count = GRAPHICS

    def make() -> CropFeatures:
        encoder, rng = SemanticEncoder.load(), random.Random(_GRAPHICS_SEED)
        drawn = [min(_BATCH, count - start) for start in range(0, count, _BATCH)]
        batches = (np.stack([draw(rng) for _ in range(size)]) for size in drawn)
        parts = (_looked_at(as_tensor(b, np.arange(len(b))), encoder) for b in batches)
        return CropFeatures(*_joined(parts))

    return _kept(work, f"features-graphics-{count}.npz", CropFeatures, make)


@torch.no_grad()
def features_of(images: Tensor, encoder: SemanticEncoder) -> list[Tensor]:
    """Return the fields of `CropFeatures` for images (N, 3, h, w) of display values.

    In single precision as in the engine: bfloat16, through thirty layers, is another encoder.
    """
    seen = encoder(normalised_tones(ycc(images)[:, :1]))
    fine, coarse = seen.fine.permute(0, 2, 3, 1), seen.coarse.mean((2, 3))
    return [fine, coarse, seen.pooled, statistics_of(images), quantiles_of(images)]


def statistics_of(images: Tensor) -> Tensor:
    """Return what `expectation.cell_statistics` says of each of images (N, 3, h, w)."""
    light = (functional.avg_pool2d(luminance(images), CELL) + DARKEST).log()
    converted = ycc(images)
    means = functional.avg_pool2d(converted, CELL)
    squares = functional.avg_pool2d(converted[:, :1].square(), CELL)
    contrast = (squares - means[:, :1].square()).clamp(min=0).sqrt()
    chroma = converted[:, 1:].square().sum(1, keepdim=True).sqrt()
    saturation = functional.avg_pool2d(chroma, CELL)
    blocks = functional.unfold(images.amin(1, keepdim=True), CELL, stride=CELL)
    dark_channel = blocks.kthvalue(DARK_RANK + 1, dim=1).values.reshape(light.shape)
    logs = [light, dark_channel, (contrast + FLAT).log(), (saturation + FLAT).log()]
    return torch.cat([*logs, means[:, 1:]], 1).permute(0, 2, 3, 1)


def quantiles_of(images: Tensor) -> Tensor:
    """Return quantiles (N, 27) of the channels of images (N, 3, h, w), channel by channel."""
    found = torch.quantile(images.flatten(2), torch.tensor(QUANTILES), dim=2)
    return found.permute(1, 2, 0).flatten(1)


def _looked_at(images: Tensor, encoder: SemanticEncoder) -> list[NDArray[np.floating]]:
    fine, coarse, pooled, *exact = features_of(images, encoder)
    return [v.half().numpy() for v in (fine, coarse, pooled)] + [v.numpy() for v in exact]


def _degraded(
    crops: Tensor, encoder: SemanticEncoder, drawing: DegradationModel
) -> list[NDArray[np.floating]]:
    drawn = drawing(crops)
    maps = functional.avg_pool2d(torch.cat([drawn.gain, drawn.depth], 1), CELL)
    truth = (drawn.labels, drawn.weights, maps.permute(0, 2, 3, 1))
    return _looked_at(drawn.image, encoder) + [v.numpy() for v in truth]


def _batches(work: Path) -> Iterator[Tensor]:
    pixels, crops = load_pack(work)
    for start in range(0, len(crops), _BATCH):
        if start % (25 * _BATCH) == 0:
            print(f"looking at crop {start} of {len(crops)}", flush=True)
        yield as_tensor(pixels, np.arange(start, min(start + _BATCH, len(crops))))


def _joined(parts: Iterator[list[NDArray[np.floating]]]) -> list[NDArray[np.floating]]:
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _kept(work: Path, name: str, kind: type[_Kind], make: Callable[[], _Kind]) -> _Kind:
    """Read what an earlier run kept, if nothing that it comes from has changed; else make it."""
    stamp = _stamp(work)
    names = [field.name for field in fields(kind)]
    try:
        with (work / name).open("rb") as file, np.load(file) as saved:
            if str(saved["stamp"]) == stamp:
                return kind(*(saved[n] for n in names))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        pass
    made = make()
    with replacing(work / name) as sink:
        np.savez(sink, stamp=np.array(stamp), **{n: getattr(made, n) for n in names})
    return made


def _stamp(work: Path) -> str:
    """Identity of the pack, of the encoder's weights and of the code that looks and degrades."""
    load_pack(work)
    modules = (scene_statistics, srgb, degradation_model, graphics, encoders)
    sources = [Path(str(file)) for file in (__file__, *(m.__file__ for m in modules))]
    digest = hashlib.sha256()
    for path in (work / "scenes.json", MODEL, *sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()
