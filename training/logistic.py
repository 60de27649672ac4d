"""Logistic regression, for judges that say which of a few things a photo is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def logistic(
    inputs: np.ndarray, truth: np.ndarray, costs: tuple[float, ...], penalty: float
) -> np.ndarray:
    """Multinomial, with a ridge: weights (terms, classes) of inputs (N, terms).

    `truth` (N,) numbers the classes; `costs` says how much a wrong call of each weighs.
    """
    x, y = torch.from_numpy(inputs), torch.from_numpy(truth)
    cost = torch.tensor(costs, dtype=torch.float64)[y]
    weights = torch.zeros(x.shape[1], len(costs), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        errors = torch.nn.functional.cross_entropy(x @ weights, y, reduction="none")
        total: torch.Tensor = (cost * errors).mean() + penalty * weights.square().sum()
        total.backward()
        return total

    optimiser.step(loss)
    return weights.detach().numpy()


def report(names: Sequence[str], truth: np.ndarray, called: np.ndarray) -> None:
    """Print how many held-out examples of each class (N,) are called (N,) what they are."""
    for k, name in enumerate(names):
        share = float((called[truth == k] == k).mean())
        print(f"{name}: {share:.3f} of {int((truth == k).sum())} held-out examples called so")
