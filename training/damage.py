"""Train the network that finds damage, on damage drawn over good photos.

Stop and start it at will; CPU and CUDA alike.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.config import Config, TrainingError
from training.damage_batches import Batch, Batches
from training.damage_network import DamageNetwork
from training.halves import LICENCE, write_halves, write_record
from training.normalisation import folded, normalised, unfold
from training.photos import PhotoPack
from training.prefetch import Prefetched
from training.scene_pack import HOLDOUT_EVERY
from training.state import RunState, resume, save_run, warm_weights

WEIGHTS = "damage.safetensors"
STATE = "damage-state.safetensors"
_HELD_OUT_BATCHES = 8
_WARM_BATCHES = 12
"""Batches on which a warm start measures what normalisation goes by."""
_COLUMNS = "step\tsamples\tseconds\tIoU\tfalse alarms\n"
SOURCE_WEIGHT = {
    "elementary/wallpapers": 20.0,
    "debian": 20.0,
    "pop-os/wallpapers": 4.0,
    "marcusklasson/GroceryStoreDataset": 0.5,
    "alexeygrigorev/clothing-dataset": 0.4,
    "Caltech-101": 0.5,
    "MachineLearning2020/Homework2-Caltech101 (Caltech-101)": 0.2,
}
"""Weight of a source when photos are drawn: large and varied ones give many different crops."""


@dataclass(frozen=True, kw_only=True)
class DamageTraining:
    """Batches, optimiser and how often the state is saved."""

    side: int = 160
    batch: int = 8
    learning_rate: float = 3e-3
    warmup: int = 100
    weight_decay: float = 0.02
    average_decay: float = 0.998
    save_minutes: float = 4.0
    seed: int = 31


class DamageRun:
    """One training run in a work folder that holds a pack. It resumes from its state.

    Every 25th photo of a manifest is never trained on: those, the benchmarks use.
    """

    def __init__(
        self, work: Path, config: Config, how: DamageTraining, warm: Path | None = None
    ) -> None:
        self.work, self.how = work, how
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(how.seed)
        self.pack = PhotoPack(work, config, SOURCE_WEIGHT)
        rows = [photo.row for photo in self.pack.photos]
        if min(rows) < 0:
            raise TrainingError(f"{work} holds an older pack; run `python -m training pack` again")
        self.training = [i for i, row in enumerate(rows) if row % HOLDOUT_EVERY]
        held = [i for i, row in enumerate(rows) if row % HOLDOUT_EVERY == 0]
        if not self.training or not held:
            raise TrainingError(f"{work} holds too few photos to train on and to hold out")
        self.batches = Batches(self.pack, self.training, how.side, how.batch)
        self.held_out = Batches(self.pack, held, how.side, how.batch)
        self.network = DamageNetwork(normalised).to(self.device)
        # The stubs of torch do not know this overload.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.progress: dict[str, float] = {"step": 0, "samples": 0, "seconds": 0.0}
        self._taken = 0
        if warm:
            self._start_warm(warm)
        self.average = {name: value.detach().clone() for name, value in self._floats()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=how.learning_rate,
            weight_decay=how.weight_decay,
            fused=True,
        )
        if (work / STATE).exists():
            saved = resume(work / STATE, self.network, self.average, self.optimiser)
            self.progress, self._taken = saved.progress, saved.taken

    def _start_warm(self, folder: Path) -> None:
        values, self.progress = warm_weights(self.work / STATE, folder / WEIGHTS, "export-damage")
        drawer = self.batches.drawer(self.how.seed)
        images = (drawer.draw().images.to(self.device) for _ in range(_WARM_BATCHES))
        try:
            unfold(self.network, values, self.network, images)
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"{folder} is no export of this network: {error}") from None

    def _floats(self) -> Iterator[tuple[str, Tensor]]:
        """Weights and statistics of the network by their names."""
        for name, value in self.network.state_dict(keep_vars=True).items():
            if value.is_floating_point():
                yield name, value

    def train(self, minutes: float, cool_down: float = 0.0) -> None:
        """Train for `minutes`; the learning rate falls over the last `cool_down` of them."""
        drawer = self.batches.drawer(self.how.seed + int(self.progress["step"]))
        with Prefetched(drawer.draw, ahead=3) as ready:
            self._train(ready, minutes, cool_down)
        self.save()

    def _train(self, ready: Prefetched[Batch], minutes: float, cool_down: float) -> None:
        start = last_save = last_line = time.monotonic()
        losses: list[float] = []
        while (now := time.monotonic()) - start < minutes * 60:
            left = minutes - (now - start) / 60
            batch = ready.next()
            losses.append(self.step(batch, min(1.0, left / cool_down) if cool_down else 1.0))
            self.progress["seconds"] += time.monotonic() - now
            if now - last_line > 60:
                pace = len(losses) * self.how.batch / (now - last_line)
                print(
                    f"step {int(self.progress['step'])} loss {np.mean(losses):.4f} "
                    f"{pace:.1f} samples/s, {left:.0f} min left",
                    flush=True,
                )
                losses, last_line = [], now
            if now - last_save > self.how.save_minutes * 60:
                self.save()
                last_save = now

    def step(self, batch: Batch, rate: float = 1.0) -> float:
        """Take one optimiser step at this share of the learning rate; return the loss."""
        self._taken += 1
        for group in self.optimiser.param_groups:
            warm = min(1.0, self._taken / self.how.warmup)
            group["lr"] = rate * self.how.learning_rate * warm
        loss = damage_loss(self.network(batch.images.to(self.device)), batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.progress["step"] += 1
        self.progress["samples"] += len(batch.images)
        decay = min(self.how.average_decay, (self._taken + 1) / (self._taken + 10))
        with torch.no_grad():
            values = [value.detach() for _, value in self._floats()]
            torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)
        return float(loss.item())

    def averaged(self) -> DamageNetwork:
        """Return the network that ships: averaged weights, normalisation in the convolutions."""
        values = self.network.state_dict() | self.average
        network = DamageNetwork().to(self.device).eval()
        network.load_state_dict(folded(values))
        return network

    @torch.no_grad()
    def held_out_scores(self) -> tuple[float, float]:
        """Return the IoU on held-out crops, and the share of undamaged pixels taken for damage."""
        network, drawer = self.averaged(), self.held_out.drawer(25)
        hit = either = false = undamaged = 0.0
        for _ in range(_HELD_OUT_BATCHES):
            batch = drawer.draw()
            found = network(batch.images.to(self.device)).cpu() > 0
            true = batch.damaged > 0
            hit += float((found & true).sum())
            either += float((found | true).sum())
            false += float((found & ~true).sum())
            undamaged += float((~true).sum())
        return hit / max(either, 1), false / max(undamaged, 1)

    def save(self) -> None:
        """Write the state beside the old one and rename it over, and a line of the curve."""
        run = RunState(self.progress, self._taken, {})
        save_run(self.work / STATE, self.network, self.average, self.optimiser, run)
        iou, false = self.held_out_scores()
        print(f"held out: IoU {iou:.3f}, false alarms {100 * false:.3f} %", flush=True)
        path = self.work / "damage-curve.tsv"
        line = "\t".join(f"{self.progress[k]:.0f}" for k in ("step", "samples", "seconds"))
        with path.open("a") as sink:
            sink.write(
                ("" if path.stat().st_size else _COLUMNS) + f"{line}\t{iou:.4f}\t{false:.6f}\n"
            )

    def export(self, out: Path) -> None:
        """Write averaged weights into a folder as halves, and their record beside them."""
        write_halves(out / WEIGHTS, self.averaged().state_dict(), LICENCE)
        photos = Counter(self.pack.photos[index].source for index in self.training)
        write_record(out, self.progress, dict(sorted(photos.items())), [out / WEIGHTS])


def damage_loss(odds: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the pixels, and one less the Dice coefficient of each damaged crop."""
    true, weight = batch.damaged.to(odds.device), batch.weight.to(odds.device)
    entropy = nn.functional.binary_cross_entropy_with_logits(odds, true, weight)
    share = torch.sigmoid(odds) * weight
    wanted = true * weight
    both = (share * wanted).sum((1, 2, 3))
    either = (share.square() + wanted.square()).sum((1, 2, 3))
    damaged = wanted.sum((1, 2, 3)) > 0
    dice = (1 - (2 * both + 1) / (either + 1))[damaged]
    return entropy + 0.5 * (dice.mean() if len(dice) else 0.0)
