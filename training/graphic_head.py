"""Fit what tells pages, screenshots and drawings from photos, for the recogniser."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.expectation import contrast_of
from ldrps_engine.analysis.recognition import FLAT_BELOW, HARD_FROM, MOST_UNIT
from training.expectation import anneal, shuffled
from training.features import CropFeatures

EPOCHS = 8
_SEED = 0
_WIDTH = 32
_RATE, _LAST_RATE, _DECAY = 1e-3, 1e-5, 0.3
_BATCH = 128
_DROPPED = 0.3
_LEAST_STD = 1e-3
# Share of the drawn graphics that is trained on; the others are for the report.
_TRAINED_SHARE = 0.8
# Labels, smoothed.
_SURE = (0.01, 0.99)
# Weight of the graphics, of which there are fewer.
_RARE = 3.0
_THRESHOLDS = (0.2, 0.5, 0.9)


def fit_graphic_head(
    photos: Iterable[tuple[CropFeatures, NDArray[np.bool_]]], graphics: CropFeatures
) -> dict[str, Tensor]:
    """Fit on the photos that are not held out (N,), report on the others, return the weights."""
    torch.manual_seed(_SEED)
    looks = [(looked_at(features), torch.from_numpy(unseen)) for features, unseen in photos]
    drawn = looked_at(graphics)
    split = int(len(drawn) * _TRAINED_SHARE)
    good = torch.cat([look[~unseen] for look, unseen in looks])
    mean, std = good.mean(0), good.std(0, correction=0) + _LEAST_STD
    network = nn.Sequential(
        nn.Dropout(_DROPPED),
        nn.Linear(drawn.shape[1], _WIDTH),
        nn.ReLU(),
        nn.Dropout(_DROPPED),
        nn.Linear(_WIDTH, 1),
    )

    def held(looks: Tensor) -> Tensor:
        return ((looks - mean) / std).clamp(-MOST_UNIT, MOST_UNIT)

    _fit(network, held(good), held(drawn[:split]))
    left = {"photos": torch.cat([look[unseen] for look, unseen in looks])}
    _report(network, {k: held(v) for k, v in (left | {"graphics": drawn[split:]}).items()})
    weights = {f"graphic.{name}": value for name, value in network.state_dict().items()}
    return weights | {"graphic.mean": mean, "graphic.std": std}


def looked_at(features: CropFeatures) -> Tensor:
    """Return (N, 1284): the encoder's view of the whole, and shares of flat and hard cells."""
    contrast = contrast_of(features.statistics).reshape(len(features.statistics), -1)
    shares = [(contrast < limit).mean(1) for limit in FLAT_BELOW]
    shares.append((contrast > HARD_FROM).mean(1))
    looks = np.concatenate([features.pooled.astype(np.float32), np.stack(shares, 1)], 1)
    return torch.from_numpy(looks).float()


def _fit(network: nn.Module, photos: Tensor, graphics: Tensor) -> None:
    looks = torch.cat([photos, graphics])
    labels = torch.cat([torch.zeros(len(photos)), torch.ones(len(graphics))]).clamp(*_SURE)
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    network.train()
    for epoch in range(EPOCHS):
        anneal(optimiser, _RATE, _LAST_RATE, epoch / EPOCHS)
        for chosen in shuffled(np.arange(len(looks)), _BATCH):
            index = torch.from_numpy(chosen)
            loss = functional.binary_cross_entropy_with_logits(
                network(looks[index])[:, 0], labels[index], pos_weight=torch.tensor(_RARE)
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval()


@torch.no_grad()
def _report(network: nn.Module, kinds: dict[str, Tensor]) -> None:
    """Print how many held-out photos and graphics are taken for graphics."""
    for name, looks in kinds.items():
        if len(looks):
            share = network(looks)[:, 0].sigmoid()
            called = ", ".join(f"{(share > t).float().mean():.4f} from {t}" for t in _THRESHOLDS)
            print(f"{name} taken for graphics: {called}")
