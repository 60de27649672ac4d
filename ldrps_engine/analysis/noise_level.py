"""Noise as a function of brightness, and the curve that makes it uniform. No torch.

A sensor's noise is Poisson and Gaussian in light (Foi, Trimeche, Katkovnik and Egiazarian,
"Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP
2008); the camera's unknown tone curve turns it into an arbitrary smooth function of display values.
So it is measured without a model: for each channel and brightness, the flattest patches give an
upper bound, weighted by how equally flat they are. The integral of its inverse stabilises the
variance, as Anscombe's root does for Poisson noise; the noise that is then measured, judged and
filtered has one spectrum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_spectrum import (
    ORDER,
    PATCH,
    energy_of,
    noise_sigma,
    patches_of,
    raw_spectrum,
    without_texture,
)
from ldrps_engine.analysis.samples import Values, display

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]

KNOTS: Doubles = np.linspace(0, 1, 17)
"""Display values at which a level is given."""
_GRID: Doubles = np.linspace(0, 1, 1025)
# Values interpolated at once: they stay in the processor's cache.
_AT_ONCE = 1 << 16
_MOST_PATCHES = 40_000
_MOST_COUNTED = 250_000
_LEAST_PATCHES = 60
_SHARE = 0.08
_FEWEST = 48
_FINE_FROM = 5
_CUT = 0.003
_LEAST_USABLE = 0.1
# Median over mean of the energy in half of a patch's fine frequencies, chi-squared.
_MEDIAN_OF_FEW = 0.97
_SLOPE = 0.1
_FIRM = 500.0
_LEAST_SIGMA = 0.2 / 255
_ROOM = 2.0
_BEND, _TILT, _APART, _ALIKE = 0.1, 0.02, 1.0, 0.05
_ABOVE, _BELOW = 0.1, 2.0
_ROUNDS = 12
_STEEPEST = 16.0
# Display value below which noise may be clipped at black, and so grows with brightness.
_GROWS_FROM = 0.1
# Root mean square of the logarithm of a level below which noise counts as even; photos with even
# noise have less.
_EVEN = 0.16


@dataclass(frozen=True)
class Level:
    """Noise of a photo over its brightness, up to a factor. Neutral: ones.

    Stabilised values run from 0 to 1 as display values do, and hold noise of one deviation.
    """

    curve: Doubles
    """(channels, 17), relative standard deviation at each of KNOTS, of harmonic mean 1."""
    strength: Doubles
    """(channels,), strength of the channels' noise relative to each other, of mean square 1."""

    @classmethod
    def even(cls, channels: int) -> Level:
        """The neutral one."""
        return cls(np.ones((channels, len(KNOTS))), np.ones(channels))

    @property
    def is_even(self) -> bool:
        """Tell whether noise is the same at every brightness, so that no stabilising is needed."""
        return bool(np.all(self.curve == self.curve[:, :1]))

    def stabilise(self, rgb: Array) -> Array:
        """Convert display values (..., channels) to values with noise of one deviation."""
        if self.is_even:
            return rgb
        channels = [_on_grid(rgb[..., c], self._stabilised[c]) for c in range(rgb.shape[-1])]
        return np.stack(channels, axis=-1)

    def relative(self, rgb: Array) -> Array:
        """Deviation of noise at display values, relative to that in stabilised ones, same shape."""
        if self.is_even:
            return np.ones_like(rgb)
        channels = [
            strength * np.interp(rgb[..., c], KNOTS, curve)
            for c, (curve, strength) in enumerate(zip(self.curve, self.strength, strict=True))
        ]
        return np.stack(channels, axis=-1).astype(np.float32)

    @cached_property
    def _stabilised(self) -> Doubles:
        """(channels, 1025), stabilised values at each of the grid's display values."""
        slopes = np.stack([1 / np.interp(_GRID, KNOTS, of) for of in self.curve])
        steps = (slopes[:, 1:] + slopes[:, :-1]) / 2
        sums = np.concatenate([np.zeros((len(slopes), 1)), steps.cumsum(1)], axis=1)
        return np.asarray(sums / sums[:, -1:])


def _on_grid(values: NDArray[np.floating], known: Doubles) -> Array:
    """Interpolate linearly between values at _GRID; beyond it, as steep as at its ends.

    Within the grid it gives what `np.interp` does, to the bit, but uses its even spacing.
    """
    flat, steps = values.reshape(-1), np.diff(known)
    out = np.empty(flat.shape, np.float32)
    for start in range(0, flat.size, _AT_ONCE):
        # In steps of the grid; their number is a power of two, so nothing is rounded.
        part = flat[start : start + _AT_ONCE].astype(np.float64) * len(steps)
        below = np.clip(part, 0, len(steps) - 1).astype(np.intp)
        part -= below
        part *= steps[below]
        part += known[below]
        out[start : start + _AT_ONCE] = part
    return out.reshape(values.shape)


