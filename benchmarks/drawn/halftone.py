"""Halftone: photos as presses print them, in dots on screens at angles, and as scanners see that.

Amplitude-modulated screens: a dot's area is the tone, its distance is fixed. Angles as is usual in
offset printing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float64]

PERIODS = (3.0, 12.0)
"""Least and most distance between dots, pixels."""
# Degrees of cyan, magenta, yellow and black.
_ANGLES = (15.0, 75.0, 0.0, 45.0)
# Dots are drawn on a grid so many times as fine.
_FINER = 3
_PAPER, _INK = 0.93, 0.06
# Share of the common density that black ink prints.
_BLACK = 0.7


def printed(pixels: Floats, rng: np.random.Generator, *, colours: bool = True) -> Floats:
    """A photo (H, W, 3) of display values in dots of four inks, or of black alone, as scanned."""
    period, turn = np.exp(rng.uniform(*np.log(PERIODS))), rng.uniform(-4, 4)
    ink = 1 - pixels if colours else np.repeat(1 - pixels.mean(2, keepdims=True), 3, axis=2)
    black = _BLACK * ink.min(2) if colours else ink[..., 0]
    inks = np.moveaxis(ink - black[..., None], 2, 0) if colours else np.zeros((3, *black.shape))
    shown = np.ones_like(pixels)
    for channel, amount, angle in zip((0, 1, 2, None), (*inks, black), _ANGLES, strict=True):
        covered = _dots(amount, period, np.deg2rad(angle + turn))
        reached = slice(None) if channel is None else slice(channel, channel + 1)
        shown[..., reached] *= 1 - (1 - _INK) * covered[..., None]
    scanned = Image.fromarray(np.rint(255 * _PAPER * shown).astype(np.uint8))
    scanned = scanned.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.18 * period + 0.3)))
    return np.clip(np.asarray(scanned) / 255 + rng.normal(0, 0.006, pixels.shape), 0, 1)


def _dots(amount: Floats, period: float, angle: float) -> Floats:
    """Share (H, W) of each pixel that the dots of one ink cover."""
    height, width = amount.shape
    fine = Image.fromarray(amount.astype(np.float32)).resize(
        (width * _FINER, height * _FINER), Image.Resampling.BILINEAR
    )
    y, x = np.mgrid[: height * _FINER, : width * _FINER] * (2 * np.pi / period / _FINER)
    across, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    # The threshold's distribution is made even, so that the area of the dots is the tone.
    threshold = 0.5 + 0.25 * (np.cos(across) + np.cos(down))
    ranks = np.linspace(0, 1, 256)
    level = np.interp(threshold, np.quantile(threshold, ranks), ranks)
    covered = (np.asarray(fine) > level).reshape(height, _FINER, width, _FINER)
    return np.asarray(covered.mean((1, 3)), np.float64)
