"""Train the recogniser on open photos with degradations drawn over them by physics."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from ldrps_engine.priors.scene_unet import Features
from training.encoder import SemanticEncoder
from ldrps_engine.prior.placement import arithmetic
from ldrps_engine.priors.scene_statistics import SIDE, normalised_tones, ycc
from training.graphics import draw
from training.recogniser import FINDINGS, Recogniser
from training.physics import Degraded, Physics
from training.scene import as_tensor
from training.scene_pack import load_pack

_BATCH = 32
_RATE = 1e-3
_EMA = 0.998
_GRAPHICS = 3
"""Of a batch, pictures that are no photos."""

Pair = tuple[Tensor, Features, Degraded]


class RecogniserRun:
    """One run in a work folder that holds a pack of scenes."""

    def __init__(self, work: Path, warm: Path | None = None, seed: int = 5) -> None:
        torch.manual_seed(seed)
        self.pixels, self.crops = load_pack(work)
        self._seed = seed
        self.encoder = SemanticEncoder.load()
        self.network = Recogniser().to(memory_format=torch.channels_last)
        if warm is not None:
            saved = {k: v.float() for k, v in load_file(warm).items()}
            for name in ("findings.3.weight", "findings.3.bias"):
                # Findings that were added since start from nothing.
                fresh = self.network.state_dict()[name].clone()
                fresh[: len(saved[name])] = saved[name]
                saved[name] = fresh
            self.network.load_state_dict(saved)
        self.average = {k: v.detach().clone() for k, v in self.network.named_parameters()}
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=_RATE, weight_decay=0.05)

    def train(self, minutes: float) -> None:
        """Train; the learning rate falls along half a cosine."""
        ready: queue.Queue[Pair] = queue.Queue(maxsize=2)
        threading.Thread(target=self._fill, args=(ready,), daemon=True).start()
        start = last = time.monotonic()
        told: list[list[float]] = []
        while (now := time.monotonic()) - start < minutes * 60:
            share = (now - start) / (minutes * 60)
            for group in self.optimiser.param_groups:
                group["lr"] = _RATE * (0.01 + 0.5 * (1 + np.cos(np.pi * share)))
            told.append(self._step(*ready.get()))
            if now - last > 60:
                print(len(told), np.mean(told, axis=0).round(4), f"{100 * share:.0f} %", flush=True)
                told, last = [], now

    def _step(self, image: Tensor, features: Features, truth: Degraded) -> list[float]:
        self.network.train()
        with arithmetic(image.device):
            found = self.network(image, features)
        losses = [
            functional.binary_cross_entropy_with_logits(found.logits, truth.labels, truth.weights),
            functional.smooth_l1_loss(found.gain, truth.gain, beta=0.2),
            functional.smooth_l1_loss(found.depth, truth.depth, beta=0.1),
        ]
        loss = losses[0] + losses[1] + losses[2]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            values = [p.detach() for p in self.network.parameters()]
            torch._foreach_lerp_(list(self.average.values()), values, 1 - _EMA)
        return [float(v.detach()) for v in losses]

    def export(self, out: Path) -> None:
        """Write the averaged weights as fp16 safetensors."""
        out.parent.mkdir(parents=True, exist_ok=True)
        halves = {k: v.half().contiguous() for k, v in self.average.items()}
        save_file(halves, out, {"findings": json.dumps(FINDINGS)})

    def _fill(self, ready: queue.Queue[Pair]) -> None:
        rng = np.random.default_rng(self._seed)
        training = np.array([i for i, c in enumerate(self.crops) if not c.held_out])
        physics = Physics(torch.Generator().manual_seed(self._seed))
        drawn = random.Random(self._seed)
        while True:
            crops = as_tensor(self.pixels, rng.choice(training, _BATCH))
            if rng.random() < 0.5:
                crops = crops.flip(3)
            graphics = [torch.from_numpy(draw(drawn)) for _ in range(_GRAPHICS)]
            crops[:_GRAPHICS] = torch.stack(graphics).permute(0, 3, 1, 2) / 255
            ready.put(pair(crops, physics, self.encoder, _GRAPHICS))


@torch.no_grad()
def pair(crops: Tensor, physics: Physics, encoder: SemanticEncoder, graphics: int = 0) -> Pair:
    """Degrade crops (N, 3, 160, 160), and look at them as the recogniser will.

    The first `graphics` are no photos: most stay as they were drawn, and nothing else is said of
    them.
    """
    degraded = physics(crops)
    as_drawn = torch.arange(len(crops)) < (3 * graphics + 3) // 4
    degraded.image[as_drawn] = crops[as_drawn]
    degraded.labels[:graphics] = 0
    degraded.labels[:graphics, FINDINGS.index("graphic")] = 1
    degraded.weights[as_drawn] = 1
    degraded.weights[:graphics, : FINDINGS.index("graphic")] *= as_drawn[:graphics, None]
    degraded.gain[:graphics] = degraded.depth[:graphics] = 0
    with arithmetic(crops.device):
        features = encoder(normalised_tones(ycc(degraded.image)[:, :1]))
    small = functional.interpolate(degraded.image, (SIDE, SIDE), mode="bilinear", antialias=True)
    cells = [functional.interpolate(m, (SIDE // 4, SIDE // 4), mode="area")
             for m in (degraded.gain, degraded.depth)]
    truth = Degraded(degraded.image, degraded.labels, degraded.weights, *cells)
    return small, Features(*(v.float() for v in vars(features).values())), truth
