"""Train the scene expert on good photos alone. Stop and start it at will; CPU and CUDA alike."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldrps_engine.priors.placement import arithmetic
from ldrps_engine.priors.scene_unet import Estimate, SceneUNet, loss_scale
from training.config import TrainingError
from training.encoder import SemanticEncoder
from training.prefetch import Prefetched
from training.scene_batches import Batch, Degrader, as_tensor, moved
from training.scene_pack import load_pack
from training.state import RunState, resume, save_run, start_warm

WEIGHTS = "scene.safetensors"
"""File that `export-scene` writes, and a warm start reads."""
STATE = "scene-state.safetensors"


@dataclass(frozen=True, kw_only=True)
class SceneTraining:
    """Batches, optimiser and how often the state is saved."""

    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    ema_decay: float = 0.9985
    drop_semantics: float = 0.1
    save_minutes: float = 5.0
    seed: int = 11


class SceneRun:
    """One training run in a work folder that holds a pack.

    A run goes on where the folder's state stands. `warm` is a folder that `export-scene` wrote: a
    new run begins with its weights, and counts on from its steps.
    """

    def __init__(self, work: Path, how: SceneTraining, warm: Path | None = None) -> None:
        self.work, self.how = work, how
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(how.seed)
        self.pixels, self.crops = load_pack(work)
        self.training = np.array([i for i, c in enumerate(self.crops) if not c.held_out])
        if not len(self.training):
            raise TrainingError(f"{work} holds no crop to train on; give `pack-scenes` more photos")
        self.encoder = SemanticEncoder.load().to(self.device)
        self.network = SceneUNet().to(self.device)
        # The stubs of torch do not know this overload.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.progress: dict[str, float] = {"step": 0, "samples": 0, "seconds": 0.0}
        self._taken = 0
        if warm is not None:
            self.progress |= start_warm(self.network, work / STATE, warm / WEIGHTS, "export-scene")
        self.average = {k: v.detach().clone() for k, v in self.network.named_parameters()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
        )
        if (work / STATE).exists():
            self._resume(work / STATE)

    def train(self, minutes: float, cool_down: float = 0.0) -> None:
        """Train for `minutes`; the learning rate falls over the last `cool_down` of them."""
        seed = self.how.seed + int(self.progress["step"])
        rng = np.random.default_rng(seed)
        degrader = Degrader(torch.Generator().manual_seed(seed))
        with Prefetched(lambda: self._draw(rng, degrader), ahead=2) as ready:
            self._train(ready, minutes, cool_down)
        self.save()

    def _train(self, ready: Prefetched[Batch], minutes: float, cool_down: float) -> None:
        start = last_save = last_line = time.monotonic()
        losses: list[list[float]] = []
        while (now := time.monotonic()) - start < minutes * 60:
            left = minutes - (now - start) / 60
            batch = ready.next()
            losses.append(self.step(batch, min(1.0, left / cool_down) if cool_down else 1.0))
            self.progress["seconds"] += time.monotonic() - now
            if now - last_line > 60:
                pace = len(losses) * self.how.batch / (now - last_line)
                print(
                    f"step {int(self.progress['step'])} loss {_format(np.mean(losses, axis=0))} "
                    f"{pace:.1f} samples/s, "
                    f"{left:.0f} min left",
                    flush=True,
                )
                losses, last_line = [], now
            if now - last_save > self.how.save_minutes * 60:
                self.save()
                print(f"held out: {_format(self.held_out_losses())}", flush=True)
                last_save = now

    def step(self, batch: Batch, rate: float = 1.0) -> list[float]:
        """Take one optimiser step; return the losses of tone, chroma and the whole."""
        self._taken += 1
        # A warm start's optimiser knows no gradient yet: it warms up as a new one.
        rate *= self.how.learning_rate * min(1.0, self._taken / self.how.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with arithmetic(self.device):
            estimate = self.network(batch.scene)
        losses = loss_terms(estimate, batch)
        loss = losses[0] + 2 * losses[1] + 0.5 * losses[2]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.progress["step"] += 1
        self.progress["samples"] += len(batch.tone)
        step = self.progress["step"]
        decay = min(self.how.ema_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            values = [p.detach() for p in self.network.parameters()]
            torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)
        return [float(v.detach()) for v in losses]

    @torch.no_grad()
    def held_out_losses(self, most: int = 256) -> list[float]:
        """Return the averaged weights' losses on held-out crops, always degraded the same way."""
        held_out = np.array([i for i, c in enumerate(self.crops) if c.held_out])[:most]
        if not len(held_out):
            return []
        judged = SceneUNet().to(self.device)
        judged.load_state_dict(self.network.state_dict() | self.average)
        degrader = Degrader(torch.Generator().manual_seed(0), augmented=False)
        losses = []
        for start in range(0, len(held_out), self.how.batch):
            crops = as_tensor(self.pixels, held_out[start : start + self.how.batch])
            batch = moved(degrader.batch(crops, self.encoder, 0.0), self.device)
            terms = loss_terms(judged(batch.scene), batch)
            losses.append([float(term) * len(crops) for term in terms])
        return [float(v) / len(held_out) for v in np.sum(losses, axis=0)]

    def save(self) -> None:
        """Write the state beside the old one and rename it over."""
        run = RunState(self.progress, self._taken, {"pack": _identity(self.work)})
        save_run(self.work / STATE, self.network, self.average, self.optimiser, run)

    def _resume(self, path: Path) -> None:
        saved = resume(path, self.network, self.average, self.optimiser)
        self.progress, self._taken = saved.progress, saved.taken
        if saved.about.get("pack", pack := _identity(self.work)) != pack:
            raise TrainingError(
                f"{path} was trained on another pack, and may know the photos held out of this "
                "one; pack the same photos again, or start in an empty folder"
            )

    def _draw(self, rng: np.random.Generator, degrader: Degrader) -> Batch:
        crops = as_tensor(self.pixels, rng.choice(self.training, self.how.batch))
        with torch.no_grad():
            batch = degrader.batch(crops, self.encoder, self.how.drop_semantics)
            return moved(batch, self.device)


def _format(losses: Iterable[float]) -> str:
    return " ".join(f"{v:.4f}" for v in losses)


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
