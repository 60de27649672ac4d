"""Logistic regression, for judges that say which of a few things a photo is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ldrps_engine.analysis.regression import Terms, frame, save_model
from training.config import Config
from training.neighbours import without_twins
from training.photos import PhotoPack

Examples = Callable[[PhotoPack, list[int], np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Features (N, F) and class numbers (N,) of some of a pack's photos, degraded or not."""

# Percent of the features left out at both ends of their range: no extrapolation.
_OUTSIDE = 0.5


@dataclass(frozen=True, kw_only=True)
class Judge:
    """One of the judges that ship as JSON, and how it is fitted."""

    classes: Sequence[str]
    examples: Examples
    terms: Terms
    costs: tuple[float, ...]
    """Weight of a wrong call of each class."""
    penalty: float
    photos: int | None = None
    """Number that are drawn from the pack, where looking at all would take too long."""


def fit_judge(judge: Judge, work: Path, out: Path, config: Config) -> None:
    """Fit on the pack's training photos, report the held-out ones, write JSON."""
    pack = PhotoPack(work, config)
    rng = np.random.default_rng(config.train.seed)
    chosen = pack.training
    if judge.photos is not None:
        chosen = rng.permutation(chosen)[: judge.photos].tolist()
    seen, truth = judge.examples(pack, chosen, rng)
    model = dict(frame(seen, _OUTSIDE))
    weights = logistic(judge.terms(seen, model), truth, judge.costs, judge.penalty)
    unseen, right = judge.examples(pack, without_twins(pack), rng)
    report(judge.classes, right, (judge.terms(unseen, model) @ weights).argmax(1))
    # Of two classes the odds alone are wanted, which one column gives.
    model["weights"] = weights[:, 1] - weights[:, 0] if len(judge.classes) == 2 else weights
    save_model(out, model)


def logistic(
    inputs: np.ndarray, truth: np.ndarray, costs: tuple[float, ...], penalty: float
) -> np.ndarray:
    """Multinomial, with a ridge: weights (terms, classes) of inputs (N, terms).

    `truth` (N,) numbers the classes; `costs` says how much a wrong call of each weighs.
    """
    x, y = torch.from_numpy(inputs), torch.from_numpy(truth)
    cost = torch.tensor(costs, dtype=torch.float64)[y]
    weights = torch.zeros(x.shape[1], len(costs), dtype=torch.float64, requires_grad=True)
    # Few terms and one optimum: a second-order method gets there, whatever it begins with.
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
