"""Several results of one photo to choose from: their seeds, and their differences."""

from __future__ import annotations

import numpy as np

from ldrps_client._result import Result
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import MAX_SEED, Settings

MAX_VARIANTS = 16
"""Most results of one photo; more are never compared."""


def variant_seeds(first: int, count: int) -> range:
    """Return the seeds of so many results; SettingsError if there are no such seeds."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_VARIANTS:
        raise SettingsError(f"variants is {count!r}; use 1 to {MAX_VARIANTS}")
    Settings(seed=first)
    if first + count - 1 > MAX_SEED:
        raise SettingsError(
            f"seed is {first}, and {count} variants need the seeds up to {first + count - 1}; "
            f"use a seed of at most {MAX_SEED - count + 1}"
        )
    return range(first, first + count)


def same_pixels(one: Result, other: Result) -> bool:
    """Tell whether the first layers of two results are the same."""
    return bool(np.array_equal(one.photo.to_samples(), other.photo.to_samples()))
