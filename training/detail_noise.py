"""Crops with noise as it comes, and what would be measured of it, mistakes included.

White noise in an 8-bit file; noise that grows with light, as Poisson's does, differently in each
channel; noise that was resized or compressed with its photo; noise of cameras; grain of film.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ldrps_engine.analysis.noise_condition import level_condition, spectrum_bands
from ldrps_engine.analysis.noise_spectrum import OPPONENT, PATCH, dct_matrix, noise_sigma
from ldrps_engine.analysis.resampling import squares
from training.camera import Array, Camera, film, saved

LATENT_PATCH = 2
_WEAKEST, _STRONGEST = 1 / 255, 62 / 255
# Share of crops of which a part is as white, or as black, as a file can be: flat, and half of its
# noise cut off.
_CLIPPED = 0.15
_GAINS = (1.2, 3.0)
# Photos are so many times as large when noise is added that is resized with them.
_LEAST_FACTOR, _LARGEST_FACTOR = 0.6, 2.2
_KNOTS = np.linspace(0, 1, 9)
_FEW = 60
_EVEN_SIGMA = 0.5 / 255
_HOW = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)


Take = Callable[[int], Array]
"""Draws a crop of so many pixels a side, display values."""


@dataclass(frozen=True)
class Made:
    """A crop without and with noise, and the truth about that noise."""

    clean: Array
    """(s, s, 3) display values."""
    noisy: Array
    spectrum: Array
    """(3, 8, 8), deviation at each frequency, in opponent colours."""
    relative: Array
    """(s, s, 3), deviation at each sample over its root mean square."""


@dataclass(frozen=True)
class NoisyCrop:
    """A crop with noise, and the condition that the network is given."""

    clean: Array
    noisy: Array
    sigma: float
    """Standard deviation, display values."""
    levels: Array
    """(3, s / 2, s / 2), see `level_condition`."""
    bands: Array
    """(BANDS,), see `spectrum_bands`."""


@dataclass(frozen=True)
class Mistakes:
    """Errors of a measurement. Neutral: zeros, nothing is overlooked."""

    level: float = 0.12
    """Deviation of the error of a logarithm, of the level as well as of each band."""
    tilt: float = 0.1
    """The same of the slope of the level over brightness."""
    overlooked: float = 0.12
    """Share of crops of which the spectrum is taken to be white; of as many, the level even."""


NONE = Mistakes(0.0, 0.0, 0.0)


def draw(take: Take, side: int, rng: np.random.Generator, mistakes: Mistakes) -> NoisyCrop | None:
    """Make a crop of `side` pixels noisy in one of all ways.

    None where black and white left no noise.
    """
    kinds, shares = zip(*_KINDS, strict=True)
    exposed = _clipped(take, rng) if rng.random() < _CLIPPED else take
    made = kinds[rng.choice(len(kinds), p=shares)](exposed, side, rng)
    sigma = noise_sigma(made.spectrum)
    if not _EVEN_SIGMA < sigma < 2 * _STRONGEST:
        return None
    return measured(made, rng, mistakes)


def _clipped(take: Take, rng: np.random.Generator) -> Take:
    """Take crops with so much contrast that highlights, shadows or both are clipped."""
    gain, pivot = rng.uniform(*_GAINS), rng.choice([0.0, 0.5, 1.0])

    def taken(side: int) -> Array:
        return np.asarray(np.clip(pivot + gain * (take(side) - pivot), 0, 1), np.float32)

    return taken


def measured(made: Made, rng: np.random.Generator, mistakes: Mistakes) -> NoisyCrop:
    """Return the figures that a measurement which errs a little gives of such noise."""
    bands = spectrum_bands(made.spectrum)
    bands = bands + rng.normal(0, mistakes.level, bands.shape).astype(np.float32)
    if rng.random() < mistakes.overlooked:
        bands = np.zeros_like(bands)
    relative = made.relative
    if rng.random() < mistakes.overlooked:
        relative = np.ones_like(relative)
    elif np.ptp(relative) > 0:
        # As the engine reads it: a sample's own brightness would reveal its noise.
        brightness = _blurred(made.noisy)
        relative = relative * np.exp(
            rng.normal(0, mistakes.tilt) * (brightness - brightness.mean())
        )
    sigma = noise_sigma(made.spectrum) * math.exp(rng.normal(0, mistakes.level))
    return NoisyCrop(
        made.clean,
        made.noisy,
        sigma,
        level_condition(relative.astype(np.float32), LATENT_PATCH),
        bands,
    )


def white(clean: Array, sigma: float, rng: np.random.Generator) -> Made:
    """White noise of one level in an 8-bit file."""
    noisy = saved(clean + _normal(clean.shape, rng) * np.float32(sigma), 0)
    return Made(clean, noisy, _flat_spectrum(sigma), np.ones_like(clean))


def resized(clean: Array, side: int, sigma: float, rng: np.random.Generator) -> Made:
    """White noise in an 8-bit file that was then resized to `side` pixels a side."""
    noise = _normal(clean.shape, rng) * np.float32(sigma)
    how = _HOW[rng.integers(len(_HOW))]
    noisy = saved(_resized(saved(clean + noise, 0), side, how), 0)
    spectrum = measured_spectrum(_resized(noise, side, how))
    small = _resized(clean, side, how)
    return Made(small, noisy, spectrum, np.ones_like(small))


def _white(take: Take, side: int, rng: np.random.Generator) -> Made:
    return white(take(side), _drawn_sigma(rng), rng)


def _growing(take: Take, side: int, rng: np.random.Generator) -> Made:
    """Poisson and Gaussian noise of display values, the channels unequal."""
    clean = take(side)
    share = rng.uniform(0, 1)
    gains = np.exp(rng.normal(0, 0.3, 3)) if rng.random() < 0.6 else np.ones(3)
    strength = _drawn_sigma(rng)
    variance = (strength * gains) ** 2 * (share * clean / 0.45 + 1 - share)
    deviation = np.sqrt(variance).astype(np.float32)
    overall = float(np.sqrt(np.square(deviation, dtype=np.float64).mean()))
    noise = deviation * _normal(clean.shape, rng)
    noisy = saved(clean + noise, 0)
    seen = np.sqrt(
        (strength * gains) ** 2 * (share * np.clip(_blurred(noisy), 0, 1) / 0.45 + 1 - share)
    )
    by_channel = np.sqrt(np.square(deviation, dtype=np.float64).mean((0, 1)))
    return Made(clean, noisy, _channel_spectrum(by_channel), (seen / overall).astype(np.float32))


def _reduced(take: Take, side: int, rng: np.random.Generator) -> Made:
    factor = math.exp(rng.uniform(math.log(_LEAST_FACTOR), math.log(_LARGEST_FACTOR)))
    # Resized by so little, noise would be nearly white.
    if 0.9 < factor < 1.1:
        factor = 2.0
    return resized(take(round(side * factor)), side, _drawn_sigma(rng) * max(1.0, factor**0.8), rng)


def _compressed(take: Take, side: int, rng: np.random.Generator) -> Made:
    """White or reduced noise in a JPEG."""
    made = (_white if rng.random() < 0.5 else _reduced)(take, side, rng)
    noisy = saved(made.noisy, int(rng.uniform(72, 99)))
    return _measured(made.clean, noisy)


def _camera(take: Take, side: int, rng: np.random.Generator) -> Made:
    clean = take(side)
    camera = Camera.drawn(rng)
    # What the camera does to the scene is no noise, and belongs to the truth as well.
    still = replace(camera, shot=0.0, read=0.0, quality=0)
    return _measured(still.take(clean, rng), camera.take(clean, rng))


def _film(take: Take, side: int, rng: np.random.Generator) -> Made:
    clean = take(side)
    return _measured(clean, saved(film(clean, rng), int(rng.choice([0, 0, 90, 95]))))


_KINDS: tuple[tuple[Callable[[Take, int, np.random.Generator], Made], float], ...] = (
    (_white, 0.38),
    (_growing, 0.12),
    (_reduced, 0.22),
    (_compressed, 0.08),
    (_camera, 0.14),
    (_film, 0.06),
)


def measured_spectrum(noise: Array) -> Array:
    """Deviation at each frequency (3, 8, 8) of noise (H, W, 3) that is known."""
    tiles = squares(noise @ OPPONENT.T, PATCH).transpose(4, 0, 2, 1, 3)
    energy = np.square(dct_matrix(PATCH) @ tiles @ dct_matrix(PATCH).T).mean((1, 2))
    return np.asarray(np.sqrt(energy), dtype=np.float32)


def _measured(clean: Array, noisy: Array) -> Made:
    """Noise that nothing is known of but what it did."""
    noise = noisy - clean
    spectrum = measured_spectrum(noise)
    return Made(clean, noisy, spectrum, _by_brightness(noise, _blurred(noisy)))


def _by_brightness(noise: Array, seen: Array) -> Array:
    """Deviation at each sample over its root mean square, as it depends on what is seen there."""
    overall = float(np.square(noise, dtype=np.float64).mean()) + 1e-12
    out = np.empty_like(noise)
    for channel in range(noise.shape[2]):
        at, energy = seen[..., channel], np.square(noise[..., channel])
        place = np.clip(np.rint(at * (len(_KNOTS) - 1)), 0, len(_KNOTS) - 1).astype(int).ravel()
        count = np.bincount(place, minlength=len(_KNOTS))
        total = np.bincount(place, energy.ravel(), minlength=len(_KNOTS))
        # Where few samples are, the channel's own mean tells.
        level = (total + _FEW * float(energy.mean())) / (count + _FEW)
        out[..., channel] = np.sqrt(np.interp(at, _KNOTS, level) / overall)
    return out


def _channel_spectrum(deviation: np.ndarray) -> Array:
    """Spectrum (3, 8, 8) of white noise with these deviations of red, green and blue."""
    variance = np.square(OPPONENT) @ np.square(deviation)
    flat = np.broadcast_to(np.sqrt(variance)[:, None, None], (3, PATCH, PATCH))
    return np.asarray(flat, dtype=np.float32)


def _flat_spectrum(sigma: float) -> Array:
    return np.full((3, PATCH, PATCH), sigma, np.float32)


def _drawn_sigma(rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(_WEAKEST), math.log(_STRONGEST)))


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.asarray(rng.standard_normal(shape, dtype=np.float32))


def _blurred(rgb: Array) -> Array:
    """Brightness around each sample, from which the level of its noise is read."""
    planes = [
        Image.fromarray(np.ascontiguousarray(rgb[..., c], dtype=np.float32)) for c in range(3)
    ]
    small = (len(rgb) // 4, len(rgb) // 4)
    smooth = [
        plane.resize(small, Image.Resampling.BOX).resize(plane.size, Image.Resampling.BILINEAR)
        for plane in planes
    ]
    return np.stack([np.asarray(plane) for plane in smooth], axis=-1)


def _resized(rgb: Array, side: int, how: Image.Resampling) -> Array:
    planes = [
        Image.fromarray(np.ascontiguousarray(rgb[..., c], dtype=np.float32)).resize(
            (side, side), how
        )
        for c in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
