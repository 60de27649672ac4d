"""Old prints drawn from good photos: of one hue, pale and grainy, damaged, and scanned softly."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ldrps_engine.colour.srgb import LUMA
from training.damage_batches import with_damage

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LONG_SIDE = 480
_WARM = np.array([-0.8, 0, 1.3])
# Coverage from which a pixel counts as damaged, once the scan has spread the damage.
_COVERED = 0.25


@dataclass(frozen=True)
class Print:
    """The scan of an old print, with its damage and without; values in [0, 1]."""

    damaged: Floats
    """(H, W, 3)."""
    undamaged: Floats
    """(H, W, 3)."""
    mask: Mask
    """(H, W), true where it is damaged."""


def drawn_print(pixels: Floats, rng: np.random.Generator) -> Print:
    """Make an old print of a photo (H, W, 3), with one to three kinds of damage, and scan it."""
    aged = _aged(_of_size(pixels), rng)
    height, width = aged.shape[:2]
    side = max(height, width)
    # Damage is drawn on squares.
    damaged, cover = np.zeros((side, side, 3), np.float32), np.zeros((side, side), np.float32)
    damaged[:height, :width] = aged
    for _ in range(int(rng.integers(1, 4))):
        damaged, more = with_damage(damaged, rng)
        cover = np.maximum(cover, more)
    scan = _scanner(rng)
    part = np.s_[:height, :width]
    spread = scan(np.repeat(cover[part][..., None], 3, axis=2), compressed=False)[..., 0]
    return Print(scan(damaged[part]), scan(aged), spread > _COVERED)


def _of_size(pixels: Floats) -> Floats:
    scale = LONG_SIDE / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return _values(_image(pixels).resize(size, Image.Resampling.LANCZOS))


def _aged(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Grey or toned, with a paler black, a darker white, and grain."""
    grey = (pixels @ np.asarray(LUMA))[..., None]
    warmth = rng.uniform(0, 0.25) if rng.random() < 0.7 else 0.0
    toned = np.maximum(grey, 1e-3) ** (1 + warmth * _WARM)
    white, kept = rng.uniform(0.75, 0.97), rng.uniform(0.6, 1)
    grain = rng.uniform(0.005, 0.03) * rng.standard_normal(grey.shape)
    made: Floats = np.clip(white - kept * white * (1 - toned) + grain, 0, 1)
    return made


def _scanner(rng: np.random.Generator) -> Callable[..., Floats]:
    blur, quality = ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1)), int(rng.integers(70, 96))

    def scan(values: Floats | NDArray[np.float32], *, compressed: bool = True) -> Floats:
        image = _image(values).filter(blur)
        if not compressed:
            return _values(image)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        with Image.open(file) as opened:
            return _values(opened)

    return scan


def _image(values: Floats | NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def _values(image: Image.Image) -> Floats:
    return np.asarray(image, np.float64) / 255
