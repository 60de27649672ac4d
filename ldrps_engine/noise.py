"""The noise of a photo, measured blind: its standard deviation at each frequency of a patch.

Real noise is rarely white: resizing, demosaicing and JPEG leave their slope in it. Patches
that are flat in one half of the frequencies (a checkerboard of the DCT) tell the noise in the
other half, and the other way round; as white noise is independent between the halves, choosing
the flattest patches does not bias the estimate. No torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

PATCH = 8
_MEDIAN_OF_CHI2 = 0.4549
_SHARE = 0.08
_MOST_PATCHES = 40_000
_TEXTURE_EXCESS = 1.7

OPPONENT: Array = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
OPPONENT /= np.linalg.norm(OPPONENT, axis=1, keepdims=True)
"""Orthonormal rotation to luminance and two chroma channels: white noise keeps its sigma."""


@cache
def dct_matrix(size: int) -> Array:
    """Orthonormal DCT-II matrix (size, size); rows are frequencies."""
    k, n = np.arange(size)[:, None], np.arange(size)[None, :]
    matrix = np.cos(np.pi * (n + 0.5) * k / size) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, dtype=np.float32)


def noise_spectrum(rgb: Array) -> Array:
    """Standard deviation of noise, (channels, 8, 8), in the units of `rgb`.

    `rgb` is (H, W, 3), then the channels are luminance and two chroma, or (H, W, 1).
    Its mean square over a channel is that channel's noise variance.
    """
    image = np.asarray(rgb @ OPPONENT.T) if rgb.shape[2] == 3 else rgb
    step = max(2, int(np.sqrt(image.shape[0] * image.shape[1] / _MOST_PATCHES)))
    spectrum = _spectrum(image, step, _unclipped(rgb, step, 0.002))
    # Noise is cut off well before black and white: look again away from them.
    spectrum = _spectrum(image, step, _unclipped(rgb, step, 2.5 * noise_sigma(spectrum)))
    return _without_texture(spectrum)


def noise_sigma(spectrum: Array) -> float:
    """Root mean square over all channels and frequencies: the sigma of a single sample."""
    return float(np.sqrt((spectrum**2).mean()))


def _patches(channel: Array, step: int) -> Array:
    views = np.lib.stride_tricks.sliding_window_view(channel, (PATCH, PATCH))
    return np.ascontiguousarray(views[::step, ::step]).reshape(-1, PATCH, PATCH)


def _unclipped(rgb: Array, step: int, margin: float) -> NDArray[np.bool_]:
    """Patches away from black and white by `margin` on the whole; all, if those are too few."""
    patches = np.stack([_patches(c, step).mean((1, 2)) for c in np.moveaxis(rgb, -1, 0)])
    usable = np.all((patches > margin) & (patches < 1 - margin), axis=0)
    return usable if usable.mean() > 0.1 else np.ones_like(usable)


def _spectrum(image: Array, step: int, usable: NDArray[np.bool_]) -> Array:
    channels = np.moveaxis(image, -1, 0)
    return np.stack([_channel_spectrum(channel, step, usable) for channel in channels])


def _without_texture(spectrum: Array) -> Array:
    """Texture without any flat part reads as noise, in luminance far more than in chroma.

    Sensor noise rotates to the same in all three, so a moderate excess of luminance over chroma
    is texture; a large one is grain or a chroma that JPEG has smoothed, and stands.
    """
    if len(spectrum) != 3:
        return spectrum
    luminance, chroma = noise_sigma(spectrum[:1]), noise_sigma(spectrum[1:])
    if chroma < luminance < _TEXTURE_EXCESS * chroma:
        spectrum = spectrum.copy()
        spectrum[0] *= chroma / luminance
    return spectrum


def _channel_spectrum(channel: Array, step: int, usable: NDArray[np.bool_]) -> Array:
    dct = dct_matrix(PATCH)
    energy = (dct @ _patches(channel, step)[usable] @ dct.T) ** 2
    parity = np.add.outer(np.arange(PATCH), np.arange(PATCH)) % 2
    variance = np.zeros((PATCH, PATCH), np.float32)
    for half in (0, 1):
        other = parity != half
        other[0, 0] = False
        # Each frequency counts the same in the choice, so that steep spectra do not hide texture.
        typical = np.maximum(np.median(energy[:, other], axis=0), 1e-12)
        texture = (energy[:, other] / typical).mean(1)
        count = max(64, int(_SHARE * len(energy)))
        flattest = np.argpartition(texture, min(count, len(energy) - 1))[:count]
        here = parity == half
        variance[here] = np.median(energy[flattest][:, here], axis=0) / _MEDIAN_OF_CHI2
    return np.asarray(np.sqrt(_without_shading(variance)), dtype=np.float32)


def _without_shading(variance: Array) -> Array:
    """Gradual shading reads as noise at the lowest frequencies: hold them to the next ones."""
    order = np.add.outer(np.arange(PATCH), np.arange(PATCH))
    limit = 1.3 * np.median(variance[(order >= 3) & (order <= 4)])
    held = np.where(order < 3, np.minimum(variance, limit), variance)
    held[0, 0] = limit / 1.1
    return np.asarray(held, dtype=np.float32)
