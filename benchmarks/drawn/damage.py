"""Damage drawn over good photos, with the mask of where it is: what time does to prints."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Draw = Callable[[ImageDraw.ImageDraw, tuple[int, int], np.random.Generator], None]

NARROW = 8
"""Holes of at most so many pixels across are narrow."""
BLURS = (0.5, 0.8, 1.2)
"""Deviations of the blur of scans, pixels."""
# Noise of a scan, and its quality as a JPEG.
_NOISE, _QUALITY = 0.01, 85


def drawn(pixels: Floats, kind: str, rng: np.random.Generator) -> tuple[Floats, Mask]:
    """Damage of one of KINDS over a photo (H, W, 3), white or nearly so, and its mask."""
    height, width = pixels.shape[:2]
    picture = Image.new("L", (width, height), 0)
    KINDS[kind](ImageDraw.Draw(picture), (width, height), rng)
    mask = np.asarray(picture) > 0
    paper = np.clip(rng.uniform(0.8, 1.0) + rng.normal(0, 0.02, (height, width, 1)), 0, 1)
    return np.where(mask[..., None], paper, pixels), mask


def scanned(pixels: Floats, blur: float, seed: int) -> Floats:
    """Return a photo as a scanner delivers it: blurred, with a little noise, as a JPEG."""
    soft = _image(pixels).filter(ImageFilter.GaussianBlur(blur))
    noise = _NOISE * np.random.default_rng(seed).standard_normal(pixels.shape)
    file = BytesIO()
    _image(np.asarray(soft) / 255 + noise).save(file, "JPEG", quality=_QUALITY)
    return np.asarray(Image.open(file)) / 255


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def _curve(
    size: tuple[int, int], bend: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Points along a curve from one place to another, bent by a share of its length."""
    ends = rng.uniform(0, 1, (2, 2)) * size
    along = np.linspace(0, 1, 40)[:, None]
    across = np.array([[-1.0, 1.0]]) * (ends[1] - ends[0])[::-1]
    points = ends[0] + along * (ends[1] - ends[0])
    points = points + bend * rng.normal() * np.sin(np.pi * along) * across
    return [(float(x), float(y)) for x, y in points]


def _scratches(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(4):
        draw.line(_curve(size, 0.05, rng), fill=255, width=int(rng.integers(1, 4)))


def _cracks(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(3):
        points = np.array(_curve(size, 0.15, rng)) + rng.normal(0, 2, (40, 2))
        line = [(float(x), float(y)) for x, y in points]
        draw.line(line, fill=255, width=int(rng.integers(3, NARROW + 1)), joint="curve")


def _dust(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(80):
        x, y = rng.uniform(0, 1, 2) * size
        radius = rng.uniform(0.6, NARROW / 2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _folds(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(2):
        draw.line(_curve(size, 0.03, rng), fill=255, width=int(rng.integers(10, 21)))


def _blotches(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(5):
        x, y = rng.uniform(0.1, 0.9, 2) * size
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radius = rng.uniform(8, 22) * (1 + 0.25 * rng.normal(size=24))
        outline = zip(x + radius * np.cos(turn), y + radius * np.sin(turn), strict=True)
        draw.polygon([(float(a), float(b)) for a, b in outline], fill=255)


def _torn(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    width, height = size
    reach = rng.uniform(0.1, 0.18) * min(size)
    x, y = (width if rng.random() < 0.5 else 0), (height if rng.random() < 0.5 else 0)
    inward = (1 if x == 0 else -1), (1 if y == 0 else -1)
    edge = np.linspace(0, 1, 12)[:, None]
    points = np.hstack([reach * edge, reach * (1 - edge)]) + rng.normal(0, 2, (12, 2))
    line = [(x + inward[0] * float(a), y + inward[1] * float(b)) for a, b in points]
    draw.polygon([(x, y), *line], fill=255)


KINDS: dict[str, Draw] = {
    "scratches": _scratches,
    "cracks": _cracks,
    "dust": _dust,
    "folds": _folds,
    "blotches": _blotches,
    "torn corner": _torn,
}
"""The first three are narrow, the others wider than NARROW."""
