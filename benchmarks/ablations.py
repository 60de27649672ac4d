"""Worth of each part of the method: the quality benchmark with one part changed at a time.

    python benchmarks/ablations.py --set lol=DIR --set hsts=DIR --set kodak24=DIR --json FILE

The options are those of quality.py; --recipe names ablations, and is all of them by default.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ldrps_engine
from benchmarks import quality
from benchmarks.methods import Restore, engine_restore
from benchmarks.sets import Samples
from ldrps_engine.diffusion.reverse import UnguidedStep
from ldrps_engine.diffusion.sampling_plan import SamplingPlan
from ldrps_engine.diffusion.weights import LEARNING
from ldrps_engine.settings import Settings

BUNDLED = Path(ldrps_engine.__file__).parent / "models" / "bundled"

Change = Callable[[SamplingPlan], SamplingPlan]


def _same(plan: SamplingPlan) -> SamplingPlan:
    return plan


def _guided_by_text(plan: SamplingPlan) -> SamplingPlan:
    return dataclasses.replace(plan, text_scale=2.0)


def _learning(plan: SamplingPlan) -> SamplingPlan:
    """F-PAM is trained on the sample's estimates, as published."""
    return dataclasses.replace(plan, alignment=LEARNING)


def _learning_alone(plan: SamplingPlan) -> SamplingPlan:
    """The same without what its discriminator says."""
    alone = dataclasses.replace(LEARNING, adversarial=0.0)
    return dataclasses.replace(plan, alignment=alone)


def _unguided(plan: SamplingPlan) -> SamplingPlan:
    return dataclasses.replace(plan, reverse_step=UnguidedStep())


@dataclasses.dataclass(frozen=True)
class Ablation:
    """One part changed. Neutral: `auto` as it is."""

    settings: Settings = field(default_factory=Settings)
    change: Change = _same
    trained: bool = True
    """True where the prior keeps its weights."""
    sees_scenes: bool = True
    """True where the semantic encoder sees the photo, and not an even grey."""


_WRONG = "a bowl of soup on a kitchen table, close-up of food"
ABLATIONS = {
    "auto": Ablation(),
    "recurrences 0": Ablation(Settings(recurrences=0)),
    "recurrences 1": Ablation(Settings(recurrences=1)),
    "recurrences 2": Ablation(Settings(recurrences=2)),
    "recurrences 3": Ablation(Settings(recurrences=3)),
    "guided by text": Ablation(change=_guided_by_text),
    "guided by wrong text": Ablation(Settings(description=_WRONG), _guided_by_text),
    "F-PAM learns": Ablation(change=_learning),
    "F-PAM learns alone": Ablation(change=_learning_alone),
    "no guidance": Ablation(change=_unguided),
    "no transfer": Ablation(Settings(layers=("pilot",))),
    "untrained prior": Ablation(trained=False),
    "no semantics": Ablation(sees_scenes=False),
}


class Engine:
    """The RestoreFactory of ablations: the engine in this process, on the CPU."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for the untrained model."""
        from ldrps_engine.priors.model_cache import ModelCache

        self._models = ModelCache("cpu")
        self._untrained = folder / "untrained"

    def __call__(self, name: str, seed: int) -> Restore:
        """One ablation, by its name."""
        ablation = ABLATIONS[name]
        settings = dataclasses.replace(ablation.settings, seed=seed)
        if not ablation.trained:
            _write_untrained(self._untrained)
            settings = dataclasses.replace(settings, model=str(self._untrained))

        def run(photo: Samples) -> Samples:
            with _changed(ablation.change), _seen(ablation.sees_scenes):
                return engine_restore(photo, settings, self._models)

        return run


def _changed(change: Change) -> AbstractContextManager[object]:
    """While this is open, the engine's plans are changed."""
    from ldrps_engine.diffusion import planning
    from ldrps_engine.diffusion.recipes import make_sampling_plan

    def changed(*given: Any, **more: Any) -> SamplingPlan:
        return change(make_sampling_plan(*given, **more))

    return patch.object(planning, "make_sampling_plan", changed)


def _seen(sees_scenes: bool) -> AbstractContextManager[object]:
    """While this is open, the semantic encoder sees an even grey unless `sees_scenes`."""
    from ldrps_engine.analysis import recognition
    from ldrps_engine.analysis.encoder import encode

    if sees_scenes:
        return nullcontext()
    return patch.object(recognition, "encode", lambda view: encode(np.full_like(view, 0.5)))


def _write_untrained(folder: Path) -> None:
    """The bundled model, with a U-Net of the same shape whose weights are those of chance."""
    import torch

    from ldrps_engine.priors.latent_unet import LatentUNet

    shutil.copytree(BUNDLED, folder)
    config = json.loads((folder / "unet" / "config.json").read_text())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = LatentUNet.from_config(config)
    fresh.save_pretrained(folder / "unet")


def main(argv: Sequence[str] | None = None) -> int:
    """Run quality.py with ablations for recipes."""
    given = list(sys.argv[1:] if argv is None else argv)
    if "--recipe" not in given:
        given += [word for name in ABLATIONS for word in ("--recipe", name)]
    with tempfile.TemporaryDirectory(prefix="ldrps-") as folder:
        return quality.main(given, factory=Engine(Path(folder)), known=tuple(ABLATIONS))


if __name__ == "__main__":
    sys.exit(main())
