"""Decision whether measured noise is noise, or texture in a photo without flat parts. No torch.

A quadratic classifier on statistics of a photo and of the same at half the size, where noise is
weaker and texture is not (Zontak, Mosseri and Irani, CVPR 2013): the measured noise by frequency,
in luminance and in chroma; the energy of the smoothest patches, since noise leaves none without;
the correlation of fine with coarser energy, and with brightness. Fitted by `python -m training
fit-noise-detection` on good photos, sharpened, saved as JPEG, in less light or behind haze, without
noise and with it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_spectrum import (
    ORDER,
    PATCH,
    Stabilise,
    energy_of,
    noise_sigma,
    noise_spectrum,
    planes_of,
)
from ldrps_engine.analysis.regression import load_model, quadratic
from ldrps_engine.analysis.samples import Values, display

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/noise_detection.json"

_BANDS = (ORDER < 5, (ORDER >= 5) & (ORDER < 10), ORDER >= 10)
_MOST_PATCHES = 20_000
_MOST_PIXELS = 6_000_000
_BAND = 128
_NOT_BLACK, _NOT_WHITE = 0.03, 0.97
_LEAST_USABLE = 0.1
_LEAST_OF_A_THIRD = 8
# In 8-bit steps: below it there is only rounding.
_LEAST = 0.1
_SURE = 30.0


def shows_noise(rgb: Values, spectrum: Array, stabilise: Stabilise | None = None) -> float:
    """Probability that an (H, W, 3) or (H, W, 1) image has noise.

    `spectrum` is its `noise_spectrum`, both of values as `stabilise` has them.
    """
    model = load_model(MODEL)
    features = noise_features(rgb, spectrum, stabilise)[None]
    logit = float((quadratic(features, model) @ model["weights"])[0])
    return float(1 / (1 + np.exp(-np.clip(logit, -_SURE, _SURE))))


def noise_features(rgb: Values, spectrum: Array, stabilise: Stabilise | None = None) -> Array:
    """Statistics of an image (H, W, 3) or (H, W, 1) and of its `noise_spectrum`, (39,)."""
    small = halved(rgb, stabilise)
    return np.concatenate(
        [
            [log_steps(noise_sigma(spectrum))],
            by_frequency(spectrum),
            by_patch(rgb, stabilise),
            by_patch(small),
            by_frequency(noise_spectrum(small)),
        ]
    ).astype(np.float32)


def halved(rgb: Values, stabilise: Stabilise | None = None) -> Array:
    """The means of two by two pixels, after `stabilise`; for a large photo, in evenly spaced bands.

    An image that would become smaller than two patches stays as it is.
    """
    height, width, channels = rgb.shape
    every = height * width // _MOST_PIXELS
    if every > 1 and height >= _BAND:
        bands = rgb[: height // _BAND * _BAND].reshape(-1, _BAND, width, channels)
        rgb = bands[::every].reshape(-1, width, channels)
    values = display(rgb) if stabilise is None else stabilise(display(rgb))
    if min(height, width) < 2 * PATCH:
        return values
    rows = values[0 : height // 2 * 2 : 2] + values[1::2]
    return np.asarray((rows[:, 0 : width // 2 * 2 : 2] + rows[:, 1::2]) / 4, dtype=np.float32)


def log_steps(deviation: float | Array) -> Array:
    """Logarithm of 8-bit steps."""
    return np.asarray(np.log(np.asarray(deviation) * 255 + _LEAST), dtype=np.float32)


def by_frequency(spectrum: Array) -> Array:
    """Noise of luminance and chroma in three bands of frequencies, (6,)."""
    luminance, chroma = spectrum[0], np.zeros_like(spectrum[0])
    if len(spectrum) == 3:
        chroma = np.sqrt((spectrum[1:] ** 2).mean(0))
    else:
        # Treat it as three identical channels.
        luminance = luminance * np.float32(np.sqrt(3))
    return np.stack(
        [log_steps(noise_sigma(of[band])) for of in (luminance, chroma) for band in _BANDS]
    )


def by_patch(rgb: Values, stabilise: Stabilise | None = None) -> Array:
    """Features of the distribution of luminance energy over patches, (13,)."""
    fine, middle, light = _energies(rgb, stabilise)
    fines = np.percentile(fine, (1, 5, 20, 50, 80))
    third, two_thirds = np.quantile(light, (1 / 3, 2 / 3))
    parts = (light <= third, (light > third) & (light <= two_thirds), light > two_thirds)
    floors = [
        np.percentile(fine[part], 10) if part.sum() > _LEAST_OF_A_THIRD else fines[1]
        for part in parts
    ]
    varied = min(fine.std(), middle.std()) > 1e-5
    together = np.corrcoef(fine, middle)[0, 1] if varied else 0.0
    return np.array([*fines, *np.percentile(middle, (1, 5, 20, 50)), together, *floors])


def _energies(rgb: Values, stabilise: Stabilise | None) -> tuple[Array, Array, Array]:
    """Log deviation of patches in the highest and the middle band, and their brightness, (N,).

    Black and white patches, which clip noise, are left out if there are others.
    """
    step = max(2, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_PATCHES)))
    patches = planes_of(rgb, step, stabilise).mean(0)
    light = patches.mean((1, 2))
    inside = (light > _NOT_BLACK) & (light < _NOT_WHITE)
    if inside.mean() > _LEAST_USABLE:
        patches, light = patches[inside], light[inside]
    # In the opponent rotation luminance is the mean times the square root of three.
    energy = 3 * energy_of(patches)
    middle, fine = (log_steps(np.sqrt(energy[:, band].mean(1))) for band in _BANDS[1:])
    return fine, middle, light
