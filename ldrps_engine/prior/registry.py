"""From a model's name to its folder."""

from __future__ import annotations

from pathlib import Path

from ldrps_engine.errors import ModelError
from ldrps_engine.prior.base import LatentPrior

MODELS = Path(__file__).resolve().parents[1] / "models"

_INSTALLED = {"bundled": MODELS / "bundled"}


def load_prior(name: str, device: str) -> LatentPrior:
    """Load an installed prior onto a device; ModelError if there is none of that name."""
    folder = _INSTALLED.get(name)
    if folder is None:
        known = ", ".join(sorted(_INSTALLED))
        raise ModelError(f"model '{name}' is not known; installed are {known}")
    from ldrps_engine.prior.diffusion import DiffusionPrior

    return DiffusionPrior(folder, name, device)
