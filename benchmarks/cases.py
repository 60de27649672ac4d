"""Synthetic cases for the diagnosis: photos with one known degradation, a mixture, or none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.sets import Floats
from ldrps_engine.colour.srgb import decode, encode
from training.metrics import LUMA

LONG_SIDE = 512


@dataclass(frozen=True)
class Case:
    """One photo (H, W, 3) in [0, 1] with what was done to it."""

    pixels: Floats
    truth: str
    """The main degradation, one of LABELS."""
    strength: str
    sigma: float
    """Noise that was added, 8-bit steps."""


LABELS = ("clean", "dark", "hazy", "noisy", "grey", "faded")
"""Values of the main call."""

Degrade = Callable[[Floats, float, np.random.Generator], Floats]


def _dark(pixels: Floats, gain: float, _: np.random.Generator) -> Floats:
    return encode(decode(pixels) * gain)


def _hazy(pixels: Floats, depth: float, rng: np.random.Generator) -> Floats:
    """Koschmieder's haze over a smooth depth, in light or in display values as data sets do."""
    space = (decode, encode) if rng.random() < 0.5 else (np.asarray, np.asarray)
    air = rng.uniform(0.75, 1.0) + rng.uniform(-0.02, 0.02, 3)
    height, width = pixels.shape[:2]
    coarse = Image.fromarray(rng.uniform(0.6, 1.0, (4, 4)).astype(np.float32))
    waves = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    far = np.linspace(1.3, 0.7, height)[:, None]
    transmission = np.exp(-depth * waves * far)[..., None]
    clean, back = space[0](pixels), space[1]
    hazy: Floats = np.clip(back(clean * transmission + air * (1 - transmission)), 0, 1)
    return hazy


def _noisy(pixels: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    return pixels + rng.normal(0, sigma / 255, pixels.shape)


def _grey(pixels: Floats, _: float, __: np.random.Generator) -> Floats:
    return np.repeat((pixels @ LUMA)[..., None], 3, axis=2)


def _faded(pixels: Floats, range_left: float, rng: np.random.Generator) -> Floats:
    """A grey print whose black and white have drawn together."""
    paper = rng.uniform(0.8, 0.9)
    return paper - range_left * (paper - 0.05) * (1 - _grey(pixels, 0, rng))


def _clean(pixels: Floats, _: float, __: np.random.Generator) -> Floats:
    return pixels


@dataclass(frozen=True)
class Kind:
    """A column of the case table: how it is made, and how strong, from slight to severe."""

    truth: str
    degrade: Degrade
    strengths: tuple[float, ...]
    sigma: float = 0.0
    count: int = 30


KINDS = (
    Kind("clean", _clean, (0.0,), count=60),
    Kind("dark", _dark, (0.12, 0.06, 0.03)),
    Kind("dark", _dark, (0.12, 0.06, 0.03), sigma=10.0),
    Kind("hazy", _hazy, (0.9, 1.4, 2.0)),
    Kind("hazy", _hazy, (0.9, 1.4, 2.0), sigma=8.0),
    Kind("noisy", _noisy, (5.0, 10.0, 15.0, 25.0, 50.0), count=50),
    Kind("grey", _grey, (0.0,), count=20),
    Kind("grey", _grey, (0.0,), sigma=15.0, count=20),
    Kind("faded", _faded, (0.6, 0.45, 0.35)),
)


DEGRADATIONS: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "clean": lambda pixels, rng: pixels,
    "dark": lambda pixels, rng: _noisy(_dark(pixels, 0.06, rng), 4.0, rng),
    "hazy": lambda pixels, rng: encode(0.35 * decode(pixels) + 0.65 * 0.85),
    "noisy": lambda pixels, rng: _noisy(pixels, 20.0, rng),
    "grey": lambda pixels, rng: _noisy(_grey(pixels, 0, rng), 8.0, rng),
}
"""One strength of each that can be seen at once, the same in every strip of a photo."""


def cases(folder: Path, seed: int, per_kind: float = 1.0) -> Iterator[Case]:
    """About 300 cases, each of another photo of `folder/manifest.tsv`'s permissive tier."""
    rng = np.random.default_rng(seed)
    files = iter(rng.permutation(_photos(folder)).tolist())
    for kind in KINDS:
        for k in range(round(kind.count * per_kind)):
            strength = kind.strengths[k % len(kind.strengths)]
            photo = _next_coloured(folder, files)
            pixels = kind.degrade(photo, strength, rng)
            if kind.sigma:
                noise = kind.sigma / 255
                shape = (*pixels.shape[:2], 1 if kind.truth == "grey" else 3)
                pixels = pixels + rng.normal(0, noise, shape)
            sigma = strength if kind.truth == "noisy" else kind.sigma
            stored = np.rint(np.clip(pixels, 0, 1) * 255) / 255
            yield Case(stored, kind.truth, f"{strength:g}", sigma)


def manifest(folder: Path) -> list[dict[str, str]]:
    """Rows of `folder/manifest.tsv` (file, source, licence, size, text)."""
    table = folder / "manifest.tsv"
    if not table.is_file():
        raise BenchmarkError(f"{folder} holds no manifest.tsv; give a folder of training photos")
    with table.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def _photos(folder: Path) -> list[str]:
    return [row["file"] for row in manifest(folder) if row["file"].startswith("permissive/")]


def _next_coloured(folder: Path, files: Iterator[str]) -> Floats:
    """The next photo that has colours and is large enough, at most LONG_SIDE pixels long."""
    for file in files:
        with Image.open(folder / file) as image:
            if image.mode != "RGB" or min(image.size) < 160:
                continue
            image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
            pixels = np.asarray(image) / 255.0
        if np.percentile(np.ptp(pixels, axis=2), 99) > 0.1:
            return pixels
    raise BenchmarkError(f"{folder} holds too few coloured photos for this many cases")
