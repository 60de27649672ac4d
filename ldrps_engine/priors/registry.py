"""From a model's name or path to a prior that is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.catalogue import tiny_of
from ldrps_engine.model_store.store import INDEX, folder_of, is_installed, resolve
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.components import class_name, count_weights, read_index
from ldrps_engine.priors.placement import Placement

FAMILIES = {
    "StableDiffusionPipeline": "stable-diffusion",
    "StableDiffusionImg2ImgPipeline": "stable-diffusion",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
    "Flux2KleinPipeline": "flux2",
}
"""Families by the pipeline class that a model's index names."""


def load_prior(name: str, placement: Placement) -> LatentPrior:
    """Load a prior by name or path; ModelError if there is none or it cannot be loaded.

    Its family's tiny autoencoder is loaded with it where that is installed and fits.
    """
    folder = prior_folder(name)
    index = read_index(folder, name)
    family = FAMILIES.get(str(index.get("_class_name")))
    if family is None:
        raise ModelError(
            f"model '{name}' is of the kind {index.get('_class_name', 'unknown')}; "
            f"known are {', '.join(FAMILIES)}"
        )
    prior: LatentPrior = _class_of(family)(folder, name, placement, _quick(folder, index))
    return prior


def prior_folder(name: str) -> Path:
    """The folder of a prior in diffusers' format; a single file is brought into it first."""
    path = resolve(name, "prior")
    if path.is_file():
        from ldrps_engine.priors.single_file import converted

        return converted(path, name)
    return path


def prior_bytes(name: str, placement: Placement) -> int:
    """Bytes of memory that a prior's weights will take, its tiny autoencoder's among them."""
    path = resolve(name, "prior")
    count = count_weights(path)
    if (path / INDEX).is_file() and (quick := _quick(path, read_index(path, name))):
        count += count_weights(quick)
    return count * placement.dtype.itemsize


def _class_of(family: str) -> Any:
    # Imported only now: each family brings model classes that take a while to import.
    if family == "sdxl":
        from ldrps_engine.priors.sdxl import StableDiffusionXL

        return StableDiffusionXL
    if family == "flux2":
        from ldrps_engine.priors.flux2 import Flux2

        return Flux2
    from ldrps_engine.priors.stable_diffusion import StableDiffusion

    return StableDiffusion


def _quick(folder: Path, index: dict[str, Any]) -> Path | None:
    """The family's tiny autoencoder, if it is installed and speaks of the same latents."""
    entry = tiny_of(FAMILIES.get(str(index.get("_class_name")), ""))
    if entry is None or not is_installed(entry.name) or not class_name(index, "vae"):
        return None
    quick = folder_of(entry.name)
    return quick if _channels(quick) == _channels(folder / "vae") else None


def _channels(folder: Path) -> int | None:
    """Latent channels that an autoencoder's configuration names."""
    try:
        return int(json.loads((folder / "config.json").read_text())["latent_channels"])
    except (OSError, ValueError, KeyError):
        return None
