"""Fit the judge of casts and fading: good photos under curves of known strength."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ldrps_engine.analysis.casts import ANSWERS, MOST, SIDE, cast_features, expected_colours
from ldrps_engine.analysis.encoder import encode
from ldrps_engine.analysis.expectation import residual
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.tone_curve import LEAST
from ldrps_engine.analysis.view import normalised_luma, view_size
from ldrps_engine.colour.srgb import YCC
from training.cast_draws import another_camera, degraded
from training.halves import LICENCE, write_halves
from training.photos import manifest_rows
from training.scene_pack import HOLDOUT_EVERY, TIERS

Array = NDArray[np.float32]

DRAWS = 12
"""Pictures drawn of each photo."""
MEMBERS = 4
"""Networks whose answers are averaged."""
_PAIRS = 128
_AXES = 24
_WIDTH = 160
_EPOCHS = 16
_BATCH = 256
_RATE, _DECAY = 2e-3, 0.02
_SEEN_FROM = 0.025
"""Root mean square change from which a person may see it."""


@dataclass(frozen=True)
class Examples:
    """N pictures: what is seen of each, pixels as they are and as they should be."""

    looked_at: Tensor
    pooled: Tensor
    before: Tensor
    """(N, pairs, 3) display values."""
    after: Tensor

    def at(self, chosen: Tensor) -> Examples:
        """Return some of them."""
        return Examples(*(value[chosen] for value in vars(self).values()))

    @property
    def strength(self) -> Tensor:
        """Root mean square (N,) of what has to be changed."""
        return (self.before - self.after).square().mean((1, 2)).sqrt()


def _pictures(folder: Path, every: int, *, unseen: bool) -> Iterator[Array]:
    for number, row in enumerate(manifest_rows(folder)):
        held = number % HOLDOUT_EVERY == 0
        if (
            held != unseen
            or row["file"].split("/")[0] not in TIERS
            or (number % every != 1 % every and not held)
        ):
            continue
        try:
            with Image.open(folder / row["file"]) as image:
                if image.mode != "RGB" or min(image.size) < 96:
                    continue
                image.draft("RGB", (320, 320))
                image.thumbnail((224, 224), Image.Resampling.BILINEAR)
                pixels = np.asarray(image, np.float32) / np.float32(255)
        except (OSError, SyntaxError, ValueError):
            continue
        if min(pixels.shape[:2]) >= 64:
            yield np.clip(resize(pixels, view_size(*pixels.shape[:2]), smooth=True), 0, 1)


def _examples(folder: Path, every: int, rng: np.random.Generator, *, unseen: bool) -> Examples:
    columns: list[list[Array]] = [[], [], [], []]
    for count, view in enumerate(_pictures(folder, every, unseen=unseen)):
        seen = encode(normalised_luma(view))
        expected = expected_colours(residual(view, seen))
        scale = SIDE / max(view.shape[:2])
        size = round(view.shape[0] * scale), round(view.shape[1] * scale)
        small = np.clip(resize(view, size, smooth=True), 0, 1)
        if count % 200 == 0:
            print(f"picture {count}", flush=True)
        for _ in range(DRAWS):
            drawn = _drawn(small, expected, rng)
            for column, value in zip(columns, (drawn[0], seen.pooled, *drawn[1:]), strict=True):
                column.append(value)
    return Examples(*(torch.from_numpy(np.stack(column)).float() for column in columns))


def _drawn(view: Array, expected: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    shown, right = degraded(another_camera(view, rng), rng)
    places = rng.integers(0, view.shape[0] * view.shape[1], _PAIRS)
    pairs = (image.reshape(-1, 3)[places] for image in (shown, right))
    return cast_features(shown, expected), *pairs


class CastNetwork(nn.Module):
    """The network of `ldrps_engine.analysis.casts`, on inputs (N, F) in units."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.a = nn.Linear(inputs, _WIDTH)
        self.b = nn.Linear(_WIDTH, _WIDTH)
        self.c = nn.Linear(_WIDTH, ANSWERS)
        self.drop = nn.Dropout(0.15)
        nn.init.zeros_(self.c.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return answers (N, ANSWERS)."""
        hidden = self.drop(torch.relu(self.a(inputs)))
        hidden = hidden + self.drop(torch.relu(self.b(hidden)))
        answers: Tensor = self.c(hidden)
        return answers


def undone(answers: Tensor, before: Tensor) -> Tensor:
    """Undo the curves (N, ANSWERS) on pixels (N, pairs, 3), as `ToneCurve.undo` does."""
    low, span, power = (
        (most * torch.tanh(answers[:, 3 * k : 3 * k + 3] / most))[:, None]
        for k, most in enumerate(MOST[:3])
    )
    chroma = (MOST[3] * torch.tanh(answers[:, 9] / MOST[3])).exp()[:, None, None]
    unit = (before - low) / span.exp()
    shown = unit.clamp(min=LEAST) ** power.exp() + (unit - LEAST).clamp(max=0)
    grey = (shown * torch.from_numpy(YCC[0]).float()).sum(-1, keepdim=True)
    return grey + chroma * (shown - grey)


def fit_casts(photos: Path, out: Path, every: int = 1) -> None:
    """Fit, report on held-out photos, write weights."""
    training = _examples(photos, every, np.random.default_rng(0), unseen=False)
    testing = _examples(photos, every, np.random.default_rng(1), unseen=True)
    weights = _basis(training)
    inputs, unseen = _inputs(training, weights), _inputs(testing, weights)
    members: list[CastNetwork] = []
    for member in range(MEMBERS):
        members.append(_fitted(inputs, training, member))
        print(f"{member + 1} networks", flush=True)
        report(members, unseen, testing)
    for member, network in enumerate(members):
        values = network.state_dict()
        weights |= {f"{member}.{name}": value for name, value in values.items()}
    write_halves(out, weights, LICENCE)


def _basis(training: Examples) -> dict[str, Tensor]:
    # Each photo once: its draws have the same scene.
    pooled = training.pooled[::DRAWS]
    axes = torch.pca_lowrank(pooled - pooled.mean(0), q=_AXES)[2].T
    weights = {"scene.mean": pooled.mean(0), "scene.axes": axes}
    joined = _joined(training, weights)
    return weights | {"input.mean": joined.mean(0), "input.std": joined.std(0) + 1e-3}


def _fitted(inputs: Tensor, training: Examples, seed: int) -> CastNetwork:
    torch.manual_seed(seed)
    network = CastNetwork(inputs.shape[1])
    seen = training.strength > _SEEN_FROM
    inputs, training = inputs[seen], training.at(seen)
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    steps = _EPOCHS * max(-(-len(inputs) // _BATCH), 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.1)
    for _ in range(_EPOCHS):
        for chosen in torch.randperm(len(inputs)).split(_BATCH):
            _step(network, optimiser, inputs[chosen], training.at(chosen))
            schedule.step()
    return network.eval()


def _step(
    network: CastNetwork, optimiser: torch.optim.Optimizer, inputs: Tensor, batch: Examples
) -> None:
    answers = network(inputs + 0.03 * torch.randn_like(inputs))
    error = (undone(answers, batch.before).clamp(-0.2, 1.2) - batch.after).square().mean((1, 2))
    # The logarithm, as PSNR has it, so that strong casts do not decide alone.
    loss = (error + 1e-3).log().mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()


def _joined(examples: Examples, weights: dict[str, Tensor]) -> Tensor:
    scene = (examples.pooled - weights["scene.mean"]) @ weights["scene.axes"].T
    return torch.cat([examples.looked_at, scene], 1)


def _inputs(examples: Examples, weights: dict[str, Tensor]) -> Tensor:
    unit = (_joined(examples, weights) - weights["input.mean"]) / weights["input.std"]
    return unit.clamp(-6, 6)


@torch.no_grad()
def report(members: Sequence[CastNetwork], inputs: Tensor, truth: Examples) -> None:
    """Print how far degraded pictures are from what they should be, and what is left of that."""
    answers = torch.stack([network(inputs) for network in members]).mean(0)
    error = (undone(answers, truth.before).clamp(0, 1) - truth.after).square().mean((1, 2))
    seen = truth.strength > _SEEN_FROM

    def decibels(values: Tensor) -> float:
        return float(-10 * values.clamp(min=1e-5).log10().mean())

    degraded = decibels(truth.strength[seen].square())
    print(f"  degraded {degraded:.2f} dB, undone {decibels(error[seen]):.2f} dB", flush=True)
