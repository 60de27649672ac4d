"""Train the network that judges haze, on haze drawn over good photos.

Stop and start it at will; CPU and CUDA alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ldrps_engine.analysis.haze_field import CELL, SHORT, STATISTICS
from ldrps_engine.model_store.atomic import replacing
from training.config import Config, Pace, TrainingError
from training.curve import append_point
from training.halves import write_export
from training.haze_draws import Haze, Hazed
from training.haze_network import HazeNetwork, statistics, undone
from training.photos import PhotoPack
from training.run import TrainingRun, seeded_device
from training.scene_pack import HOLDOUT_EVERY
from training.state import start_warm

WEIGHTS = "haze.safetensors"
STATE = "haze-state.safetensors"
CELLS = "cells.npy"
CURVE = "haze-curve.tsv"
_HELD_OUT = 192
# Squared error added before its logarithm: what is near enough need not come nearer.
_LEAST_ERROR = 5e-4
_REDUCED_FROM, _REDUCED_TO = 700, 400
_SMALLEST = 0.55
CROPS = {
    "elementary/wallpapers": 12.0,
    "debian": 12.0,
    "Debian lomiri-wallpapers-16.04": 8.0,
    "Debian mate-backgrounds": 8.0,
    "BuddiesOfBudgie/budgie-backgrounds": 8.0,
    "ubuntu-mate/ubuntu-mate-artwork": 8.0,
    "pop-os/wallpapers": 8.0,
    "linuxdeepin/deepin-wallpapers": 8.0,
    "drewnoakes/metadata-extractor-images": 3.0,
    "immich-app/test-assets": 3.0,
    "Caltech-101": 0.45,
    "MachineLearning2020/Homework2-Caltech101 (Caltech-101)": 0.45,
    "Oldpel/flower_photos (TensorFlow flower_photos)": 0.4,
    "alexeygrigorev/clothing-dataset": 0.25,
    "marcusklasson/GroceryStoreDataset": 0.6,
}
"""Crops of a photo by its source, where not 1.5: large photos of places have many scenes."""
_OPENSTAX, _OTHER = 3.0, 1.5


@dataclass(frozen=True, kw_only=True)
class HazeTraining(Pace):
    """Batches, optimiser and how often the state is saved."""

    batch: int = 16
    learning_rate: float = 2.5e-3
    warmup: int = 60
    weight_decay: float = 0.01
    average_decay: float = 0.99
    save_minutes: float = 2.0
    seed: int = 5


class HazeRun(TrainingRun[Hazed]):
    """One training run in a work folder that holds a pack. It resumes from its state.

    Every 25th photo of a manifest is never trained on: those, the benchmarks use.
    """

    network: HazeNetwork

    def __init__(
        self, work: Path, config: Config, how: HazeTraining, warm: Path | None = None
    ) -> None:
        self.work, self.how = work, how
        device = seeded_device(how.seed)
        self.pack = PhotoPack(work, config)
        self.cells, self.origin = _load_cells(work, self.pack)
        held = np.array([self.pack.photos[i].row % HOLDOUT_EVERY == 0 for i in self.origin])
        self.training, self.held_out = np.flatnonzero(~held), np.flatnonzero(held)[:_HELD_OUT]
        if not len(self.training) or not len(self.held_out):
            raise TrainingError(f"{work} holds too few photos to train on and to hold out")
        network, progress = HazeNetwork().to(device), None
        if warm:
            progress = start_warm(network, work / STATE, warm / WEIGHTS, "export-haze")
        super().__init__(work / STATE, network, how, progress)

    def source(self, seed: int) -> Callable[[], Hazed]:
        """Return what draws batches."""
        rng, haze = np.random.default_rng(seed), Haze(seed)
        return lambda: self.draw(rng, haze)

    def count(self, batch: Hazed) -> int:
        """Return the number of crops in a batch."""
        return len(batch.cells)

    def draw(self, rng: np.random.Generator, haze: Haze) -> Hazed:
        """Draw the next batch; half of all are mirrored."""
        chosen = np.sort(rng.choice(self.training, self.how.batch))
        cells = torch.from_numpy(self.cells[chosen].astype(np.float32))
        return haze(cells.flip(3) if rng.random() < 0.5 else cells)

    def loss(self, batch: Hazed) -> Tensor:
        """Return `haze_loss` of a batch."""
        batch = Hazed(*(value.to(self.device) for value in vars(batch).values()))
        depth, air = self.network(batch.cells)
        return haze_loss(depth, air, batch)

    @torch.no_grad()
    def held_out_score(self) -> float:
        """Return the mean PSNR of held-out crops once the haze that is found is taken off."""
        network = HazeNetwork().to(self.device).eval()
        network.load_state_dict(self.average)
        cells = torch.from_numpy(self.cells[self.held_out].astype(np.float32))
        drawn = Haze(99)(cells)
        depth, air = (value.cpu() for value in network(drawn.cells.to(self.device)))
        shown = undone(drawn.cells[:, :3], depth, air).clamp(0, 1)
        error = (shown - drawn.clean).square().mean((1, 2, 3))
        return float((-10 * error.log10()).mean())

    def measure(self) -> None:
        """Print the held-out score, and add it to the curve."""
        score = self.held_out_score()
        print(f"held out: {score:.2f} dB", flush=True)
        append_point(self.work / CURVE, self.progress, {"PSNR": f"{score:.3f}"})

    def export(self, out: Path) -> None:
        """Write averaged weights into a folder as halves, and their record beside them."""
        indices = {int(index) for index in self.origin[self.training]}
        sources = (self.pack.photos[index].source for index in indices)
        write_export(out / WEIGHTS, self.average, self.progress, sources)


def haze_loss(depth: Tensor, air: Tensor, drawn: Hazed) -> Tensor:
    """Log of the squared error of what is undone, and the errors of depth and air."""
    error = (undone(drawn.cells[:, :3], depth, air) - drawn.clean).square().mean((1, 2, 3))
    apart = (depth - drawn.depth).abs().mean() + (air - drawn.air).abs().mean()
    return (error + _LEAST_ERROR).log().mean() + 0.5 * apart


def _load_cells(work: Path, pack: PhotoPack) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Statistics (N, 10, 32, 32) of crops, made at the first time, and the photo of each."""
    if min(photo.row for photo in pack.photos) < 0:
        raise TrainingError(f"{work} holds an older pack; run `python -m training pack` again")
    rng = random.Random(3)
    counts = [_count(photo.source, rng) for photo in pack.photos]
    origin = np.repeat(np.arange(len(counts)), counts)
    path = work / CELLS
    if path.exists():
        cells: NDArray[np.float16] = np.load(path, mmap_mode="r")
        if len(cells) == len(origin):
            return cells, origin
    side = SHORT // CELL
    made = np.empty((len(origin), STATISTICS, side, side), np.float16)
    for k, index in enumerate(origin):
        crop = torch.from_numpy(_crop(pack.pixels(int(index)), rng)).permute(2, 0, 1)[None]
        made[k] = statistics(crop.float() / 255)[0].numpy()
    with replacing(path) as sink:
        np.save(sink, made)
    return made, origin


def _count(source: str, rng: random.Random) -> int:
    mean = CROPS.get(source, _OPENSTAX if "openstax" in source else _OTHER)
    return int(mean) + (rng.random() < mean % 1)


def _crop(pixels: NDArray[np.uint8], rng: random.Random) -> NDArray[np.uint8]:
    """Square of most or all of the short side, as large as the network looks at."""
    image = Image.fromarray(pixels)
    if min(image.size) > _REDUCED_FROM:
        image = image.reduce(min(image.size) // _REDUCED_TO)
    short = min(image.size)
    side = short * rng.uniform(_SMALLEST, 1) if short > SHORT / _SMALLEST else short
    left, top = ((length - side) * rng.random() for length in image.size)
    box = (left, top, left + side, top + side)
    return np.array(image.resize((SHORT, SHORT), Image.Resampling.BICUBIC, box, 2.0))
