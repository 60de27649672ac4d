"""Fit the recogniser: from what is there less what should be, to findings and maps.

`ldrps_engine.analysis.recognition` is the same network in numpy. It learns from good photos with
synthetic degradations in linear light, whose amount in each place is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.expectation import MODEL as EXPECTATION
from ldrps_engine.analysis.expectation import STATISTICS
from ldrps_engine.analysis.recognition import (
    FINDINGS,
    MAP_QUANTILES,
    MOST,
    MOST_SUMMARY,
    QUANTILES,
)
from training.expectation import Expectation, anneal, positions, shuffled
from training.features import (
    DRAWS,
    DegradedFeatures,
    clean_features,
    degraded_features,
    graphic_features,
    held_out,
)
from training.graphic_head import fit_graphic_head
from training.halves import LICENCE, write_halves

EPOCHS = 12
JUDGED = FINDINGS[: FINDINGS.index("graphic")]
"""Findings of degradations; what is no photo is judged by a head of its own."""
_SEED = 0
_WIDTH = 64
_CELLS = 3 * STATISTICS
_SUMMARY = _CELLS * (len(MAP_QUANTILES) + 1) + 3 * len(QUANTILES)
_MAPS = 2
_RATE, _LAST_RATE, _DECAY = 2e-3, 2e-5, 0.1
_BATCH = 64
_JITTER = 0.05
_DROPPED = 0.2
_LEAST_STD = 1e-4
_THERE, _SHARE_ELSEWHERE = 0.05, 0.05
"""From what on a map shows something, and what the maps of crops that show nothing count."""


class RecogniserNetwork(nn.Module):
    """The network, on residuals (N, h, w, 18) and their summary (N, 99), in units and held."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3 * _CELLS + 2, _WIDTH)
        self.b = nn.Linear(_WIDTH, _WIDTH)
        self.g = nn.Linear(_SUMMARY, _WIDTH)
        self.m = nn.Linear(_WIDTH, _MAPS)
        pooled = _SUMMARY + 2 * _WIDTH + (len(MAP_QUANTILES) + 1) * _MAPS
        self.f = nn.Sequential(
            nn.Linear(pooled, _WIDTH),
            nn.ReLU(),
            nn.Dropout(_DROPPED),
            nn.Linear(_WIDTH, len(JUDGED)),
        )

    def forward(self, cells: Tensor, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-odds (N, 6), and maps (N, h, w, 2) of missing light and optical depth."""
        count, height, width, _ = cells.shape
        whole = cells.mean((1, 2), keepdim=True).expand_as(cells)
        where = positions(height, width).expand(count, -1, -1, -1)
        around = torch.cat([cells, _neighbourhood(cells), whole, where], -1)
        hidden = torch.relu(self.a(around) + self.g(summary)[:, None, None])
        hidden = hidden + torch.relu(self.b(hidden))
        maps = functional.softplus(self.m(hidden))
        pooled = [hidden.mean((1, 2)), hidden.amax((1, 2)), quantiles_of(maps), maps.mean((1, 2))]
        return self.f(torch.cat([summary, *pooled], 1)), maps


@dataclass(frozen=True)
class Recogniser:
    """The network with the scales of its summary."""

    network: RecogniserNetwork
    mean: Tensor
    std: Tensor

    def judge(self, residuals: Tensor, quantiles: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-odds and maps for residuals (N, h, w, 18) and quantiles (N, 27)."""
        logits, maps = self.network(*self.inputs(residuals, quantiles))
        return logits, maps

    def inputs(self, residuals: Tensor, quantiles: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs of the network for residuals and quantiles."""
        unit = (summary_of(residuals, quantiles) - self.mean) / self.std
        return residuals.clamp(-MOST, MOST), unit.clamp(-MOST_SUMMARY, MOST_SUMMARY)

    def weights(self) -> dict[str, Tensor]:
        """Return the arrays that the engine reads."""
        return self.network.state_dict() | {"summary.mean": self.mean, "summary.std": self.std}


@dataclass(frozen=True)
class _Examples:
    """Inputs of the network for the crops, and the answers that it should give."""

    cells: Tensor
    summary: Tensor
    labels: Tensor
    weights: Tensor
    maps: Tensor

    def at(self, chosen: NDArray[np.int64]) -> _Examples:
        index = torch.from_numpy(chosen)
        return _Examples(*(value[index] for value in vars(self).values()))


def fit_recogniser(
    work: Path, out: Path, expectation: Path = EXPECTATION, epochs: int = EPOCHS
) -> None:
    """Fit findings, maps and the graphic head; report on held-out crops, write weights."""
    features, of_pack = degraded_features(work), held_out(work)
    unseen = np.tile(of_pack, DRAWS)
    # Only now: whether the features were kept or made must not matter.
    torch.manual_seed(_SEED)
    residuals = Expectation.load(expectation).residuals(features)
    quantiles = torch.from_numpy(features.quantiles)
    training, testing = np.flatnonzero(~unseen), np.flatnonzero(unseen)
    summary = summary_of(residuals[training], quantiles[training])
    model = Recogniser(RecogniserNetwork(), summary.mean(0), summary.std(0) + _LEAST_STD)
    examples = _examples(model, features, residuals, quantiles)
    _fit(model, examples, training, epochs)
    if len(testing):
        report(model, residuals[testing], quantiles[testing], examples.at(testing))
    photos = ((clean_features(work), of_pack), (features, unseen))
    head = fit_graphic_head(photos, graphic_features(work))
    write_halves(out, model.weights() | head, LICENCE)


def _examples(
    model: Recogniser, features: DegradedFeatures, residuals: Tensor, quantiles: Tensor
) -> _Examples:
    truth = (features.labels, features.weights)
    labels, weights = (torch.from_numpy(v[:, : len(JUDGED)]) for v in truth)
    maps = torch.from_numpy(features.maps)
    return _Examples(*model.inputs(residuals, quantiles), labels, weights, maps)


def _fit(model: Recogniser, examples: _Examples, training: NDArray[np.int64], epochs: int) -> None:
    optimiser = torch.optim.AdamW(model.network.parameters(), _RATE, weight_decay=_DECAY)
    model.network.train()
    for epoch in range(epochs):
        anneal(optimiser, _RATE, _LAST_RATE, epoch / epochs)
        losses = [
            _step(model.network, optimiser, examples.at(chosen))
            for chosen in shuffled(training, _BATCH)
        ]
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}", flush=True)
    model.network.eval()


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, batch: _Examples) -> float:
    # Crops are few for so many inputs: noise keeps them from being learned one by one.
    cells = batch.cells + _JITTER * torch.randn_like(batch.cells)
    summary = batch.summary + _JITTER * torch.randn_like(batch.summary)
    logits, maps = network(cells, summary)
    findings = functional.binary_cross_entropy_with_logits(logits, batch.labels, batch.weights)
    loss = findings + _map_loss(maps, batch.maps)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _map_loss(maps: Tensor, truth: Tensor) -> Tensor:
    # Most crops have neither darkness nor haze, and would teach maps of nothing.
    there = (truth.amax((1, 2)) > _THERE).float()
    share = there + (1 - there) * _SHARE_ELSEWHERE
    errors = functional.smooth_l1_loss(maps, truth, beta=0.5, reduction="none").mean((1, 2))
    return (errors * share).mean(0).sum()


@torch.no_grad()
def report(model: Recogniser, residuals: Tensor, quantiles: Tensor, truth: _Examples) -> None:
    """Print how the findings and maps of held-out crops compare with what was drawn."""
    logits, maps = model.judge(residuals, quantiles)
    for column, name in enumerate(JUDGED):
        sure = truth.weights[:, column] > 0
        share = logits[sure, column].sigmoid()
        there = truth.labels[sure, column] > 0
        if there.any() and not there.all():
            right, wrong = ((share[k] > 0.5).float().mean().item() for k in (there, ~there))
            print(f"{name}: found where it is {right:.3f}, where it is not {wrong:.4f}")
    for column, name in enumerate(("missing light", "optical depth")):
        shown = truth.maps[..., column].amax((1, 2)) > 2 * _THERE
        if shown.any():
            error = (maps[shown] - truth.maps[shown])[..., column].square().mean().sqrt()
            deviation = truth.maps[shown][..., column].std()
            print(f"map of {name}: error {error:.3f} where it varies by {deviation:.3f}")


def summary_of(residuals: Tensor, quantiles: Tensor) -> Tensor:
    """Return (N, 99): quantiles and means of residuals (N, h, w, 18), and quantiles (N, 27)."""
    return torch.cat([quantiles_of(residuals), residuals.mean((1, 2)), quantiles], 1)


def quantiles_of(values: Tensor) -> Tensor:
    """Return quantiles (N, 3 C) over the places of (N, h, w, C): all channels of each in turn."""
    found = torch.quantile(values.flatten(1, 2), torch.tensor(MAP_QUANTILES), dim=1)
    return found.permute(1, 0, 2).flatten(1)


def _neighbourhood(cells: Tensor) -> Tensor:
    """Means over 3 x 3 cells, edges repeated."""
    padded = functional.pad(cells.permute(0, 3, 1, 2), [1] * 4, mode="replicate")
    return functional.avg_pool2d(padded, 3, 1).permute(0, 2, 3, 1)
