"""The noise of a photo, measured blind: its standard deviation at each frequency of a patch.

Real noise is rarely white: resizing, demosaicing and JPEG leave their slope in it. Patches that are
flat in one half of the frequencies (a checkerboard of the DCT) reveal the noise in the other half,
and vice versa; since white noise is independent between the halves, choosing the flattest patches
does not bias the estimate. No torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.clipping import variance_left
from ldrps_engine.analysis.medians import median
from ldrps_engine.analysis.samples import Values, display

Array = NDArray[np.float32]
Stabilise = Callable[[Array], Array]

PATCH = 8
_MEDIAN_OF_CHI2 = 0.4549
_SHARE = 0.08
_MOST_PATCHES, _ENOUGH_PATCHES = 40_000, 3_000
# Pixels of a photo above which fewer patches are used, since more of them are flat.
_LARGE, _MOST_OF_LARGE = 12_000_000, 20_000
ORDER = np.add.outer(np.arange(PATCH), np.arange(PATCH))
"""Height of each frequency of a patch: 0 for its mean, 14 for a checkerboard."""
# Noise resized with its photo is up to this much stronger at low frequencies.
_STEEPEST = 1.7
_SMOOTHED = 0.45
_GRAIN = 3.0
_LOOKS = 3
_LEAST_USABLE = 0.1
_ROOM_LEFT = 0.98
_LEAST_LEFT = 0.1
_SOME_ROOM = 0.002
_FINE_FROM = 3
_FINER = ((11, 15), (5, 8))
# Share of the middle frequencies' deviation above which the finest show white noise. Of 1,400 good
# photos, half of them made grey, none has more than 0.71.
_WHITE = 0.85
# Flat white keeps a third of its variance; more than this may be texture or chance.

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


def energy_of(patches: Array) -> Array:
    """Squares of the DCT of patches (..., 8, 8), same shape.

    A single product of large matrices: many small ones take several times as long.
    """
    both = np.kron(dct_matrix(PATCH), dct_matrix(PATCH))
    flat = patches.reshape(-1, PATCH * PATCH) @ both.T
    return np.asarray(np.square(flat, out=flat).reshape(patches.shape), np.float32)


def _energy_by_frequency(patches: Array) -> Array:
    """Squares of the DCT of patches (N, 8, 8), with a row for each frequency, (64, N)."""
    both = np.kron(dct_matrix(PATCH), dct_matrix(PATCH))
    rows = both @ patches.reshape(-1, PATCH * PATCH).T
    return np.asarray(np.square(rows, out=rows), np.float32)


def noise_spectrum(rgb: Values, stabilise: Stabilise | None = None) -> Array:
    """Standard deviation of noise, (channels, 8, 8), in the units of `rgb`.

    `rgb` is (H, W, 1), or (H, W, 3), for which the channels are luminance and two chroma. Its mean
    square over a channel is that channel's noise variance. With `stabilise`, a function of values
    (..., channels) that also run from 0 to 1, it is the noise of its results.
    """
    return without_texture(raw_spectrum(rgb, stabilise))


def raw_spectrum(rgb: Values, stabilise: Stabilise | None = None) -> Array:
    """Measure as `noise_spectrum` does, but leave possible texture in."""
    pixels = rgb.shape[0] * rgb.shape[1]
    most = _MOST_PATCHES if pixels < _LARGE else _MOST_OF_LARGE
    step = max(2, int(np.sqrt(pixels / most)))
    patches = planes_of(rgb, step, stabilise)
    means = patches.mean((2, 3))
    room = np.minimum(means, 1 - means)
    if len(patches) == 3:
        patches = (OPPONENT @ patches.reshape(3, -1)).reshape(patches.shape)
    energy = np.stack([_energy_by_frequency(own) for own in patches])
    # Clipping at black and white depends on the noise itself: iterate three times. Some of the
    # patches are enough for that.
    left, some = _not_clipped(room), slice(None, None, max(1, energy.shape[2] // _ENOUGH_PATCHES))
    few = np.ascontiguousarray(energy[:, :, some])
    for _ in range(_LOOKS):
        sigma = noise_sigma(_spectrum(few, left[:, some]))
        left = _left_by_clipping(room, sigma)
    return _spectrum(energy, left)


def noise_sigma(spectrum: Array) -> float:
    """Root mean square over all channels and frequencies: the sigma of a single sample."""
    return float(np.sqrt((spectrum**2).mean()))


def is_white(raw: Array) -> bool:
    """Tell whether a `raw_spectrum` (channels, 8, 8) is flat up to luminance's finest details.

    Texture is weaker the finer it is.
    """
    fine, middle = (noise_sigma(raw[0, (low <= ORDER) & (high > ORDER)]) for low, high in _FINER)
    return fine > _WHITE * middle


def planes_of(rgb: Values, step: int, stabilise: Stabilise | None = None) -> Array:
    """Patches (channels, N, 8, 8) of an image (H, W, channels), after `stabilise`.

    Stabilising the patches alone gives the same as stabilising the whole image.
    """
    patches = np.stack([patches_of(channel, step) for channel in np.moveaxis(rgb, -1, 0)])
    if stabilise is None:
        return patches
    return np.moveaxis(stabilise(np.moveaxis(patches, 0, -1)), -1, 0)


def patches_of(channel: Values, step: int) -> Array:
    """Patches (N, 8, 8) of display values of an (H, W) channel, about every `step` pixels."""
    views = np.lib.stride_tricks.sliding_window_view(channel, (PATCH, PATCH))
    rows, columns = (_positions(count, step) for count in views.shape[:2])
    return display(views[rows[:, None], columns]).reshape(-1, PATCH, PATCH)


def _positions(count: int, step: int) -> NDArray[np.intp]:
    """Places where patches begin: about every `step` pixels, and never where a JPEG's blocks do.

    The blocks that JPEG has rounded to nothing are the flattest of a photo, and show no noise.
    """
    if step >= PATCH and count > PATCH:
        return np.arange(PATCH // 2, count, step // PATCH * PATCH)
    every = np.arange(0, count, step)
    between = every[(every % PATCH >= 2) & (every % PATCH <= PATCH - 2)]
    return between if between.size > 1 else every


def _not_clipped(room: Array) -> Array:
    """1 for patches that are not all black or white in a channel, 0 for others, (channels, N)."""
    inside = np.all(room > _SOME_ROOM, axis=0)
    usable = inside if inside.mean() > _LEAST_USABLE else np.ones_like(inside)
    return np.broadcast_to(usable, room.shape).astype(np.float32)


def _left_by_clipping(room: Array, sigma: float) -> Array:
    """Share of the noise's variance left by clipping in each patch, (channels, N).

    `room` is the distance of each patch's mean to black or white in every channel of the photo;
    the answer is for the rotated ones. 0: do not use; patches with little room are left out
    while there are enough others.
    """
    left = variance_left(room, sigma)
    if len(left) == 3:
        left = OPPONENT**2 @ left
    least = left.min(0)
    wanted = min(_ROOM_LEFT, float(np.quantile(least, 1 - _LEAST_USABLE)))
    usable = least >= max(wanted, _LEAST_LEFT)
    # A photo that is black or white everywhere shows no noise.
    return np.where(usable, left, 0) if usable.any() else np.ones_like(left)


def _spectrum(energy: Array, left: Array) -> Array:
    """Deviation (channels, 8, 8) from the arguments of `_channel_spectrum` for each channel."""
    return np.stack([_channel_spectrum(own, of) for own, of in zip(energy, left, strict=True)])


def without_texture(spectrum: Array) -> Array:
    """Limit the noise of luminance, in which texture without flat parts looks like noise.

    Sensor noise is equally strong in all three rotated channels. If chroma was smoothed, or the
    noise is grain, the highest frequencies of luminance set the limit, since texture is weakest
    there.
    """
    luminance = spectrum[0]
    chroma = (
        np.sqrt((spectrum[1:] ** 2).mean(0)) if len(spectrum) == 3 else np.zeros_like(luminance)
    )
    high, low = ORDER >= 10, ORDER < 5
    fine, fine_chroma, coarse_chroma = (
        noise_sigma(values) for values in (luminance[high], chroma[high], chroma[low])
    )
    smoothed = fine_chroma < _SMOOTHED * coarse_chroma
    most = chroma
    if smoothed or fine > _GRAIN * fine_chroma:
        # The growth of grain towards low frequencies is read where texture is still weak.
        middle = noise_sigma(luminance[(ORDER >= 7) & (ORDER < 10)])
        steep = np.clip((middle / max(fine, 1e-9)) ** (10 / 3), 1, _STEEPEST)
        most = fine * np.interp(ORDER, (0, 10), (steep, 1))
    held = np.minimum(luminance, most)
    return np.concatenate([held[None], spectrum[1:]]).astype(np.float32)


def _channel_spectrum(energy: Array, left: Array) -> Array:
    """Deviation (8, 8) from the energy (64, N) of patches and the share (N,) of variance left."""
    usable = np.flatnonzero(left > 0)
    rows = energy.take(usable, axis=1)
    rows /= left[usable]
    parity = np.add.outer(np.arange(PATCH), np.arange(PATCH)) % 2
    variance = np.zeros((PATCH, PATCH), np.float32)
    for half in (0, 1):
        other = parity != half
        other[0, 0] = False
        chosen = rows[other.ravel()]
        # Each frequency counts equally in the choice, so that steep spectra do not hide texture.
        typical = np.maximum(median(chosen), 1e-12)
        texture = (1 / typical) @ chosen
        count = max(64, int(_SHARE * len(usable)))
        flattest = np.argpartition(texture, min(count, len(usable) - 1))[:count]
        here = parity == half
        flat = rows[here.ravel()].take(flattest, axis=1)
        variance[here] = median(flat) / _MEDIAN_OF_CHI2
    return np.asarray(np.sqrt(_without_shading(variance)), dtype=np.float32)


def _without_shading(variance: Array) -> Array:
    """Limit the lowest frequencies to the next ones, since shading looks like noise there."""
    order = np.add.outer(np.arange(PATCH), np.arange(PATCH))
    limit = 1.3 * np.median(variance[(order >= 3) & (order <= 4)])
    held = np.where(order < 3, np.minimum(variance, limit), variance)
    held[0, 0] = limit / 1.1
    return np.asarray(held, dtype=np.float32)