EVEN = Level.even(3)
"""Noise that is the same at every brightness."""


@dataclass(frozen=True)
class Noise:
    """Noise of one photo, as measured."""

    level: Level
    spectrum: Array
    """(channels, 8, 8), deviation at each frequency in stabilised values, see `noise_spectrum`."""
    raw: Array
    """The same, including possible texture."""
    relative_rms: float
    """Deviation in display values over that in stabilised ones, root mean square of the photo."""
    is_sure: bool = False
    """True if all of it is known to be noise."""

    @classmethod
    def none(cls, channels: int) -> Noise:
        """Noise of a photo that is known to have none."""
        spectrum = np.zeros((channels, PATCH, PATCH), np.float32)
        return cls(Level.even(channels), spectrum, spectrum, 1.0, is_sure=True)

    @property
    def sigma(self) -> float:
        """Standard deviation in display values, root mean square over the photo."""
        return self.relative_rms * noise_sigma(self.spectrum)

    @property
    def raw_sigma(self) -> float:
        """The same, including possible texture."""
        return self.relative_rms * noise_sigma(self.raw)

    def at(self, rgb: Array) -> Array:
        """Standard deviation in display values at each sample of (..., channels)."""
        return np.asarray(self.level.relative(rgb) * np.float32(noise_sigma(self.spectrum)))


def measure_noise(rgb: Values) -> Noise:
    """Measure an image (H, W, 3) or (H, W, 1) of display values."""
    level = noise_level(rgb)
    raw = raw_spectrum(rgb, None if level.is_even else level.stabilise)
    every = max(1, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_PATCHES)))
    relative = level.relative(np.clip(display(rgb[::every, ::every]), 0, 1))
    relative_rms = float(np.sqrt(np.square(relative, dtype=np.float64).mean()))
    return Noise(level, without_texture(raw), raw, relative_rms)


def noise_level(rgb: Values) -> Level:
    """Measure noise of (H, W, channels) as a function of brightness, channel by channel.

    It is taken to be even unless the measurement shows otherwise.
    """
    step = max(2, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_PATCHES)))
    found = [_bounds(patches_of(channel, step)) for channel in np.moveaxis(rgb, -1, 0)]
    weights = np.stack([weight for _, weight in found])
    if not weights.any():
        return Level.even(rgb.shape[2])
    logs = _fitted(np.stack([log for log, _ in found]), weights)
    present = _present(rgb)
    middle = (present * logs).sum() / max(present.sum(), 1)
    if np.sqrt((present * (logs - middle) ** 2).sum() / max(present.sum(), 1)) < _EVEN:
        return Level.even(rgb.shape[2])
    curve = np.exp(logs - middle)
    curve = np.maximum(curve, curve.max() / _STEEPEST)
    stabilised = 1 / np.stack([1 / np.interp(_GRID, KNOTS, of) for of in curve]).mean(1)
    strength = stabilised / np.sqrt(np.square(stabilised).mean())
    return Level(curve / stabilised[:, None], strength)


def growth(rgb: Values, level: Level) -> float:
    """Return the power of display values with which noise of (H, W, channels) grows, 0 if even.

    A camera's tone curve takes from its noise in bright places at least what light adds: the power
    is 0 or below. Texture is a share of the light it is seen in: the power is 1.
    """
    present = _present(rgb) * ((KNOTS > _GROWS_FROM) & (KNOTS < 1 - _GROWS_FROM / 2))
    if level.is_even or not present.any():
        return 0.0
    bright = np.broadcast_to(np.log(np.maximum(KNOTS, _GROWS_FROM)), present.shape)
    total = np.maximum(present.sum(1, keepdims=True), 1)
    apart = bright - (present * bright).sum(1, keepdims=True) / total
    sum_of_squares = float((present * apart**2).sum())
    covariance = float((present * apart * np.log(level.curve)).sum())
    return covariance / sum_of_squares if sum_of_squares else 0.0


def _present(rgb: Values) -> Doubles:
    """Count the samples near each of KNOTS, (channels, 17); a large photo is subsampled."""
    every = max(1, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_COUNTED)))
    sample = display(rgb[::every, ::every]).reshape(-1, rgb.shape[2])
    return np.stack([np.histogram(channel, _edges())[0] for channel in sample.T]).astype(np.float64)


