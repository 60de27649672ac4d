"""Fit what a good photo of such a scene has in each place, and how sure that is.

`ldrps_engine.analysis.expectation` is the same network in numpy. It hears nothing but the semantic
encoder's features, which light, haze and colour leave as they are, and learns the statistics of the
cells of good photos by maximum likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.encoder import COARSE, FINE, POOLED
from ldrps_engine.analysis.expectation import LOG_VARIANCE, MODEL, STATISTICS
from training.config import TrainingError
from training.features import CropFeatures, clean_features, held_out
from training.halves import LICENCE, read_halves, write_halves

EPOCHS = 16
_SEED = 0
_WIDTH = 192
_RATE, _LAST_RATE, _DECAY = 1e-3, 1e-5, 0.05
_BATCH = 64
_DROPPED_FINE, _DROPPED_WHOLE = 0.15, 0.3
_LEAST_STD = 1e-4
# Weight of the error of a photo's mean over its cells, besides that of every cell.
_WHOLE_ERROR = 0.5
_SCALES = ("fine.mean", "fine.std", "whole.mean", "whole.std", "target.mean", "target.std")
_CHUNK = 512
_NAMES = ("light", "dark channel", "contrast", "saturation", "Cb", "Cr")


class ExpectationNetwork(nn.Module):
    """The network, on features in units of their standard deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Linear(FINE + 4, _WIDTH)
        self.whole = nn.Linear(FINE + COARSE + POOLED, _WIDTH)
        self.mid = nn.Linear(_WIDTH, _WIDTH)
        self.ctx = nn.Linear(_WIDTH, _WIDTH)
        self.mid2 = nn.Linear(_WIDTH, _WIDTH)
        self.out = nn.Linear(_WIDTH, 2 * STATISTICS)

    def forward(self, fine: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances (N, h, w, 6) from (N, h, w, 112) and (N, 1712)."""
        where = positions(*fine.shape[1:3])
        # Skies are above and floors below: what is expected depends on the place as well.
        places = torch.cat([where, where.square()], -1).expand(len(fine), -1, -1, -1)
        placed = torch.cat([fine, places], -1)
        hidden = torch.relu(self.fine(placed) + torch.relu(self.whole(whole))[:, None, None])
        hidden = hidden + torch.relu(self.mid(hidden))
        context = self.ctx(hidden.mean((1, 2)))
        hidden = torch.relu(self.mid2(hidden) + context[:, None, None])
        out = self.out(hidden)
        return out[..., :STATISTICS], out[..., STATISTICS:].clamp(*LOG_VARIANCE)


@dataclass(frozen=True)
class Expectation:
    """The network with the scales of what goes in and comes out."""

    network: ExpectationNetwork
    scales: dict[str, Tensor]

    @classmethod
    def load(cls, path: Path = MODEL) -> Expectation:
        """Read what `fit-expectation` wrote."""
        weights = read_halves(path, "python -m training fit-expectation OUT")
        network = ExpectationNetwork()
        try:
            scales = {name: weights.pop(name) for name in _SCALES}
            network.load_state_dict(weights)
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"{path} holds no expectation: {error}") from None
        return cls(network.eval().requires_grad_(False), scales)

    def save(self, path: Path) -> None:
        """Write what the engine reads."""
        write_halves(path, self.network.state_dict() | self.scales, LICENCE)

    def inputs(self, features: CropFeatures, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Features (n, h, w, 112) and (n, 1712) of chosen crops in units of their deviation."""
        fine, whole = _fine(features, chosen), _whole(features, chosen)
        return self._unit("fine", fine), self._unit("whole", whole)

    def found(self, features: CropFeatures, chosen: NDArray[np.int64]) -> Tensor:
        """Return the statistics (n, h, w, 6) that are there in units of their deviation."""
        return self._unit("target", torch.from_numpy(features.statistics[chosen]))

    def _unit(self, name: str, values: Tensor) -> Tensor:
        return (values - self.scales[f"{name}.mean"]) / self.scales[f"{name}.std"]

    def residuals(self, features: CropFeatures) -> Tensor:
        """Return change, surprise and what is found, (N, h, w, 18), as the engine's `residual`."""
        return torch.cat(
            [self._residual(features, chosen) for chosen in _chunks(len(features.fine))]
        )

    @torch.no_grad()
    def _residual(self, features: CropFeatures, chosen: NDArray[np.int64]) -> Tensor:
        mean, log_variance = self.network(*self.inputs(features, chosen))
        found = self.found(features, chosen)
        change = found - mean
        return torch.cat([change, change * (-0.5 * log_variance).exp(), found], -1)


def fit_expectation(work: Path, out: Path, epochs: int = EPOCHS) -> None:
    """Fit on the pack's training crops, report the error on the held-out ones, write weights."""
    features, unseen = clean_features(work), held_out(work)
    # Only now: whether the features were kept or made must not matter.
    torch.manual_seed(_SEED)
    training, testing = np.flatnonzero(~unseen), np.flatnonzero(unseen)
    model = Expectation(ExpectationNetwork(), _measured_scales(features, training))
    _fit(model, features, training, epochs)
    model.network.eval()
    if len(testing):
        _report(model, features, testing)
    model.save(out)


def _fit(
    model: Expectation, features: CropFeatures, training: NDArray[np.int64], epochs: int
) -> None:
    optimiser = torch.optim.AdamW(model.network.parameters(), _RATE, weight_decay=_DECAY)
    for epoch in range(epochs):
        anneal(optimiser, _RATE, _LAST_RATE, epoch / epochs)
        losses = []
        for chosen in shuffled(training, _BATCH):
            fine, whole = model.inputs(features, chosen)
            found = model.found(features, chosen)
            if torch.rand(()) < 0.5:
                fine, found = fine.flip(2), found.flip(2)
            # A crop's features as a whole would let its answer be learnt by heart.
            dropped = functional.dropout(fine, _DROPPED_FINE)
            predicted = model.network(dropped, functional.dropout(whole, _DROPPED_WHOLE))
            loss = _loss(found, *predicted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}", flush=True)


def _loss(found: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Negative log likelihood of the cells, and the squared error of the photos' means."""
    off = found - mean
    cells = (0.5 * off.square() * (-log_variance).exp() + 0.5 * log_variance).mean()
    return torch.as_tensor(cells + _WHOLE_ERROR * off.mean((1, 2)).square().mean())


def _report(model: Expectation, features: CropFeatures, testing: NDArray[np.int64]) -> None:
    """Print how far off the held-out crops are, where 1 is what good photos vary by."""
    with torch.no_grad():
        off = torch.cat(
            [
                model.found(features, testing[chunk])
                - model.network(*model.inputs(features, testing[chunk]))[0]
                for chunk in _chunks(len(testing))
            ]
        )
    cells = off.square().mean((0, 1, 2)).sqrt().tolist()
    medians = off.flatten(1, 2).median(1).values.square().mean(0).sqrt().tolist()
    for name, cell, median in zip(_NAMES, cells, medians, strict=True):
        print(f"{name}: error of a held-out cell {cell:.3f}, of a crop's median {median:.3f}")


def _measured_scales(features: CropFeatures, training: NDArray[np.int64]) -> dict[str, Tensor]:
    """Means and deviations over the training crops; of the fine map over every tenth of them."""
    fine, whole = _fine(features, training[::10]), _whole(features, training)
    target = torch.from_numpy(features.statistics[training])
    cells = (0, 1, 2)
    return {
        "fine.mean": fine.mean(cells),
        "fine.std": fine.std(cells) + _LEAST_STD,
        "whole.mean": whole.mean(0),
        "whole.std": whole.std(0) + _LEAST_STD,
        "target.mean": target.mean(cells),
        "target.std": target.std(cells),
    }


def positions(height: int, width: int) -> Tensor:
    """Rows and columns (h, w, 2) from 0 to 1."""
    axes = (torch.linspace(0, 1, height), torch.linspace(0, 1, width))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def shuffled(indices: NDArray[np.int64], batch: int) -> Iterator[NDArray[np.int64]]:
    """Yield whole batches of indices in random order; what is left over waits for the next time."""
    batch = min(batch, len(indices))
    order = torch.randperm(len(indices)).numpy()
    for start in range(0, len(indices) - batch + 1, batch):
        yield indices[order[start : start + batch]]


def anneal(optimiser: torch.optim.Optimizer, first: float, last: float, done: float) -> None:
    """Set the learning rate to where half a cosine is after `done` (0 to 1) of the way."""
    for group in optimiser.param_groups:
        group["lr"] = first * 0.5 * (1 + math.cos(math.pi * done)) + last


def _fine(features: CropFeatures, chosen: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(features.fine[chosen]).float()


def _whole(features: CropFeatures, chosen: NDArray[np.int64]) -> Tensor:
    means = [_fine(features, chosen[chunk]).mean((1, 2)) for chunk in _chunks(len(chosen))]
    others = [torch.from_numpy(v[chosen]).float() for v in (features.coarse, features.pooled)]
    return torch.cat([torch.cat(means), *others], 1)


def _chunks(count: int) -> list[NDArray[np.int64]]:
    return [np.arange(k, min(k + _CHUNK, count)) for k in range(0, count, _CHUNK)]
