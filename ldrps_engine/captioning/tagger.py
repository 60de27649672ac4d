"""The prior's prompt where none is given: the colours of a scene, measured. Not for people.

It names the colours of the upper, middle and lower part of the scene after light and contrast are
evened out, and how rich in colour it is. The bundled prior was trained with these words on good
photos, so they mean something to it. What people read comes from `naming`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_THUMBNAIL = 48
_HUES = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (160, "green"),
    (200, "cyan"),
    (260, "blue"),
    (310, "purple"),
    (345, "pink"),
    (361, "red"),
)


def tag_scene(rgb: Array) -> str:
    """Describe an (H, W, 3) sRGB image in [0, 1] in at most 12 words, for the prior's text."""
    even = even_light(thumbnail(rgb))
    bands = np.array_split(even, 3, axis=0)
    places = ("above", "in the middle", "below")
    words = [f"{colour_name(band)} {place}" for band, place in zip(bands, places, strict=True)]
    chroma = float(np.mean(even.max(-1) - even.min(-1)))
    words.append("muted" if chroma < 0.10 else "colourful" if chroma > 0.28 else "natural colours")
    return ", ".join(words)


def thumbnail(rgb: Array) -> Array:
    """Block means on a grid of at most 48x48, enough for colours and robust to noise."""
    height, width = rgb.shape[:2]
    rows = np.array_split(np.arange(height), min(_THUMBNAIL, height))
    columns = np.array_split(np.arange(width), min(_THUMBNAIL, width))
    row_means = np.stack([rgb[r[0] : r[-1] + 1].mean(0) for r in rows])
    means = np.stack([row_means[:, c[0] : c[-1] + 1].mean(1) for c in columns], 1)
    return means.astype(np.float32)


def even_light(rgb: Array) -> Array:
    """Take out haze and darkness: stretch the 1st to 99th percentile, then gamma to 0.45."""
    low, high = np.percentile(rgb, (1, 99))
    stretched = np.clip((rgb - low) / max(high - low, 1e-3), 0, 1)
    mean = float(np.clip(stretched.mean(), 0.02, 0.98))
    return np.asarray(stretched ** (np.log(0.45) / np.log(mean)), dtype=np.float32)


def colour_name(rgb: Array) -> str:
    """One basic colour term for the mean colour of a region."""
    red, green, blue = (float(v) for v in rgb.reshape(-1, 3).mean(0))
    high, low = max(red, green, blue), min(red, green, blue)
    if high - low < 0.08:
        return "white" if low > 0.75 else "black" if high < 0.2 else "grey"
    hue = _hue(red, green, blue)
    name = next(name for limit, name in _HUES if hue < limit)
    return "brown" if name in ("red", "orange", "yellow") and high < 0.5 else name


def _hue(red: float, green: float, blue: float) -> float:
    high, low = max(red, green, blue), min(red, green, blue)
    if high == red:
        sector = ((green - blue) / (high - low)) % 6
    elif high == green:
        sector = (blue - red) / (high - low) + 2
    else:
        sector = (red - green) / (high - low) + 4
    return 60 * sector
