"""Good photos made worse in ways that the diagnosis tells apart. Display values, (H, W, 3)."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ldrps_engine.colour.srgb import LUMINANCE, to_display, to_linear

Array = NDArray[np.float32]


def darkened(rgb: Array, rng: np.random.Generator) -> Array:
    """A fiftieth to a sixth of the light."""
    return to_display(to_linear(rgb) * np.float32(_between(0.02, 0.16, rng)))


def hazed(rgb: Array, rng: np.random.Generator) -> Array:
    """Koschmieder's haze over planes and steps of depth, in light or in display values."""
    height, width = rgb.shape[:2]
    tilt = np.linspace(rng.uniform(-0.5, 0.5), 0, height)[:, None]
    grid = rng.uniform(0.5, 1.2, (rng.integers(1, 6), rng.integers(1, 6))).astype(np.float32)
    how = Image.Resampling.NEAREST if rng.random() < 0.5 else Image.Resampling.BICUBIC
    steps = np.asarray(Image.fromarray(grid).resize((width, height), how))
    depth = np.clip(steps + tilt, 0.1, 2)[..., None]
    through = np.exp(-_between(0.4, 2.3, rng) * depth).astype(np.float32)
    air = (rng.uniform(0.7, 1.0) + rng.uniform(-0.03, 0.03, 3)).astype(np.float32)
    if rng.random() < 0.5:
        return to_display(to_linear(rgb) * through + air * (1 - through))
    return np.asarray(rgb * through + air * (1 - through))


def faded(rgb: Array, rng: np.random.Generator) -> Array:
    """A grey print of which a third to two thirds of the contrast is left."""
    white, left = rng.uniform(0.75, 0.95), rng.uniform(0.3, 0.65)
    return np.asarray(white - left * white * (1 - grey(rgb)), dtype=np.float32)


def grey(rgb: Array) -> Array:
    """The same without colour."""
    return np.repeat((rgb @ LUMINANCE)[..., None], 3, axis=2)


def in_some_tones(
    rgb: Array, rng: np.random.Generator, greys: float, shares: tuple[float, float, float]
) -> Array:
    """Turn a share of `greys` grey; then darken, haze or fade, each up to its cumulative share."""
    if rng.random() < greys:
        rgb = grey(rgb)
    drawn = rng.random()
    for share, degraded in zip(shares, (darkened, hazed, faded), strict=True):
        if drawn < share:
            return degraded(rgb, rng)
    return rgb


def noisy(rgb: Array, rng: np.random.Generator) -> Array:
    """White noise of sigma 0 to 30 on two photos of five."""
    sigma = rng.uniform(0, 30) / 255 if rng.random() < 0.4 else 0.0
    return np.asarray(rgb + rng.normal(0, sigma, rgb.shape), dtype=np.float32)


def grained(rgb: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Noise of `sigma` 8-bit steps: white, the same in all channels, or resized with its photo."""
    kind = rng.choice(["white", "white", "same", "resized"])
    noise = _resized(rgb.shape, rng) if kind == "resized" else rng.normal(size=rgb.shape)
    if kind == "same" or np.ptp(rgb, axis=2).max() < 1e-3:
        noise = noise[..., :1]
    return np.asarray(rgb + noise * (sigma / 255), dtype=np.float32)


def _resized(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Noise made 1.2 to 2.5 times as large, reduced to `shape` and brought back to variance 1."""
    height, width, channels = shape
    factor = rng.uniform(1.2, 2.5)
    large = rng.normal(size=(channels, math.ceil(height * factor), math.ceil(width * factor)))
    how = Image.Resampling.LANCZOS if rng.random() < 0.5 else Image.Resampling.BILINEAR
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in large]
    noise = np.stack([np.asarray(p.resize((width, height), how)) for p in planes], axis=-1)
    return np.asarray(noise / noise.std(), dtype=np.float32)


def sharpened(rgb: Array, rng: np.random.Generator) -> Array:
    """An unsharp mask, from mild to hard."""
    mask = ImageFilter.UnsharpMask(rng.uniform(0.4, 2.0), int(rng.uniform(30, 200)), 0)
    return _opened(_image(rgb).filter(mask))


def as_jpeg(rgb: Array, rng: np.random.Generator) -> Array:
    """Saved as a JPEG of quality 55 to 95; two of three with chroma at half the size."""
    file = io.BytesIO()
    half = int(rng.choice([0, 2, 2]))
    _image(rgb).save(file, "JPEG", quality=int(rng.uniform(55, 96)), subsampling=half)
    with Image.open(file) as image:
        return _opened(image)


def processed(rgb: Array, rng: np.random.Generator) -> Array:
    """Process a photo as programs do: sharpened, saved as JPEG, both, or as it is."""
    for degrade, share in ((sharpened, 0.35), (as_jpeg, 0.4)):
        if rng.random() < share:
            rgb = degrade(rgb, rng)
    return rgb


def stored(rgb: Array) -> Array:
    """Round to what an 8-bit file would hold."""
    return _opened(_image(rgb))


def _image(rgb: Array) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8))


def _opened(image: Image.Image) -> Array:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    """Evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))
