"""Make the four example photos: `python examples/make.py FOLDER_OF_ORIGINALS`.

Physical degradations of clean photos, with a fixed seed. README.md names the originals.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldrps_engine.colour.srgb import LUMA, decode, encode

Floats = NDArray[np.float64]

LONG_SIDE = 640
SEED = 20250725


@dataclass(frozen=True)
class Example:
    """One example: the original's file name, what happens to it, and the JPEG quality."""

    original: str
    degrade: Callable[[Floats, np.random.Generator], Floats]
    quality: int


def low_light(photo: Floats, rng: np.random.Generator) -> Floats:
    """A twelfth of the light in a small sensor: 3000 electrons at white, 4 of read noise."""
    electrons = 3000.0
    caught = rng.poisson(decode(photo) / 12 * electrons) + rng.normal(0, 4, photo.shape)
    return encode(np.maximum(caught / electrons, 0))


def haze(photo: Floats, _: np.random.Generator) -> Floats:
    """Scattering along the line of sight, in linear light: J t + A (1 - t), t = exp(-2.2 d).

    The depth d grows towards the top and with brightness, along the photo's own edges: far
    hills are paler than near ones.
    """
    luma = photo.mean(axis=2)
    height = np.linspace(1, 0, photo.shape[0])[:, None] ** 1.2 + np.zeros_like(luma)
    depth = np.clip(guided(luma, 0.65 * height + 0.35 * luma, radius=40, eps=2e-3), 0, 1)
    transmission = np.exp(-2.2 * depth)[..., None]
    air = decode(np.array([0.84, 0.86, 0.88]))
    return encode(decode(photo) * transmission + air * (1 - transmission))


def noise(photo: Floats, rng: np.random.Generator) -> Floats:
    """White Gaussian noise, sigma 25 of 255."""
    return photo + rng.normal(0, 25 / 255, photo.shape)


def grey(photo: Floats, rng: np.random.Generator) -> Floats:
    """A faded print: no colour, no black, no white, and fine grain of sigma 4."""
    luma = photo @ np.array(LUMA)
    faded = 0.20 + 0.58 * luma + rng.normal(0, 4 / 255, luma.shape)
    return np.repeat(faded[..., None], 3, axis=2)


EXAMPLES = {
    "low-light": Example("58c94a74339a.jpg", low_light, 92),
    "haze": Example("284146bbd9a9.jpg", haze, 90),
    "noise": Example("4ff9527b1dcb.jpg", noise, 85),
    "grey": Example("de7e48c3a50f.jpg", grey, 90),
}


def guided(guide: Floats, source: Floats, radius: int, eps: float) -> Floats:
    """Guided filter (He, Sun, Tang 2010)."""

    def box(plane: Floats) -> Floats:
        for axis in (0, 1):
            width = [(radius + 1, radius) if axis == a else (0, 0) for a in (0, 1)]
            total = np.cumsum(np.pad(plane, width, mode="edge"), axis=axis)
            size = plane.shape[axis]
            ahead = np.take(total, range(2 * radius + 1, 2 * radius + 1 + size), axis)
            plane = (ahead - np.take(total, range(size), axis)) / (2 * radius + 1)
        return plane

    mean_guide, mean_source = box(guide), box(source)
    covariance = box(guide * source) - mean_guide * mean_source
    slope = covariance / (box(guide * guide) - mean_guide**2 + eps)
    return box(slope) * guide + box(mean_source - slope * mean_guide)


def main(originals: Path, out: Path) -> None:
    """Write the four files."""
    for name, example in EXAMPLES.items():
        with Image.open(originals / example.original) as image:
            small = image.convert("RGB")
        small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        rng = np.random.default_rng([SEED, *name.encode()])
        degraded = example.degrade(np.asarray(small) / 255.0, rng)
        samples = np.rint(np.clip(degraded, 0, 1) * 255).astype(np.uint8)
        # Full chroma: the usual halving would filter the noise that is to be shown.
        Image.fromarray(samples).save(
            out / f"{name}.jpg", quality=example.quality, subsampling=0, optimize=True
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make.py FOLDER_OF_ORIGINALS")
    main(Path(sys.argv[1]), Path(__file__).parent)
