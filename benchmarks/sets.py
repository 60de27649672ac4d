"""Test sets: pairs of degraded and reference photos, from folders or derived from references."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.errors import BenchmarkError
from ldrps_engine.colour.srgb import decode, encode
from training.metrics import LUMA

Samples = NDArray[np.uint8]
Floats = NDArray[np.float64]

MIN_SIDE = 32
"""LPIPS and SSIM have no value below this."""

DERIVED_SEED = 20250725
"""Fixed, whatever the sampler's seed is: everybody measures on the same files."""


_DERIVED_SIGMA = 25.0
_WHITE_SIGMAS = (15, 25, 50)


@dataclass(frozen=True)
class Pair:
    """One photo of a set, (H, W, 3) uint8 each."""

    name: str
    degraded: Samples
    reference: Samples


@dataclass(frozen=True)
class TestSet:
    """A set under the name its rows carry."""

    __test__ = False  # pytest would take the class for a test

    name: str
    pairs: tuple[Pair, ...]
    sigma: float | None = None
    """Standard deviation of the white noise that was added, in 8-bit steps, where it is known."""


def load(name: str, folder: Path, limit: int | None = None) -> TestSet:
    """`folder/degraded` and `folder/reference`, matched by file name."""
    degraded, reference = _files(name, folder / "degraded"), _files(name, folder / "reference")
    odd = sorted(set(degraded) ^ set(reference))
    if odd:
        raise BenchmarkError(f"set {name}: {odd[0]} is in only one of degraded/ and reference/")
    pairs = []
    for file in sorted(degraded)[:limit]:
        pair = Pair(file, _read(name, degraded[file]), _read(name, reference[file]))
        if pair.degraded.shape != pair.reference.shape:
            raise BenchmarkError(f"set {name}: {file} has another size in reference/")
        pairs.append(pair)
    return TestSet(name, tuple(pairs))


def derive(kind: str, folder: Path, limit: int | None = None) -> TestSet:
    """A set of one of the kinds of DERIVED, degraded here from `folder/reference`."""
    if kind not in DERIVED:
        raise BenchmarkError(f"cannot derive '{kind}'; use one of {', '.join(DERIVED)}")
    files = _files(kind, folder / "reference")
    pairs = []
    for file in sorted(files)[:limit]:
        reference = _read(kind, files[file])
        # A stream for each file, so that --limit does not change what the others look like.
        rng = np.random.default_rng([DERIVED_SEED, zlib.crc32(f"{kind}/{file}".encode())])
        degraded = DERIVED[kind](reference / 255.0, rng)
        pairs.append(Pair(file, to_samples(degraded), reference))
    return TestSet(kind, tuple(pairs), KNOWN_SIGMA.get(kind))


def to_samples(pixels: NDArray[np.floating[Any]]) -> Samples:
    """Convert from [0, 1] to 8 bits, rounded to nearest."""
    samples: Samples = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return samples


def _clean(pixels: Floats, _: np.random.Generator) -> Floats:
    """Nothing is wrong: the test of doing no harm."""
    return pixels


def _grey(pixels: Floats, _: np.random.Generator) -> Floats:
    return np.repeat((pixels @ LUMA)[..., None], 3, axis=2)


def _grey_noise(pixels: Floats, rng: np.random.Generator) -> Floats:
    # One noise for all three channels: a grey photo stays grey.
    return _grey(pixels, rng) + _noise(rng, (*pixels.shape[:2], 1))


def _noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float = _DERIVED_SIGMA
) -> Floats:
    """White and Gaussian on the display values, as the denoising papers add it."""
    return rng.normal(0.0, sigma / 255, shape)


def _white(pixels: Floats, rng: np.random.Generator, sigma: float) -> Floats:
    """White noise of `sigma` 8-bit steps; what leaves [0, 1] is clipped, as files clip it."""
    return pixels + _noise(rng, pixels.shape, sigma)


def _haze(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Haze over a smooth depth, in display values as the published data sets have it."""
    height, width = pixels.shape[:2]
    coarse = Image.fromarray(rng.normal(0, 0.08, (4, 4)).astype(np.float32))
    depth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    far = np.linspace(1, -1, height)[:, None] * rng.uniform(-0.15, 0.05)
    through = np.clip(rng.uniform(0.4, 0.8) * np.exp(depth + far), 0.15, 1)[..., None]
    air = rng.uniform(0.75, 1.0) * (1 + rng.normal(0, 0.015, 3))
    return pixels * through + air * (1 - through)


def _dark_noise(pixels: Floats, rng: np.random.Generator) -> Floats:
    """An eighth of the light or so, then noise of sigma 25."""
    dark = encode(decode(pixels) * 0.12)
    return dark + _noise(rng, pixels.shape)


DERIVED: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "clean": _clean,
    "dark-noise": _dark_noise,
    "grey": _grey,
    "haze": _haze,
    "grey-noise": _grey_noise,
    **{f"white-{sigma}": partial(_white, sigma=sigma) for sigma in _WHITE_SIGMAS},
}
"""Kinds for --derive: degraded from [0, 1] RGB with a generator of their own."""

KNOWN_SIGMA = {
    "dark-noise": _DERIVED_SIGMA,
    "grey-noise": _DERIVED_SIGMA,
    **{f"white-{sigma}": float(sigma) for sigma in _WHITE_SIGMAS},
}
"""Standard deviation of the noise of those kinds that have any, in 8-bit steps."""


def _files(name: str, folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise BenchmarkError(f"set {name}: there is no folder {folder}")
    suffixes = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
    files = {path.name: path for path in folder.iterdir() if path.suffix.lower() in suffixes}
    if not files:
        raise BenchmarkError(f"set {name}: {folder} holds no photos")
    return files


def _read(name: str, path: Path) -> Samples:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise BenchmarkError(f"set {name}: {path} cannot be read ({error})") from error
    if min(pixels.shape[:2]) < MIN_SIDE:
        raise BenchmarkError(f"set {name}: {path} is smaller than {MIN_SIDE} pixels a side")
    return pixels
