"""Casts and fading of known strength over good photos, for `casts.py` to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.srgb import YCC, to_display, to_linear

Array = NDArray[np.float32]

WORN, MOUNTED = 0.5, 0.25
"""Share of pictures with dark corners and grain, and of those behind a round mount."""
_KINDS = ("cast", "faded", "both")
_SHARES = (0.3, 0.35, 0.35)
# Shares of `faded`, `thinned` and `discoloured` among what has faded.
_FADINGS = (0.35, 0.35, 0.3)
# Odds of cyan, magenta and yellow to be the dye that has faded most: cyan in the dark.
_LOST_FIRST = (0.6, 0.25, 0.15)
# Density in red, green and blue that a cyan, a magenta and a yellow dye (columns) have in vain, as
# shares of their own: about those of colour films, see Hunt, "The Reproduction of Colour".
_UNWANTED = np.array([[0, 0.1, 0.03], [0.2, 0, 0.12], [0.08, 0.28, 0]])


def degraded(clean: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw a cast, fading or both over a photo (h, w, 3), and return what it shows and should show.

    Dark corners and mounts are in both: they are not to be undone.
    """
    kind = rng.choice(_KINDS, p=_SHARES)
    is_worn = rng.random() < WORN
    shown = right = clean * corners(clean.shape[:2], rng) if is_worn else clean
    if kind != "cast":
        fading = rng.choice(len(_FADINGS), p=_FADINGS)
        shown = (faded, thinned, discoloured)[fading](shown, rng)
    if kind != "faded":
        shown = cast(shown, rng)
    if is_worn:
        shown, right = mounted(shown + grain(clean.shape[:2], rng), right, rng)
    shown = np.clip(shown, 0, 1).astype(np.float32)
    if rng.random() < 0.5:
        shown = (np.rint(shown * 255) / 255).astype(np.float32)
    return shown, np.asarray(right, np.float32)


def another_camera(view: Array, rng: np.random.Generator) -> Array:
    """Return a good photo (h, w, 3) as another camera would have shown it."""
    light = to_linear(view) * np.exp(0.02 * rng.standard_normal(3)).astype(np.float32)
    light = light * np.float32(np.exp(0.12 * rng.standard_normal()))
    return np.clip(to_display(np.clip(light, 0, 1)), 0, 1).astype(np.float32)


def cast(rgb: Array, rng: np.random.Generator) -> Array:
    """Light of another colour, and shadows and highlights of colours of their own."""
    stops = rng.standard_normal(3)
    stops -= stops.mean()
    stops *= rng.uniform(0.1, 1.1) / max(np.abs(stops).max(), 0.2)
    tinted = to_display(np.clip(to_linear(rgb) * 2.0 ** stops.astype(np.float32), 0, 1))
    power = np.exp(rng.uniform(0, 0.25) * rng.standard_normal(3))
    return np.asarray(np.maximum(tinted, 1e-4) ** power, np.float32)


def faded(rgb: Array, rng: np.random.Generator) -> Array:
    """Dyes that have lost density, each by its own share, on paper that has yellowed."""
    strength = rng.uniform(0.05, 1)
    low = strength * rng.uniform(0.02, 0.42) * np.exp(0.35 * rng.standard_normal(3))
    high = 1 - strength * rng.uniform(0, 0.25) * np.exp(0.5 * rng.standard_normal(3))
    stain = 1 - strength * rng.uniform(0, 0.3) * np.array([0.0, 0.25, 1.0]) * (rng.random() < 0.5)
    grey = (rgb @ YCC[0])[..., None]
    paler = rgb + strength * rng.uniform(0, 0.5) * (grey - rgb)
    power = np.exp(strength * 0.3 * rng.standard_normal(3))
    low, high = np.minimum(low, 0.5), np.clip(high * stain, 0.55, 1)
    return np.asarray(low + (high - low) * np.maximum(paler, 1e-4) ** power, np.float32)


def thinned(rgb: Array, rng: np.random.Generator) -> Array:
    """Dyes that have lost a share of their density each, under a stain of some density."""
    kept = np.clip(rng.uniform(0.4, 0.97) + rng.uniform(0, 0.12) * rng.standard_normal(3), 0.3, 1.1)
    stain = rng.uniform(0, 0.15) * rng.dirichlet((0.5, 0.8, 1.5)) * 2
    return to_display((10 ** -(kept * _density(rgb, rng) + stain)).astype(np.float32))


def discoloured(rgb: Array, rng: np.random.Generator) -> Array:
    """Dyes of a film of which one has faded more than the others; each has unwanted absorptions."""
    absorbed = np.eye(3) + _UNWANTED * rng.uniform(0.5, 1.5, (3, 3))
    first = rng.choice(3, p=_LOST_FIRST)
    kept = np.full(3, rng.uniform(0.2, 0.95))
    others = [each for each in range(3) if each != first]
    kept[others] += (1 - kept[first]) * rng.uniform(0.2, 1.05, 2)
    stain = rng.uniform(0, 0.1) * np.array([0.1, 0.4, 1.0]) * (rng.random() < 0.5)
    dyes = _density(rgb, rng) @ np.linalg.inv(absorbed).T
    left = np.maximum((kept * dyes) @ absorbed.T, 0) + stain
    return to_display((10**-left).astype(np.float32))


def _density(rgb: Array, rng: np.random.Generator) -> Array:
    """Density (h, w, 3) of a print or a slide with a deepest black of its own."""
    darkest = 10 ** -rng.uniform(2.0, 2.8)
    return np.asarray(-np.log10(np.maximum(to_linear(rgb), darkest)), np.float32)


def corners(size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Share of the light (h, w, 1) that old lenses left of a picture's corners."""
    return (1 - rng.uniform(0, 0.7) * _from_middle(size) ** 1.5).astype(np.float32)


def grain(size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Soft grain (h, w, 1), which nothing is to be done about here."""
    return (rng.uniform(0, 0.05) * rng.standard_normal((*size, 1))).astype(np.float32)


def mounted(shown: Array, right: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Both behind the same round mount, some of them."""
    if rng.random() >= MOUNTED:
        return shown, right
    edge, soft = rng.uniform(0.2, 0.5), rng.uniform(0.02, 0.4)
    seen = 1 - np.clip((_from_middle(shown.shape[:2]) - edge) / soft, 0, 1)
    black = rng.uniform(0, 0.06) * (1 - seen)
    return (shown * seen + black).astype(np.float32), (right * seen + black).astype(np.float32)


def _from_middle(size: tuple[int, int]) -> Array:
    """Square of the distance (h, w, 1) from the middle of a picture, 1 in its corners."""
    y, x = np.linspace(-1, 1, size[0])[:, None], np.linspace(-1, 1, size[1])[None]
    return np.asarray((x**2 + y**2) / 2, np.float32)[..., None]
