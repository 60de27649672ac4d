"""A copy of a prior's denoiser that may learn from one photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Learner:
    """The prior that it was copied from stays as it is."""

    parameters: list[nn.Parameter]
    """The weights that are to be trained; the others are frozen."""
    clean: Callable[[Tensor, int], Tensor]
    """Clean latents of noisy ones (N, C, h, w) at a step of the schedule; differentiable."""
