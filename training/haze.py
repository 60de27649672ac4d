"""Train the network that judges haze, on haze drawn over good photos.

Stop and start it at will; CPU and CUDA alike.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ldrps_engine.analysis.haze_field import CELL, SHORT, STATISTICS
from training.config import Config, TrainingError
from training.halves import LICENCE, write_halves, write_record
from training.haze_draws import Haze, Hazed
from training.haze_network import HazeNetwork, statistics, undone
from training.photos import PhotoPack
from training.scene_pack import HOLDOUT_EVERY
from training.state import RunState, resume, save_run, start_warm

WEIGHTS = "haze.safetensors"
STATE = "haze-state.safetensors"
CELLS = "cells.npy"
_COLUMNS = "step\tsamples\tseconds\tPSNR\n"
_HELD_OUT = 192
_LEAST_ERROR = 5e-4
"""Squared error added before its logarithm: what is near enough need not come nearer."""
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
class HazeTraining:
    """Batches, optimiser and how often the state is saved."""

    batch: int = 16
    learning_rate: float = 2.5e-3
    warmup: int = 60
    weight_decay: float = 0.01
    average_decay: float = 0.99
    save_minutes: float = 2.0
    seed: int = 5


class HazeRun:
    """One training run in a work folder that holds a pack. It resumes from its state.

    Every 25th photo of a manifest is never trained on: those, the benchmarks use.
    """

    def __init__(
        self, work: Path, config: Config, how: HazeTraining, warm: Path | None = None
    ) -> None:
        self.work, self.how = work, how
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(how.seed)
        self.pack = PhotoPack(work, config)
        self.cells, self.origin = _load_cells(work, self.pack)
        held = np.array([self.pack.photos[i].row % HOLDOUT_EVERY == 0 for i in self.origin])
        self.training, self.held_out = np.flatnonzero(~held), np.flatnonzero(held)[:_HELD_OUT]
        if not len(self.training) or not len(self.held_out):
            raise TrainingError(f"{work} holds too few photos to train on and to hold out")
        self.network = HazeNetwork().to(self.device)
        self.progress: dict[str, float] = {"step": 0, "samples": 0, "seconds": 0.0}
        self._taken = 0
        if warm:
            command = "export-haze"
            self.progress = start_warm(self.network, work / STATE, warm / WEIGHTS, command)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
        )
        if (work / STATE).exists():
            saved = resume(work / STATE, self.network, self.average, self.optimiser)
            self.progress, self._taken = saved.progress, saved.taken

    def train(self, minutes: float, cool_down: float = 0.0) -> None:
        """Train for `minutes`; the learning rate falls over the last `cool_down` of them."""
        start = last = time.monotonic()
        first = self.how.seed + int(self.progress["step"])
        rng, haze = np.random.default_rng(first), Haze(first)
        losses: list[float] = []
        while (now := time.monotonic()) - start < minutes * 60:
            left = minutes - (now - start) / 60
            drawn = self.draw(rng, haze)
            losses.append(self.step(drawn, min(1.0, left / cool_down) if cool_down else 1.0))
            self.progress["seconds"] += time.monotonic() - now
            if now - last > self.how.save_minutes * 60:
                told = f"step {self.progress['step']:.0f} loss {np.mean(losses):.4f}"
                print(f"{told}, {left:.0f} min left", flush=True)
                self.save()
                losses, last = [], now
        self.save()

    def draw(self, rng: np.random.Generator, haze: Haze) -> Hazed:
        """Draw the next batch; half of all are mirrored."""
        chosen = np.sort(rng.choice(self.training, self.how.batch))
        told = torch.from_numpy(self.cells[chosen].astype(np.float32))
        return haze(told.flip(3) if rng.random() < 0.5 else told)

    def step(self, drawn: Hazed, rate: float = 1.0) -> float:
        """Take one optimiser step at this share of the learning rate; return the loss."""
        self._taken += 1
        for group in self.optimiser.param_groups:
            warm = min(1.0, self._taken / self.how.warmup)
            group["lr"] = rate * self.how.learning_rate * warm
        drawn = Hazed(*(value.to(self.device) for value in vars(drawn).values()))
        depth, air = self.network(drawn.told)
        loss = haze_loss(depth, air, drawn)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.progress["step"] += 1
        self.progress["samples"] += len(drawn.told)
        decay = min(self.how.average_decay, (self._taken + 1) / (self._taken + 10))
        with torch.no_grad():
            values = list(self.network.state_dict().values())
            torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)
        return float(loss.item())

    @torch.no_grad()
    def held_out_score(self) -> float:
        """Return the mean PSNR of held-out crops once the haze that is found is taken off."""
        network = HazeNetwork().to(self.device).eval()
        network.load_state_dict(self.average)
        told = torch.from_numpy(self.cells[self.held_out].astype(np.float32))
        drawn = Haze(99)(told)
        depth, air = (value.cpu() for value in network(drawn.told.to(self.device)))
        shown = undone(drawn.told[:, :3], depth, air).clamp(0, 1)
        error = (shown - drawn.clean).square().mean((1, 2, 3))
        return float((-10 * error.log10()).mean())

    def save(self) -> None:
        """Write the state beside the old one and rename it over, and a line of the curve."""
        run = RunState(self.progress, self._taken, {})
        save_run(self.work / STATE, self.network, self.average, self.optimiser, run)
        score = self.held_out_score()
        print(f"held out: {score:.2f} dB", flush=True)
        path = self.work / "haze-curve.tsv"
        line = "\t".join(f"{self.progress[k]:.0f}" for k in ("step", "samples", "seconds"))
        with path.open("a") as sink:
            sink.write(("" if path.stat().st_size else _COLUMNS) + f"{line}\t{score:.3f}\n")

    def export(self, out: Path) -> None:
        """Write averaged weights into a folder as halves, and their record beside them."""
        write_halves(out / WEIGHTS, self.average, LICENCE)
        indices = {int(index) for index in self.origin[self.training]}
        photos = Counter(self.pack.photos[index].source for index in indices)
        write_record(out, self.progress, dict(sorted(photos.items())), [out / WEIGHTS])


def haze_loss(depth: Tensor, air: Tensor, drawn: Hazed) -> Tensor:
    """Log of the squared error of what is undone, and the errors of depth and air."""
    error = (undone(drawn.told[:, :3], depth, air) - drawn.clean).square().mean((1, 2, 3))
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
    with (work / f"{CELLS}.part").open("wb") as sink:
        np.save(sink, made)
    (work / f"{CELLS}.part").replace(path)
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
