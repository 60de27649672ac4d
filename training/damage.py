"""Train the network that finds damage, on damage drawn over good photos.

Stop and start it at will; CPU and CUDA alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training.config import Config, Pace, TrainingError
from training.curve import append_point
from training.damage_batches import Batch, Batches
from training.damage_network import DamageNetwork
from training.halves import write_export
from training.normalisation import folded, normalised, unfold
from training.photos import PhotoPack
from training.run import TrainingRun, seeded_device
from training.scene_pack import HOLDOUT_EVERY
from training.state import warm_weights

WEIGHTS = "damage.safetensors"
STATE = "damage-state.safetensors"
_HELD_OUT_BATCHES = 8
# Batches on which a warm start measures what normalisation goes by.
_WARM_BATCHES = 12
CURVE = "damage-curve.tsv"
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
class DamageTraining(Pace):
    """Batches, optimiser and how often the state is saved."""

    side: int = 160
    batch: int = 8
    learning_rate: float = 3e-3
    warmup: int = 100
    weight_decay: float = 0.02
    average_decay: float = 0.998
    save_minutes: float = 4.0
    seed: int = 31


class DamageRun(TrainingRun[Batch]):
    """One training run in a work folder that holds a pack. It resumes from its state.

    Every 25th photo of a manifest is never trained on: those, the benchmarks use.
    """

    network: DamageNetwork

    def __init__(
        self, work: Path, config: Config, how: DamageTraining, warm: Path | None = None
    ) -> None:
        self.work, self.how = work, how
        device = seeded_device(how.seed)
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
        network, progress = DamageNetwork(normalised).to(device), None
        if warm:
            progress = self._start_warm(network, warm)
        super().__init__(work / STATE, network, how, progress)

    def _start_warm(self, network: DamageNetwork, folder: Path) -> dict[str, float]:
        values, progress = warm_weights(self.work / STATE, folder / WEIGHTS, "export-damage")
        drawer = self.batches.drawer(self.how.seed)
        device = next(network.parameters()).device
        # Drawn as in training: statistics of clean photos would be others.
        images = (drawer.draw().images.to(device) for _ in range(_WARM_BATCHES))
        try:
            unfold(network, values, network, images)
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"{folder} is no export of this network: {error}") from None
        return progress

    def source(self, seed: int) -> Callable[[], Batch]:
        """Return what draws batches."""
        return self.batches.drawer(seed).draw

    def count(self, batch: Batch) -> int:
        """Return the number of crops in a batch."""
        return len(batch.images)

    def loss(self, batch: Batch) -> Tensor:
        """Return `damage_loss` of a batch."""
        return damage_loss(self.network(batch.images.to(self.device)), batch)

    def averaged(self) -> DamageNetwork:
        """Return the network that ships: averaged weights, normalisation in the convolutions."""
        network = DamageNetwork().to(self.device).eval()
        network.load_state_dict(folded(self.averaged_state()))
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

    def measure(self) -> None:
        """Print the held-out scores, and add them to the curve."""
        iou, false = self.held_out_scores()
        print(f"held out: IoU {iou:.3f}, false alarms {100 * false:.3f} %", flush=True)
        measured = {"IoU": f"{iou:.4f}", "false alarms": f"{false:.6f}"}
        append_point(self.work / CURVE, self.progress, measured)

    def export(self, out: Path) -> None:
        """Write averaged weights into a folder as halves, and their record beside them."""
        sources = (self.pack.photos[index].source for index in self.training)
        write_export(out / WEIGHTS, self.averaged().state_dict(), self.progress, sources)


def damage_loss(odds: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the pixels, and one less the Dice coefficient of each damaged crop."""
    true, weight = batch.damaged.to(odds.device), batch.weight.to(odds.device)
    entropy = nn.functional.binary_cross_entropy_with_logits(odds, true, weight)
    share = torch.sigmoid(odds) * weight
    wanted = true * weight
    both = (share * wanted).sum((1, 2, 3))
    either = (share.square() + wanted.square()).sum((1, 2, 3))
    damaged = wanted.sum((1, 2, 3)) > 0
    # One pixel more in both: a crop with a speck of damage does not decide the batch.
    dice = (1 - (2 * both + 1) / (either + 1))[damaged]
    return entropy + 0.5 * (dice.mean() if len(dice) else 0.0)
