"""Halftone: the dots of a printed picture, found as peaks of its spectrum. No torch.

A screen repeats in two directions at right angles, at one frequency and all over the print. Cloth,
bricks and blinds repeat as well, but in one direction, with two different periods, in perspective,
or in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.medians import median, quantiles
from ldrps_engine.analysis.samples import Values, display
from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]
Places = NDArray[np.int64]

# Side, in pixels, of the places whose spectra are analysed.
_TILE = 128
# Such places along each side of a photo, at most.
_MOST_TILES = 6
_LEAST_SIDE = 160
# Frequencies of a screen, cycles per pixel: dots from 2.4 to 14 pixels apart.
_COARSEST, _FINEST = 0.07, 0.42
# Standard deviation of luma below which a place shows no dots: paper and solid black.
_FLAT = 1.5 / 255
# Quantile over the places at which the peak's height is taken.
_SHOWING = 0.35
_FEWEST = 4
_GRID = 1 / 8
# Distance, cycles per pixel, from multiples of the frequency of JPEG's blocks.
_NEAR_GRID = 0.012
# Natural log of the power over its surroundings at which a screen is as likely as not, and the
# change that makes the odds e times as high.
_HALF, _WIDTH = 3.7, 0.35
FOUND_FROM = 0.8
"""Probability from which it is named, and its dots are left alone."""


@dataclass(frozen=True)
class Halftone:
    """Screen of a printed picture. Neutral: 0 and 0."""

    probability: float
    """Probability that it is printed in visible dots, 0 to 1."""
    period: float
    """Distance between its dots, in pixels; 0 if it has none."""

    @property
    def is_found(self) -> bool:
        """Tell whether it is certain enough to be named."""
        return self.probability >= FOUND_FROM


NONE = Halftone(0.0, 0.0)


def find_halftone(rgb: Values) -> Halftone:
    """Look for a screen in an image (H, W, 1 or 3) at the size it was stored."""
    if min(rgb.shape[:2]) < _LEAST_SIDE:
        return NONE
    tiles = _tiles(rgb)
    if len(tiles) < _FEWEST:
        return NONE
    (shown,) = quantiles(_excess(np.stack(tiles)), (_SHOWING,), 0)
    # The screen's other direction: the same peak, rotated by a quarter turn.
    across = np.rot90(shown)
    both = np.where(_is_usable(), np.minimum(shown, _highest_near(across)), 0)
    place = np.unravel_index(int(both.argmax()), both.shape)
    frequency = float(_frequency()[place])
    probability = float(1 / (1 + np.exp(-(both[place] - _HALF) / _WIDTH)))
    return Halftone(probability, 1 / frequency if frequency else 0.0)


def _tiles(rgb: Values) -> list[Array]:
    """Squares of luma, evenly over an image, that are not flat."""
    found = []
    starts = [np.linspace(0, side - _TILE, min(side // _TILE * 2, _MOST_TILES)).astype(int)
              for side in rgb.shape[:2]]  # fmt: skip
    for top in starts[0]:
        for left in starts[1]:
            tile = display(rgb[top : top + _TILE, left : left + _TILE])
            luma = tile @ YCC[0] if tile.shape[2] == 3 else tile[..., 0]
            if luma.std() > _FLAT:
                found.append(luma)
    return found


def _excess(luma: Array) -> Array:
    """Natural log (tiles, n, n) of each tile's power over that of its ring, zero in the middle.

    The arrays have an odd side, so that a quarter of a turn keeps their middle.
    """
    window = np.hanning(_TILE).astype(np.float32)
    waves = (luma - luma.mean((1, 2), keepdims=True)) * window[:, None] * window
    half = np.fft.rfft2(waves)
    logs = np.log(half.real**2 + half.imag**2 + np.float32(1e-9))
    # The other half is the same, rotated by half a turn.
    turned = logs[:, -np.arange(_TILE), _TILE // 2 - 1 : 0 : -1]
    logs = np.fft.fftshift(np.concatenate([logs, turned], 2), (1, 2))[:, 1:, 1:]
    rings, order, bounds = _rings()
    flat = logs.reshape(len(logs), -1)[:, order]
    usual = np.zeros((len(logs), len(bounds) - 1), np.float32)
    # All tiles at once: calling a median for each would take longer than computing it.
    for ring, (first, end) in enumerate(pairwise(bounds)):
        if end > first and ring <= _FINEST * _TILE + 2:
            usual[:, ring] = median(flat[:, first:end])
    return np.asarray(logs - usual[:, rings], np.float32)


@cache
def _rings() -> tuple[Places, Places, Places]:
    """Ring (n, n) of each frequency, the order of all by their rings, and where each begins."""
    rings = np.rint(_frequency() * _TILE).astype(np.int64)
    order = np.argsort(rings, axis=None, kind="stable")
    return rings, order, np.searchsorted(rings.ravel()[order], np.arange(rings.max() + 2))


def _axes() -> Array:
    return np.asarray(np.arange(1 - _TILE // 2, _TILE // 2) / _TILE, np.float32)


def _frequency() -> Array:
    """Cycles per pixel (n, n)."""
    return np.asarray(np.hypot(_axes()[:, None], _axes()), np.float32)


def _is_usable() -> NDArray[np.bool_]:
    """Frequencies (n, n) possible for a screen and not caused by JPEG's blocks."""
    frequency, axes = _frequency(), _axes()
    near = np.abs(axes - _GRID * np.rint(axes / _GRID)) < _NEAR_GRID
    is_blocks = near[:, None] & near
    return np.asarray((frequency > _COARSEST) & (frequency < _FINEST) & ~is_blocks)


def _highest_near(values: Array) -> Array:
    """Highest of 3 x 3 values around each (n, n)."""
    rows = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    rows = np.maximum(np.maximum(rows[:-2], rows[1:-1]), rows[2:])
    both = np.pad(rows, ((0, 0), (1, 1)), mode="edge")
    return np.maximum(np.maximum(both[:, :-2], both[:, 1:-1]), both[:, 2:])
