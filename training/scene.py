"""Train the scene expert on good photos alone. Stop and start it at will; CPU and CUDA alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.priors.placement import arithmetic
from ldrps_engine.priors.scene_unet import Estimate, SceneUNet, loss_scale
from training.config import Pace, TrainingError
from training.encoder import SemanticEncoder
from training.run import TrainingRun, seeded_device
from training.scene_batches import Batch, Degrader, as_tensor, moved
from training.scene_pack import load_pack
from training.state import start_warm

WEIGHTS = "scene.safetensors"
"""File that `export-scene` writes, and a warm start reads."""
STATE = "scene-state.safetensors"


@dataclass(frozen=True, kw_only=True)
class SceneTraining(Pace):
    """Batches, optimiser and how often the state is saved."""

    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    average_decay: float = 0.9985
    drop_semantics: float = 0.1
    save_minutes: float = 5.0
    seed: int = 11


class SceneRun(TrainingRun[Batch]):
    """One training run in a work folder that holds a pack.

    A run goes on where the folder's state stands. `warm` is a folder that `export-scene` wrote: a
    new run begins with its weights, and counts on from its steps.
    """

    network: SceneUNet

    def __init__(self, work: Path, how: SceneTraining, warm: Path | None = None) -> None:
        self.work, self.how = work, how
        device = seeded_device(how.seed)
        self.pixels, self.crops = load_pack(work)
        self.training = np.array([i for i, c in enumerate(self.crops) if not c.held_out])
        if not len(self.training):
            raise TrainingError(f"{work} holds no crop to train on; give `pack-scenes` more photos")
        self.encoder = SemanticEncoder.load().to(device)
        network, progress = SceneUNet().to(device), None
        if warm is not None:
            progress = start_warm(network, work / STATE, warm / WEIGHTS, "export-scene")
        super().__init__(work / STATE, network, how, progress)
        pack = _identity(work)
        if self.about.get("pack", pack) != pack:
            raise TrainingError(
                f"{work / STATE} was trained on another pack, and may know the photos held out of "
                "this one; pack the same photos again, or start in an empty folder"
            )
        self.about = {"pack": pack}

    def source(self, seed: int) -> Callable[[], Batch]:
        """Return what draws batches."""
        rng = np.random.default_rng(seed)
        degrader = Degrader(torch.Generator().manual_seed(seed))
        return lambda: self._draw(rng, degrader)

    def _draw(self, rng: np.random.Generator, degrader: Degrader) -> Batch:
        crops = as_tensor(self.pixels, rng.choice(self.training, self.how.batch))
        with torch.no_grad():
            batch = degrader.batch(crops, self.encoder, self.how.drop_semantics)
            return moved(batch, self.device)

    def count(self, batch: Batch) -> int:
        """Return the number of crops in a batch."""
        return len(batch.tone)

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of `loss_terms`."""
        with arithmetic(self.device):
            estimate = self.network(batch.scene)
        tone, chroma, whole = loss_terms(estimate, batch)
        return tone + 2 * chroma + 0.5 * whole

    def measure(self) -> None:
        """Print the held-out losses of tone, chroma and the whole."""
        losses = " ".join(f"{value:.4f}" for value in self.held_out_losses())
        print(f"held out: {losses}", flush=True)

    @torch.no_grad()
    def held_out_losses(self, most: int = 256) -> list[float]:
        """Return the averaged weights' losses on held-out crops, always degraded the same way."""
        held_out = np.array([i for i, c in enumerate(self.crops) if c.held_out])[:most]
        if not len(held_out):
            return []
        judged = SceneUNet().to(self.device)
        judged.load_state_dict(self.averaged_state())
        # Always the same, so that two saves can be compared.
        degrader = Degrader(torch.Generator().manual_seed(0), augmented=False)
        losses = []
        for start in range(0, len(held_out), self.how.batch):
            crops = as_tensor(self.pixels, held_out[start : start + self.how.batch])
            batch = moved(degrader.batch(crops, self.encoder, 0.0), self.device)
            terms = loss_terms(judged(batch.scene), batch)
            losses.append([float(term) * len(crops) for term in terms])
        return [float(v) / len(held_out) for v in np.sum(losses, axis=0)]


def _identity(work: Path) -> str:
    """Hash of what the pack's crops are and which of them are held out."""
    return hashlib.sha256((work / "scenes.json").read_bytes()).hexdigest()


def loss_terms(estimate: Estimate, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Negative log likelihoods of tone and of the whole, and chroma's weighted squared error."""
    change = loss_scale(batch.scene.tone_level).rsqrt()
    off = (batch.tone - estimate.tone) / estimate.tone_deviation
    tone = (0.5 * off.square() + (estimate.tone_deviation / change).log()).mean()
    weight = loss_scale(batch.scene.chroma_level)
    chroma = (weight * (batch.chroma - estimate.chroma).square()).mean()
    off = (batch.whole - estimate.whole) / estimate.whole_deviation
    whole = (0.5 * off.square() + estimate.whole_deviation.log()).mean()
    return tone, chroma, whole
