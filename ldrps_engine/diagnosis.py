"""What is wrong with a photo and how much, measured from its pixels alone. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Measured degradations. Neutral: every figure 0, `grey` False."""

    noise_sigma: float
    """Standard deviation of noise in 8-bit steps of the photo as it is."""
    veil: float
    """How much of the light is haze, 0 (clear) to 1."""
    darkness: float
    """How much too dark, 0 (well lit) to 1 (nearly black)."""
    cast: float
    """Strength of a colour cast, 0 to 1."""
    grey: bool
    """Whether the photo carries no colour at all."""

    def words(self) -> str:
        """For people: 'hazy, slightly dark; noise about 8', or 'clean'."""
        raise NotImplementedError
