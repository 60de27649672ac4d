"""Timesteps of one pass, from its first noise level down to its last."""

from __future__ import annotations

import math
from enum import Enum

from torch import Tensor

from ldrps_engine.priors.schedule import nearest_step

# Noise over signal above which steps spread over its logarithm would be wasted.
_MOST_NOISE = 30.0


class Spacing(Enum):
    """Ways to spread steps between the first noise level and the last."""

    TIMESTEPS = "timesteps"
    """Evenly over timesteps, down to 0, as published."""
    LOG_NOISE = "log noise"
    """Evenly over the logarithm of noise over signal."""


def timesteps(ratios: Tensor, start: float, end: float, count: int, spacing: Spacing) -> list[int]:
    """Return at most `count` falling timesteps for `start` and `end`, as noise over signal.

    `ratios` (T,) is the schedule's noise over signal at each timestep; an infinite `start` is pure
    noise.
    """
    last = len(ratios) - 1
    first = last if math.isinf(start) else nearest_step(ratios, start)
    if spacing is Spacing.TIMESTEPS:
        even = [round(first * (1 - k / count)) for k in range(count)]
        return sorted(set(even), reverse=True)
    high = min(float(ratios[first]), _MOST_NOISE)
    low = min(max(end, float(ratios[0])), high)
    levels = [high * (low / high) ** (k / max(1, count - 1)) for k in range(count)]
    return sorted({nearest_step(ratios, level) for level in levels}, reverse=True)
