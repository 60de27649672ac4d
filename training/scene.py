"""Train the scene expert on good photos alone. Stop and start it at will; CPU and CUDA alike."""

from __future__ import annotations

import json
import math
import queue
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from ldrps_engine.prior.placement import arithmetic
from ldrps_engine.priors.scene_statistics import (
    SIDE,
    Views,
    chroma_of,
    globals_of,
    normalised_tones,
    tone_of,
    views_of,
    ycc,
)
from ldrps_engine.priors.scene_unet import Estimate, Features, Scene, SceneUNet, loss_scale
from training.encoder import SemanticEncoder
from training.scene_pack import load_pack

_INFINITE = float("inf")
_TONE_SIZE, _CHROMA_SIZE = SIDE // 4, SIDE // 2
_STATE = "scene-state.safetensors"


@dataclass(frozen=True, kw_only=True)
class SceneTraining:
    """Batches, optimiser and how often the state is saved."""

    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.02
    ema_decay: float = 0.999
    drop_semantics: float = 0.1
    save_minutes: float = 10.0
    seed: int = 11


@dataclass(frozen=True)
class Batch:
    """Scenes with some groups noisy or lost, and what they were."""

    scene: Scene
    tone: Tensor
    chroma: Tensor
    whole: Tensor


class Degrader:
    """Draws which groups are known, noisy or lost. Nothing is degraded but by noise levels."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def batch(self, crops: Tensor, encoder: SemanticEncoder, how: SceneTraining) -> Batch:
        """Make a batch of crops (N, 3, 160, 160) of display values."""
        count = len(crops)
        if self._chance(1, 0.5).item():
            crops = crops.flip(3)
        seen = self._disturbed(crops)
        views = views_of(_shrunk(seen))
        with arithmetic(crops.device):
            features = encoder(normalised_tones(ycc(seen)[:, :1]))
        kept = 1 - self._chance(count, how.drop_semantics)
        features = Features(
            *(v.float() * kept.reshape(-1, *[1] * (v.ndim - 1)) for v in vars(features).values())
        )
        clean = _shrunk(crops)
        tone, chroma = tone_of(clean), chroma_of(clean)
        kind = torch.rand(count, generator=self._generator)
        colouring, lighting = kind < 0.35, (kind >= 0.35) & (kind < 0.7)
        tone_level = self._tone_level(count, colouring, lighting)
        chroma_level = self._chroma_level(count, lighting)
        luma_known = 1 - self._chance(count, 0.35) * (~colouring)
        hue_known = self._chance(count, 0.65) * (~colouring)
        scene = Scene(
            views,
            features,
            _noised(tone, tone_level, self._smooth(tone.shape)),
            tone_level,
            _noised(chroma, chroma_level, self._normal(chroma.shape)),
            chroma_level,
            luma_known.float(),
            hue_known.float(),
        )
        return Batch(scene, tone, chroma, globals_of(clean))

    def _disturbed(self, crops: Tensor) -> Tensor:
        """Change what the views look at by a tone curve, a cast and noise.

        Conditioning augmentation (Ho et al., "Cascaded diffusion models", JMLR 2022): a photo that
        is to be restored never gives views as clean as those of a good one.
        """
        count = len(crops)
        power = (0.3 * self._normal((count, 1, 1, 1))).exp()
        cast = (0.06 * self._normal((count, 3, 1, 1))).exp()
        seen = (crops.clamp(min=1e-4) ** power) * cast
        strength = 0.06 * torch.rand((count, 1, 1, 1), generator=self._generator)
        return (seen + strength * self._normal(crops.shape)).clamp(0, 1)

    def _tone_level(self, count: int, colouring: Tensor, lighting: Tensor) -> Tensor:
        drawn = torch.exp(self._uniform(count, math.log(0.03), math.log(3.0)))
        drawn = torch.where(self._chance(count, 0.5).bool(), torch.full_like(drawn, 9e9), drawn)
        drawn = torch.where(lighting, torch.full_like(drawn, 9e9), drawn)
        drawn = torch.where(colouring, torch.full_like(drawn, 0.03), drawn)
        level = drawn.reshape(-1, 1, 1, 1).expand(-1, 1, _TONE_SIZE, _TONE_SIZE).clone()
        self._lose_places(level, 0.15 * (~colouring))
        return torch.where(level > 1e9, torch.full_like(level, _INFINITE), level)

    def _chroma_level(self, count: int, lighting: Tensor) -> Tensor:
        drawn = torch.exp(1.3 * self._normal((count,)) - 0.4).clamp(0.02, 9.0)
        lost = self._chance(count, 0.35).bool() | (lighting & self._chance(count, 0.8).bool())
        drawn = torch.where(lost, torch.full_like(drawn, 9e9), drawn)
        level = drawn.reshape(-1, 1, 1, 1).expand(-1, 1, _CHROMA_SIZE, _CHROMA_SIZE).clone()
        self._lose_places(level, torch.full((count,), 0.1))
        return torch.where(level > 1e9, torch.full_like(level, _INFINITE), level)

    def _lose_places(self, level: Tensor, share: Tensor) -> None:
        """Let the level be infinite over some places of this share of the scenes, in place."""
        blobs = functional.interpolate(self._normal((len(level), 1, 4, 4)), level.shape[-2:])
        hit = torch.rand(len(level), generator=self._generator) < share
        level[hit[:, None, None, None] & (blobs > 0.4)] = 9e9

    def _smooth(self, shape: torch.Size) -> Tensor:
        """Noise of unit deviation as errors of light and haze are: mostly of the whole scene."""
        whole = self._normal((*shape[:2], 1, 1))
        rough = functional.interpolate(self._normal((*shape[:2], 4, 4)), shape[-2:], mode="bicubic")
        return 0.7 * whole + 0.6 * rough + 0.4 * self._normal(shape)

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator)

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=self._generator)

    def _chance(self, count: int, share: float) -> Tensor:
        return (torch.rand(count, generator=self._generator) < share).float()


class SceneRun:
    """One training run in a work folder that holds a pack."""

    def __init__(self, work: Path, how: SceneTraining, warm: Path | None = None) -> None:
        self.work, self.how = work, how
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(how.seed)
        self.pixels, self.crops = load_pack(work)
        self.training = np.array([i for i, c in enumerate(self.crops) if not c.held_out])
        self.encoder = SemanticEncoder.load().to(self.device)
        self.network = SceneUNet().to(self.device, memory_format=torch.channels_last)
        self.progress: dict[str, float] = {"step": 0, "samples": 0, "seconds": 0.0}
        if warm is not None and not (work / _STATE).exists():
            self.network.load_state_dict({k: v.float() for k, v in load_file(warm).items()})
            self.progress |= json.loads((warm.parent / "weights.json").read_text())["training"]
        self.average = {k: v.detach().clone() for k, v in self.network.named_parameters()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
        )
        if (work / _STATE).exists():
            self._resume()

    def train(self, minutes: float, cool_down: float = 0.0) -> None:
        """Train for `minutes`; the learning rate falls over the last `cool_down` of them."""
        ready: queue.Queue[Batch] = queue.Queue(maxsize=2)
        threading.Thread(target=self._fill, args=(ready,), daemon=True).start()
        start = last_save = last_line = time.monotonic()
        losses: list[list[float]] = []
        while (now := time.monotonic()) - start < minutes * 60:
            left = minutes - (now - start) / 60
            losses.append(self.step(ready.get(), min(1.0, left / cool_down) if cool_down else 1.0))
            self.progress["seconds"] += time.monotonic() - now
            if now - last_line > 60:
                pace = len(losses) * self.how.batch / (now - last_line)
                told = " ".join(f"{v:.4f}" for v in np.mean(losses, axis=0))
                step = int(self.progress["step"])
                print(
                    f"step {step} loss {told} {pace:.1f} samples/s, {left:.0f} min left", flush=True
                )
                losses, last_line = [], now
            if now - last_save > self.how.save_minutes * 60:
                self.save()
                last_save = now
        self.save()

    def step(self, batch: Batch, rate: float = 1.0) -> list[float]:
        """Take one optimiser step; return the losses of tone, chroma and the whole."""
        rate *= self.how.learning_rate * min(1.0, (self.progress["step"] + 1) / self.how.warmup)
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

    def save(self) -> None:
        """Write the state beside the old one and rename it over, and the averaged weights."""
        tensors = {f"model.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.average.items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = torch.as_tensor(value)
        part = self.work / f"{_STATE}.part"
        meta = {"progress": json.dumps(self.progress)}
        save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, part, meta)
        part.replace(self.work / _STATE)

    def _resume(self) -> None:
        from safetensors import safe_open

        with safe_open(self.work / _STATE, "pt") as file:
            self.progress = json.loads(file.metadata()["progress"])
        saved = load_file(self.work / _STATE)
        prefix = "model."
        self.network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        )
        for name, value in self.average.items():
            value.copy_(saved[f"ema.{name}"])
        for name, parameter in self.network.named_parameters():
            self.optimiser.state[parameter] = {
                key: saved[f"adam.{key}.{name}"]
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in saved
            }

    def _fill(self, ready: queue.Queue[Batch]) -> None:
        seed = self.how.seed + int(self.progress["step"])
        rng = np.random.default_rng(seed)
        degrader = Degrader(torch.Generator().manual_seed(seed))
        while True:
            crops = as_tensor(self.pixels, rng.choice(self.training, self.how.batch))
            with torch.no_grad():
                ready.put(_moved(degrader.batch(crops, self.encoder, self.how), self.device))


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


def as_tensor(pixels: NDArray[np.uint8], indices: NDArray[np.int64]) -> Tensor:
    """Return crops of a pack as display values (N, 3, 160, 160)."""
    crops = np.stack([pixels[i] for i in indices])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255


def _shrunk(crops: Tensor) -> Tensor:
    return functional.interpolate(crops, size=(SIDE, SIDE), mode="bilinear", antialias=True)


def _noised(values: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    return values + torch.where(level.isinf(), torch.zeros_like(level), level) * noise


def _moved(batch: Batch, device: torch.device) -> Batch:
    def moved(value: object) -> object:
        if isinstance(value, Tensor):
            return value.to(device, non_blocking=True)
        if isinstance(value, (Views, Features, Scene)):
            kind = type(value)
            return kind(*(moved(getattr(value, f.name)) for f in fields(value)))  # type: ignore[arg-type]
        return value

    return Batch(*(moved(getattr(batch, f.name)) for f in fields(batch)))  # type: ignore[arg-type]
