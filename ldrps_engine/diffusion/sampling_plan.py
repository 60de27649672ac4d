"""Everything that the sampler and the transfer need besides the photo and the prior."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ldrps_engine.diffusion.ensemble import ALONE, Ensemble
from ldrps_engine.diffusion.reverse import ReverseStep
from ldrps_engine.diffusion.timesteps import Spacing
from ldrps_engine.diffusion.weights import Alignment


class Decoding(Enum):
    """Autoencoder through which a step is guided, where a tiny one is installed."""

    TINY_FIRST = "tiny first"
    """The tiny one far from a pass's end, the full one at its last steps."""
    FULL = "full"
    """The full one throughout, as published."""


class Outcome(Enum):
    """Picture that is given out as the result."""

    TRANSFER = "transfer"
    """The photo's own pixels, brought to the pilot's look."""
    PILOT = "pilot"
    """The pilot itself, as published."""


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """Numbers and choices behind a recipe, resolved once for one photo."""

    steps: int
    recurrences: int
    text_scale: float
    """Classifier-free guidance; 1 is the conditional model alone."""
    start: float
    """Noise over signal at the first step; infinity starts from pure noise."""
    end: float
    """Noise over signal after the last step."""
    reverse_step: ReverseStep
    """LD-RPS's, DiffPIR's proximal one, or the prior's alone."""
    alignment: Alignment
    spacing: Spacing = Spacing.LOG_NOISE
    ensemble: Ensemble = ALONE
    decoding: Decoding = Decoding.TINY_FIRST
    outcome: Outcome = Outcome.TRANSFER
    text_interval: tuple[float, float] = (0.0, float("inf"))
    """Noise over signal between which `text_scale` holds; outside it is 1, at half the cost."""
    solver: str = "ddim"
    """Kind of solver, see `ldrps_engine.diffusion.solver`."""
    quick: bool = False
    """Noise is filtered by one evaluation, for a little less quality."""
