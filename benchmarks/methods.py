"""What is measured: the degraded photo itself, our recipes, and the rivals, under one signature."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.rivals import Rival
from benchmarks.sets import Samples, to_samples
from ldrps_engine.settings import RECIPES, Settings

if TYPE_CHECKING:
    from ldrps_engine.priors.model_cache import ModelCache

Restore = Callable[[Samples], Samples]

RestoreFactory = Callable[[str, int], Restore]
"""From a recipe's name and a seed to a function that restores one photo."""

OWN = (*RECIPES, "pilot")
"""Names for --recipe; `pilot` is `auto` without the transfer to the photo's own pixels."""


@dataclass(frozen=True)
class Method:
    """A way from a degraded photo to a restored one, (H, W, 3) uint8 both."""

    name: str
    run: Restore
    kind: str
    """`degraded`, `ours` or `rival`."""


def methods(
    recipes: Iterable[str], rivals: Iterable[Rival], seed: int, factory: RestoreFactory
) -> list[Method]:
    """List them in the order of the table."""
    found = [Method("degraded", lambda photo: photo, "degraded")]
    found += [Method(recipe, factory(recipe, seed), "ours") for recipe in recipes]
    return found + as_methods(rivals)


def as_methods(rivals: Iterable[Rival]) -> list[Method]:
    """Wrap rivals, their libraries loaded by a first cheap call so that no photo pays for it."""
    found = [Method(rival.name, _on_samples(rival), "rival") for rival in rivals]
    for method in found:
        method.run(_small_photo())
    return found


def check_recipes(recipes: Iterable[str], known: Sequence[str]) -> None:
    """Refuse unknown names before anything is loaded."""
    for recipe in recipes:
        if recipe not in known:
            raise BenchmarkError(
                f"recipe '{recipe}' is not known; use one of {', '.join(known)}, or none"
            )


class Engine:
    """The RestoreFactory of the product: the engine in this process, on the CPU."""

    def __init__(self) -> None:
        from ldrps_engine.priors.model_cache import ModelCache

        self._models = ModelCache("cpu")

    def __call__(self, recipe: str, seed: int) -> Restore:
        """One recipe, with its model loaded by a first cheap call so that no photo pays for it."""
        settings = (
            Settings(layers=("pilot",), seed=seed)
            if recipe == "pilot"
            else Settings(recipe=recipe, seed=seed)
        )
        quickest = dataclasses.replace(settings, steps=1, recurrences=0)
        engine_restore(_small_photo(), quickest, self._models)
        return lambda photo: engine_restore(photo, settings, self._models)


def engine_restore(photo: Samples, settings: Settings, models: ModelCache) -> Samples:
    """What the engine gives for one photo."""
    from ldrps_engine.photo import Photo
    from ldrps_engine.restore import restore

    found = restore(Photo.from_samples(photo), settings, models)
    return np.asarray(found.photo.to_samples(), np.uint8)


def _small_photo() -> Samples:
    """Ramp with noise, so that what filters noise is loaded as well."""
    ramp = np.linspace(0.1, 0.9, 64)[:, None, None]
    return to_samples(ramp + np.random.default_rng(0).normal(0, 0.08, (64, 64, 3)))


def _on_samples(rival: Rival) -> Restore:
    def run(photo: Samples) -> Samples:
        result = rival.run(photo / 255.0)
        if not np.isfinite(result).all():
            raise BenchmarkError(f"{rival.name} gave values that are not numbers; leave it out")
        return to_samples(result)

    return run
