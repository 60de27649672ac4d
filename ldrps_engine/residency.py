"""Which models are in memory: loaded once, kept warm until the process ends."""

from __future__ import annotations

from ldrps_engine.prior.base import LatentPrior
from ldrps_engine.progress import Loading, OnStep, ignore


class Models:
    """The priors of one worker, on one device (`cpu`, `cuda:0`)."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._priors: dict[str, LatentPrior] = {}

    def prior(self, name: str, on_step: OnStep = ignore) -> LatentPrior:
        """The prior of that name, loaded on first use."""
        if name not in self._priors:
            from ldrps_engine.prior.registry import load_prior

            on_step(Loading(name, 0.0))
            self._priors[name] = load_prior(name, self.device)
            on_step(Loading(name, 1.0))
        return self._priors[name]

    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        return sorted(self._priors)
