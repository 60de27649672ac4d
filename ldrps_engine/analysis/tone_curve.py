"""Curves by which casts and fading have changed a photo's channels, and their undoing. No torch.

Faded dyes, stained paper and light of another colour change each channel by a curve of its own: a
lifted black, a sunken white, and a power in between. Dyes that have faded into one another have
also drawn the colours together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]

LEAST = 1e-4
"""Share of the range above black from which the power holds."""
_ENDS = (0.5, 99.5)
_BLACK, _WHITE = 0.02, 0.98
_MIDDLE = (2, 50, 98)
_POWERS = np.geomspace(0.3, 3.3, 61)


@dataclass(frozen=True)
class ToneCurve:
    """faded = low + span * paler ** (1 / power), channel by channel, in display values.

    `paler` is the clean photo with its chroma divided by `chroma`. Neutral: 0, 1, 1 and 1.
    """

    low: Array
    """(3,) value of former black."""
    span: Array
    """(3,) remaining range between black and white."""
    power: Array
    """(3,) exponent that restores the values in between."""
    chroma: float
    """Factor that restores the distance from grey."""

    def undo(self, rgb: Array) -> Array:
        """Restore (..., 3) faded display values. Values below black go below 0 linearly."""
        unit = (rgb - self.low) / self.span
        # A power has no value below black, so a line continues it.
        shown = np.maximum(unit, LEAST) ** self.power + np.minimum(unit - LEAST, 0)
        grey = (shown @ YCC[0])[..., None]
        return np.asarray(grey + np.float32(self.chroma) * (shown - grey), np.float32)

    def raised(self, amount: float) -> ToneCurve:
        """Return the curve scaled by an amount: 0 is no change, 2 goes twice as far."""
        span = np.maximum(self.span ** np.float32(amount), 0.05)
        return ToneCurve(
            np.asarray(np.float32(amount) * self.low, np.float32),
            np.asarray(span, np.float32),
            np.asarray(self.power ** np.float32(amount), np.float32),
            float(self.chroma**amount),
        )

    def redo(self, rgb: Array) -> Array:
        """Apply the curve to (..., 3) display values: the inverse of `undo`."""
        grey = (rgb @ YCC[0])[..., None]
        paler = grey + (rgb - grey) / np.float32(self.chroma)
        least = np.float32(LEAST) ** self.power
        unit = np.maximum(paler, least) ** (1 / self.power) + np.minimum(paler - least, 0)
        return np.asarray(self.low + self.span * unit, np.float32)

    def within(self, rgb: Array) -> ToneCurve:
        """Return the curve, limited so as not to crush shadows or burn out highlights.

        All but half a percent of each channel of (H, W, 3) display values stay above black and
        below white.
        """
        low, high = np.percentile(rgb.reshape(-1, 3), _ENDS, axis=0).astype(np.float32)
        held = np.minimum(self.low, low)
        span = np.maximum(self.low + self.span, np.minimum(high, 1)) - held
        return replace(self, low=held, span=span.astype(np.float32))

    def even(self) -> ToneCurve:
        """Return one curve for all channels: a grey or toned print keeps its hue."""

        def mean(values: Array) -> Array:
            return np.full(3, values.mean(), np.float32)

        return ToneCurve(mean(self.low), mean(self.span), mean(self.power), 1.0)

    def change(self, rgb: Array) -> float:
        """Mean change of (..., 3) display values when it is undone."""
        before = np.clip(rgb, 0, 1)
        return float(np.abs(np.clip(self.undo(rgb), 0, 1) - before).mean())


def has_full_range(rgb: Array) -> bool:
    """Tell whether luma of (H, W, 3) display values goes from black to white."""
    low, high = np.percentile(rgb.reshape(-1, 3) @ YCC[0], _ENDS)
    return bool(low < _BLACK and high > _WHITE)


def without_toning(rgb: Array, fading: ToneCurve | None = None) -> ToneCurve:
    """Return the curve whose undoing makes a print of one hue (H, W, 3) grey.

    Each channel becomes the luma in its darks, its middle and its lights, once `fading` is undone.
    """
    flat = np.clip(rgb, 0, 1).reshape(-1, 3)
    meant = flat if fading is None else fading.undo(flat)
    wanted = np.clip(np.percentile(meant @ YCC[0], _MIDDLE), LEAST, 1)
    found = [_matched(np.percentile(flat[:, k], _MIDDLE), wanted) for k in range(3)]
    low, span, power = np.array(found, np.float32).T
    return ToneCurve(low, span, power, 1.0)


def _matched(values: Array, wanted: Array) -> tuple[float, float, float]:
    """Low, span and power that map three values to three others, as closely as possible."""
    best = (0.0, 1.0, 1.0)
    least = np.inf
    for power in _POWERS:
        unit = wanted ** (1 / power)
        span = max((values[2] - values[0]) / max(unit[2] - unit[0], 1e-3), 0.05)
        low = values[0] - span * unit[0]
        error = abs(low + span * unit[1] - values[1])
        if error < least:
            best, least = (float(low), float(span), float(power)), error
    return best
