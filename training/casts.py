"""Fit the judge of casts and fading: good photos under curves of known strength."""

from __future__ import annotations

from collections.abc import Iterator
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
from ldrps_engine.colour.srgb import YCC, to_display, to_linear
from training.halves import LICENCE, write_halves
from training.photos import manifest_rows
from training.scene_pack import HOLDOUT_EVERY, TIERS

Array = NDArray[np.float32]

DRAWS = 10
_PAIRS = 128
_AXES = 48
_WIDTH = 160
_EPOCHS = 24
_BATCH = 512
_RATE, _DECAY = 2e-3, 0.02
_SEEN_FROM = 0.025
"""Root mean square change from which a person may see it."""
_WORN, _MOUNTED = 0.5, 0.25
"""Share of pictures with dark corners and grain, and of those behind a round mount."""
_SHARES = {"cast": 0.34, "faded": 0.33, "both": 0.33}


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
    looked_at, pooled, before, after = (torch.from_numpy(np.stack(c)).float() for c in columns)
    return Examples(looked_at, pooled, before, after)


def _drawn(view: Array, expected: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    clean = _own_way(view, rng)
    kind = rng.choice(list(_SHARES), p=list(_SHARES.values()))
    is_worn = rng.random() < _WORN
    shown = right = clean * corners(view.shape[:2], rng) if is_worn else clean
    if kind in ("faded", "both"):
        shown = (faded if rng.random() < 0.4 else thinned)(shown, rng)
    if kind in ("cast", "both"):
        shown = cast(shown, rng)
    if is_worn:
        shown, right = mounted(shown + grain(view.shape[:2], rng), right, rng)
    shown = np.clip(shown, 0, 1).astype(np.float32)
    if rng.random() < 0.5:
        shown = (np.rint(shown * 255) / 255).astype(np.float32)
    looked_at = cast_features(shown, expected)
    places = rng.integers(0, view.shape[0] * view.shape[1], _PAIRS)
    pairs = (image.reshape(-1, 3)[places] for image in (shown, right))
    return looked_at, *pairs


def _own_way(view: Array, rng: np.random.Generator) -> Array:
    """A good photo as another camera would have shown it."""
    light = to_linear(view) * np.exp(0.02 * rng.standard_normal(3)).astype(np.float32)
    light = light * np.float32(np.exp(0.12 * rng.standard_normal()))
    return np.clip(to_display(np.clip(light, 0, 1)), 0, 1).astype(np.float32)


def cast(rgb: Array, rng: np.random.Generator) -> Array:
    """Light of another colour, and shadows and highlights of colours of their own."""
    stops = rng.standard_normal(3)
    stops -= stops.mean()
    stops *= rng.uniform(0.1, 1.1) / max(np.abs(stops).max(), 0.2)
    tinted = to_display(np.clip(to_linear(rgb) * 2.0 ** stops.astype(np.float32), 0, 1))
    power = np.exp(rng.uniform(0, 0.25) * rng.standard_normal(3))
    return np.asarray(np.maximum(tinted, 1e-4) ** power, np.float32)


def faded(rgb: Array, rng: np.random.Generator) -> Array:
    """Dyes that have lost density, each by its own share, on paper that has yellowed."""
    strength = rng.uniform(0.05, 1)
    low = strength * rng.uniform(0.02, 0.42) * np.exp(0.35 * rng.standard_normal(3))
    high = 1 - strength * rng.uniform(0, 0.25) * np.exp(0.5 * rng.standard_normal(3))
    stain = 1 - strength * rng.uniform(0, 0.3) * np.array([0.0, 0.25, 1.0]) * (rng.random() < 0.5)
    grey = (rgb @ YCC[0])[..., None]
    paler = rgb + strength * rng.uniform(0, 0.5) * (grey - rgb)
    power = np.exp(strength * 0.3 * rng.standard_normal(3))
    low, high = np.minimum(low, 0.5), np.clip(high * stain, 0.55, 1)
    return np.asarray(low + (high - low) * np.maximum(paler, 1e-4) ** power, np.float32)


def thinned(rgb: Array, rng: np.random.Generator) -> Array:
    """Dyes that have lost a share of their density each, under a stain of some density."""
    kept = np.clip(rng.uniform(0.4, 0.97) + rng.uniform(0, 0.12) * rng.standard_normal(3), 0.3, 1.1)
    stain = rng.uniform(0, 0.15) * rng.dirichlet((0.5, 0.8, 1.5)) * 2
    density = -np.log10(np.maximum(to_linear(rgb), 10 ** -rng.uniform(2.0, 2.8)))
    return to_display((10 ** -(kept * density + stain)).astype(np.float32))


def corners(size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Share of the light (h, w, 1) that old lenses left of a picture's corners."""
    return (1 - rng.uniform(0, 0.7) * _from_middle(size) ** 1.5).astype(np.float32)


def grain(size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Soft grain (h, w, 1), which nothing is to be done about here."""
    return (rng.uniform(0, 0.05) * rng.standard_normal((*size, 1))).astype(np.float32)


def mounted(shown: Array, right: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Both behind the same round mount, some of them."""
    if rng.random() >= _MOUNTED:
        return shown, right
    edge, soft = rng.uniform(0.2, 0.5), rng.uniform(0.02, 0.4)
    seen = 1 - np.clip((_from_middle(shown.shape[:2]) - edge) / soft, 0, 1)
    black = rng.uniform(0, 0.06) * (1 - seen)
    return (shown * seen + black).astype(np.float32), (right * seen + black).astype(np.float32)


def _from_middle(size: tuple[int, int]) -> Array:
    """Square of the distance (h, w, 1) from the middle of a picture, 1 in its corners."""
    y, x = np.linspace(-1, 1, size[0])[:, None], np.linspace(-1, 1, size[1])[None]
    return np.asarray((x**2 + y**2) / 2, np.float32)[..., None]


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


def fit_casts(photos: Path, out: Path, every: int = 9) -> None:
    """Fit, report on held-out photos, write weights."""
    torch.manual_seed(0)
    training = _examples(photos, every, np.random.default_rng(0), unseen=False)
    testing = _examples(photos, every, np.random.default_rng(1), unseen=True)
    weights, network = _fitted(training, testing)
    report(network, _inputs(testing, weights), testing)
    write_halves(out, weights | network.state_dict(), LICENCE)


def _fitted(training: Examples, testing: Examples) -> tuple[dict[str, Tensor], CastNetwork]:
    # Each photo once: its draws have the same scene.
    pooled = training.pooled[::DRAWS]
    axes = torch.pca_lowrank(pooled - pooled.mean(0), q=_AXES)[2].T
    weights = {"scene.mean": pooled.mean(0), "scene.axes": axes}
    joined = _joined(training, weights)
    weights |= {"input.mean": joined.mean(0), "input.std": joined.std(0) + 1e-3}
    inputs, unseen = _inputs(training, weights), _inputs(testing, weights)
    network = CastNetwork(inputs.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _EPOCHS)
    for epoch in range(_EPOCHS):
        network.train()
        losses = [
            _step(network, optimiser, inputs[chosen], training.at(chosen))
            for chosen in torch.randperm(len(inputs)).split(_BATCH)
        ]
        schedule.step()
        if epoch % 10 == 9:
            network.eval()
            print(f"epoch {epoch + 1}: {np.mean(losses):.4f}", flush=True)
            report(network, unseen, testing)
    return weights, network.eval()


def _joined(examples: Examples, weights: dict[str, Tensor]) -> Tensor:
    scene = (examples.pooled - weights["scene.mean"]) @ weights["scene.axes"].T
    return torch.cat([examples.looked_at, scene], 1)


def _inputs(examples: Examples, weights: dict[str, Tensor]) -> Tensor:
    unit = (_joined(examples, weights) - weights["input.mean"]) / weights["input.std"]
    return unit.clamp(-6, 6)


def _step(
    network: CastNetwork, optimiser: torch.optim.Optimizer, inputs: Tensor, batch: Examples
) -> float:
    answers = network(inputs + 0.03 * torch.randn_like(inputs))
    error = (undone(answers, batch.before).clamp(-0.2, 1.2) - batch.after).square().mean((1, 2))
    # The logarithm, as PSNR has it, so that strong casts do not decide alone.
    there = (batch.strength > _SEEN_FROM).float()
    loss = ((error + 1e-3).log() * there).sum() / there.sum().clamp(min=1)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def report(network: CastNetwork, inputs: Tensor, truth: Examples) -> None:
    """Print how far degraded pictures are from what they should be, and what is left of that."""
    error = (undone(network(inputs), truth.before).clamp(0, 1) - truth.after).square().mean((1, 2))
    seen = truth.strength > _SEEN_FROM

    def decibels(values: Tensor) -> float:
        return float(-10 * values.clamp(min=1e-5).log10().mean())

    degraded = decibels(truth.strength[seen].square())
    print(f"  degraded {degraded:.2f} dB, undone {decibels(error[seen]):.2f} dB", flush=True)
