"""Tools that the drawings share: fonts, fractal textures, soft masks, from light to bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.sets import Floats, Samples, to_samples
from ldrps_engine.colour.srgb import encode

Rng = np.random.Generator
Font = ImageFont.FreeTypeFont
Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

FONTS = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "serif": "DejaVuSerif.ttf",
    "mono": "DejaVuSansMono.ttf",
    "condensed": "DejaVuSansCondensed.ttf",
    "italic": "DejaVuSerif-Italic.ttf",
}
"""DejaVu, which nearly every Linux has; Pillow's own font stands in where it is missing."""

SMOOTHING = 3
"""Masks are drawn so many times larger and reduced: edges as soft as a lens makes them."""


@dataclass(frozen=True)
class Drawing:
    """One picture that is made when it is needed."""

    name: str
    kind: str
    """`text page`, `receipt`, `fog`...: what a person would call it."""
    draw: Callable[[Rng], Samples]


@cache
def font(name: str, size: int) -> Font:
    """One of FONTS, at a size in pixels."""
    try:
        return ImageFont.truetype(FONTS[name], size)
    except OSError:
        found = ImageFont.load_default(size)
        assert isinstance(found, ImageFont.FreeTypeFont)
        return found


def fractal(rng: Rng, shape: tuple[int, int], slope: float = 1.8, across: float = 1.0) -> Floats:
    """Random texture with a power spectrum of 1/f**slope, mean 0 and deviation 1.

    `across` is how high its shapes are for their width: water and clouds have a fourth or less.
    """
    down, sideways = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    frequency = np.hypot(down, sideways / across)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=shape)) * frequency ** (-slope / 2)
    plane: Floats = np.fft.irfft2(spectrum, shape)
    even: Floats = (plane - plane.mean()) / plane.std()
    return even


def ridge(rng: Rng, width: int, slope: float = 2.6) -> Floats:
    """Outline of hills, mean 0 and deviation 1."""
    return fractal(rng, (2, 2 * width), slope)[0, :width]


def mask(size: tuple[int, int], paint: Callable[[ImageDraw.ImageDraw], None]) -> Floats:
    """(height, width) of 0 to 1 from what `paint` draws with fill 255 in SMOOTHING-fold pixels."""
    large = Image.new("L", (size[1] * SMOOTHING, size[0] * SMOOTHING))
    paint(ImageDraw.Draw(large))
    small = large.resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64) / 255


def polygons(size: tuple[int, int], shapes: Sequence[Points]) -> Floats:
    """A mask of filled polygons, in pixels of the picture."""

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for shape in shapes:
            draw.polygon([(x * SMOOTHING, y * SMOOTHING) for x, y in shape], fill=255)

    return mask(size, paint)


def below(size: tuple[int, int], outline: Floats) -> Floats:
    """A mask of everything below an outline that gives a row for each column."""
    rows = np.arange(size[0])[:, None]
    return np.clip(rows - outline[None] + 0.5, 0, 1)


def glow(size: tuple[int, int], centre: tuple[float, float], radius: float) -> Floats:
    """A Gaussian spot with peak 1 around (x, y)."""
    y, x = np.mgrid[: size[0], : size[1]]
    spot: Floats = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))
    return spot


def over(below_it: Floats, colour: Floats, cover: Floats) -> Floats:
    """Lay a colour (or an image) over another, by a mask."""
    return below_it * (1 - cover[..., None]) + colour * cover[..., None]


def tint(*rgb: float) -> Floats:
    """A colour in linear light."""
    return np.array(rgb, dtype=np.float64)


def exposed(light: Floats, rng: Rng, noise: float = 0.7, soft: float = 0.6) -> Samples:
    """Take a picture of (H, W, 3) linear light: lens, a good camera's noise, curve, 8 bits.

    `noise` is the standard deviation in 8-bit steps: less than is visible.
    """
    display = encode(np.clip(blurred(light, soft), 0, 1))
    return to_samples(display + rng.normal(0, noise / 255, display.shape))


def blurred(planes: Floats, sigma: float) -> Floats:
    """Gaussian blur of (H, W, 3), by the Fourier transform; edges wrap and are mirrored away."""
    edge = min(int(4 * sigma) + 1, *(side - 1 for side in planes.shape[:2]))
    padded = np.pad(planes, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    down = np.fft.fftfreq(padded.shape[0])[:, None, None]
    across = np.fft.rfftfreq(padded.shape[1])[None, :, None]
    lens = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * lens
    smooth: Floats = np.fft.irfft2(spectrum, padded.shape[:2], axes=(0, 1))
    return smooth[edge:-edge, edge:-edge]


def as_jpeg(picture: Samples, quality: int) -> Samples:
    """Save as a JPEG of this quality and read it again."""
    with BytesIO() as file:
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))


def samples(image: Image.Image) -> Samples:
    """(H, W, 3) uint8 of a drawing."""
    return np.asarray(image.convert("RGB"))
