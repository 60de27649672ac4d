"""Casts and fading of known strength over good photos: what light and time do to colours.

Light of another colour as gains in linear light, fading as a loss of the dyes' density, stain as
density that was added. `training/casts.py` draws fading by the same law, with ranges of its own and
over other photos.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldrps_engine.colour.srgb import to_display, to_linear

Floats = NDArray[np.float64]

# Light of the deepest black that a print has.
_DARKEST = 0.003
_QUALITY = 92
# Density in red, green and blue that a cyan, a magenta and a yellow dye have, as columns.
_ABSORPTIONS = np.array([[1.0, 0.1, 0.02], [0.22, 1.0, 0.1], [0.08, 0.28, 1.0]])


def cast(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Light of another colour: 0.3 to 1 stop between the channels."""
    stops = rng.normal(size=3)
    stops -= stops.mean()
    stops *= rng.uniform(0.3, 1.0) / np.ptp(stops)
    return np.clip(_shown(_light(pixels) * 2.0**stops), 0, 1)


def faded(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Dyes that have lost 15 to 55 % of their density, each its own share, on stained paper."""
    kept = np.clip(rng.uniform(0.45, 0.85) + 0.08 * rng.normal(size=3), 0.35, 0.95)
    stain = rng.uniform(0, 0.12) * np.array([0.2, 0.5, 1.0])
    density = -np.log10(np.maximum(_light(pixels), _DARKEST))
    return np.clip(_shown(10 ** -(kept * density + stain)), 0, 1)


def both(pixels: Floats, rng: np.random.Generator) -> Floats:
    """A faded print under light of another colour."""
    return cast(faded(pixels, rng), rng)


def reddened(pixels: Floats, rng: np.random.Generator) -> Floats:
    """A slide whose cyan dye has gone most, 35 to 75 % of it; black is red, and so is all else."""
    dyes = -np.log10(np.maximum(_light(pixels), _DARKEST)) @ np.linalg.inv(_ABSORPTIONS).T
    kept = np.array([rng.uniform(0.25, 0.65), rng.uniform(0.85, 1.0), rng.uniform(0.6, 0.95)])
    return np.clip(_shown(10 ** -np.maximum((dyes * kept) @ _ABSORPTIONS.T, 0)), 0, 1)


KINDS: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "cast": cast,
    "faded": faded,
    "both": both,
}
SLIDES: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {"red slide": reddened}


def drawn(pixels: Floats, kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One of KINDS or SLIDES over a photo (H, W, 3), as a JPEG would have kept it."""
    samples = np.rint((KINDS | SLIDES)[kind](pixels, rng) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return np.asarray(Image.open(file))


def _light(pixels: Floats) -> Floats:
    return to_linear(pixels.astype(np.float32)).astype(np.float64)


def _shown(light: Floats) -> Floats:
    return to_display(light.astype(np.float32)).astype(np.float64)
