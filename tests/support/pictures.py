"""Pictures for tests: like photos in their statistics, made of nothing but a seed."""

import io

import numpy as np
from PIL import Image, ImageFilter

from ldrps_engine.colour.srgb import to_display, to_linear


def natural(height=96, width=128, seed=1):
    """A colour picture (H, W, 3) in [0, 1]: soft textures, like a photo's, cut by sharp edges.

    Amplitudes fall as f**-1.6, somewhat faster than in photos (Field, 1987: f**-1), because at
    this size the same range of frequencies has to hold flat parts as well.
    """
    rng = np.random.default_rng(seed)
    back = _texture(height, width, rng, mean=(0.42, 0.47, 0.52), contrast=0.19)
    front = _texture(height, width, rng, mean=(0.50, 0.40, 0.33), contrast=0.17)
    y, x = np.mgrid[:height, :width]
    hills = y > height * (0.6 + 0.12 * np.sin(x / width * 7))
    picture = np.where(hills[..., None], front, back)
    disc = (y - height * 0.3) ** 2 + (x - width * 0.7) ** 2 < (height * 0.16) ** 2
    things = [(disc, (0.97, 0.95, 0.9))]
    for k, colour in enumerate([(0.04, 0.03, 0.03), (0.75, 0.2, 0.12), (0.1, 0.35, 0.16)]):
        left = int(width * (0.12 + 0.22 * k))
        inside = (y > height * 0.62) & (y < height * 0.9) & (x >= left) & (x < left + width // 9)
        things.append((inside, colour))
    for inside, colour in things:
        picture[inside] = np.array(colour) + 0.1 * (picture[inside] - 0.5)
    return np.clip(picture, 0.01, 0.99).astype(np.float32)


def textured(height=96, width=128, seed=1):
    """A picture (H, W, 3) without any flat part or noise: small discs over each other.

    Lee, Mumford and Huang's dead leaves (2001); sharpened, and saved as a JPEG that leaves
    little chroma.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), 0.5)
    for _ in range(height * width // 4):
        radius = 1 / np.sqrt(rng.uniform(1 / 6**2, 1 / 1.5**2))
        top, left = rng.uniform(0, height), rng.uniform(0, width)
        box = np.s_[max(0, int(top - 6)) : int(top + 7), max(0, int(left - 6)) : int(left + 7)]
        inside = (y[box] - top) ** 2 + (x[box] - left) ** 2 < radius**2
        picture[box][inside] = 0.45 + 0.15 * rng.normal() + 0.02 * rng.normal(size=3)
    image = Image.fromarray(samples(picture, np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    sharp = image.filter(ImageFilter.UnsharpMask(1, 120, 0))
    return photo_of(as_jpeg(sharp, 75), (0, 0, width, height))


def as_jpeg(image, quality):
    """A file in memory with chroma at half the size."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=2)
    file.seek(0)
    return file


def jpeg(size=(320, 240), mode="RGB", **options):
    """Return a file of a natural picture (width, height); `options` are Pillow's."""
    samples = np.rint(np.clip(natural(size[1], size[0]), 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(samples).convert(mode).save(file, "JPEG", **{"quality": 90, **options})
    return file.getvalue()


def noisy(picture, sigma, seed=0):
    """White Gaussian noise, `sigma` in 8-bit steps, not clipped."""
    rng = np.random.default_rng(seed)
    return (picture + rng.normal(0, sigma / 255, picture.shape)).astype(np.float32)


def darkened(picture, light=0.06):
    """The same scene in less light."""
    return to_display(to_linear(picture) * np.float32(light))


def hazed(picture, transmission=0.35, air=(0.84, 0.86, 0.88)):
    """The same scene behind an even haze, composed in light."""
    scattered = to_linear(np.array(air, np.float32)) * (1 - transmission)
    return to_display((to_linear(picture) * transmission + scattered).astype(np.float32))


def grey(picture):
    """The same scene without colour, (H, W, 3)."""
    luma = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(luma[..., None], 3, axis=2)


def samples(picture, dtype):
    """Integer or float samples of a picture."""
    if np.dtype(dtype).kind == "f":
        return picture.astype(dtype)
    peak = np.iinfo(dtype).max
    return np.rint(np.clip(picture, 0, 1) * peak).astype(dtype)


def photo_of(path, box):
    """A part of an example photo, (H, W, 3) in [0, 1]."""
    with Image.open(path) as image:
        return np.divide(np.asarray(image.crop(box)), 255, dtype=np.float32)


def _texture(height, width, rng, mean, contrast):
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    planes = []
    for _ in range(3):
        phase = rng.normal(size=(2, *frequency.shape))
        spectrum = (phase[0] + 1j * phase[1]) / frequency**1.6
        plane = np.fft.irfft2(spectrum, (height, width))
        planes.append(plane / plane.std())
    shared, warm, green = planes
    # Photos vary in light more than in colour.
    colours = np.stack(
        [shared + 0.3 * warm, shared + 0.15 * green, shared - 0.3 * warm - 0.1 * green], -1
    )
    return np.array(mean) + contrast * colours