def _edges() -> Doubles:
    """Bins around KNOTS; the outer ones are open."""
    middle = (KNOTS[1:] + KNOTS[:-1]) / 2
    return np.concatenate([[-np.inf], middle, [np.inf]])


def _bounds(patches: Array) -> tuple[Doubles, Doubles]:
    """Log deviation of the flattest patches by brightness, and its reliability."""
    cut = ((patches < _CUT) | (patches > 1 - _CUT)).mean((1, 2))
    usable = cut < 0.02
    if usable.mean() > _LEAST_USABLE:
        patches = patches[usable]
    energy = energy_of(patches)
    parity = np.add.outer(np.arange(PATCH), np.arange(PATCH)) % 2
    halves = [energy[:, (ORDER >= _FINE_FROM) & (parity == half)].mean(1) for half in (0, 1)]
    place = np.digitize(patches.mean((1, 2)), _edges()[1:-1])
    logs, weights = np.zeros(len(KNOTS)), np.zeros(len(KNOTS))
    for knot in range(len(KNOTS)):
        here = np.flatnonzero(place == knot)
        if len(here) >= _LEAST_PATCHES:
            logs[knot], weights[knot] = _bound(halves[0][here], halves[1][here])
    weights[_is_cut_off(np.where(weights > 0, np.exp(logs), 0))] = 0
    return logs, weights


def _is_cut_off(sigmas: Doubles) -> NDArray[np.bool_]:
    """Mark brightnesses where clipping at black or white has weakened the noise.

    Slightly further from the limit, the noise exceeds the room that it would have had here.
    """
    middle = len(KNOTS) // 2
    inner = np.concatenate([sigmas[1 : middle + 1], sigmas[middle : middle + 1], sigmas[middle:-1]])
    second = np.concatenate([sigmas[2 : middle + 2], [0], sigmas[middle - 1 : -2]])
    room = np.minimum(KNOTS, 1 - KNOTS)
    return np.asarray(room < _ROOM * np.maximum(np.maximum(sigmas, inner), second))


def _bound(one: Array, other: Array) -> tuple[float, float]:
    """Log deviation of the patches that are flattest in the other half, and its weight.

    If there is only noise, the two halves of the chosen patches are independent; texture affects
    both.
    """
    count = min(len(one), max(_FEWEST, int(_SHARE * len(one))))
    variances, slopes = [], []
    for chooses, tells in ((one, other), (other, one)):
        flattest = np.argsort(chooses)[:count]
        low, high = tells[flattest[: count // 2]], tells[flattest[count // 2 :]]
        variances.append(float(np.median(tells[flattest])))
        slopes.append(np.log((np.median(high) + 1e-12) / (np.median(low) + 1e-12)) / 2)
    sigma = math.sqrt(max(float(np.mean(variances)) / _MEDIAN_OF_FEW, _LEAST_SIGMA**2))
    doubt = max(float(np.mean(slopes)), 0) / _SLOPE
    return math.log(sigma), float(len(one) / (len(one) + _FIRM) / (1 + doubt**2))


def _fitted(logs: Doubles, weights: Doubles) -> Doubles:
    """Smooth curves (channels, 17) through upper bounds, with similar shapes in all channels."""
    flat, weight = logs.ravel(), weights.ravel()
    smooth = _roughness(*logs.shape)
    fitted = np.full(len(flat), np.average(flat, weights=weight))
    for _ in range(_ROUNDS):
        share = weight * np.where(flat > fitted, np.maximum(_ABOVE, weight), _BELOW)
        fitted = np.asarray(np.linalg.solve(smooth + np.diag(share), share * flat), np.float64)
    return np.asarray(fitted.reshape(logs.shape))


@cache
def _roughness(channels: int, count: int) -> Doubles:
    """Quadratic form (n, n) of n = channels * count logarithms: how far they are from smooth curves
    of much the same shape."""
    rows = []
    for c in range(channels):
        own = np.zeros((count, channels * count))
        own[:, c * count : (c + 1) * count] = np.eye(count)
        tilt = np.diff(own, axis=0)
        others = np.mean([np.roll(tilt, count * k, axis=1) for k in range(channels)], axis=0)
        rows += [_BEND * count * np.diff(own, n=2, axis=0), _TILT * count * tilt]
        # A channel without information, since its noise is clipped at black, is as strong as the
        # rest.
        mean = own.mean(0, keepdims=True)
        alike = np.mean([np.roll(mean, count * k, axis=1) for k in range(channels)], axis=0)
        rows += [_APART * (tilt - others), _ALIKE * (mean - alike)]
    design = np.concatenate(rows)
    return np.asarray(design.T @ design)
