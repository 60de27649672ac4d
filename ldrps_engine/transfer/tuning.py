"""The prior gets to know one photo's noise: it is tuned on that photo, made noisy once more.

A prior knows white noise. That of a real photo has been resized, demosaiced or compressed with it,
and only the photo tells how. Its filtered image stands in for the clean one, so that nothing but
the photo itself is learnt from. After Vaksman, Elad and Milanfar, "LIDIA: Lightweight learned image
denoising with instance adaptation" (CVPRW 2020); after Mohan et al., "Adaptive denoising via
GainTuning" (NeurIPS 2021), few weights are tuned: those of the two finest sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ldrps_engine.analysis.clipping import clip, unclip, variance_left
from ldrps_engine.analysis.noise_spectrum import OPPONENT, PATCH
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.diffusion.view import View
from ldrps_engine.photo import Part
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.learner import Learner
from ldrps_engine.priors.schedule import nearest_step, noise_ratios
from ldrps_engine.transfer.noise_filter import FEW_PIXELS, MANY_PIXELS
from ldrps_engine.transfer.tiles import Tile, each, tiles, touching

Array = NDArray[np.float32]

_SIDE = 96
_LEAST_SIDE = 32
_RATE = 1e-3
_WARM_UP = 5
_HALVED = 0.5
_SHARE = 0.5
_TILE = 384
_OVERLAP = 32
_WAYS = ((0, False), (0, True), (2, False), (2, True), (1, False), (1, True), (3, False), (3, True))
"""Quarter turns, and whether it is mirrored after them."""


@dataclass(frozen=True)
class Noise:
    """A photo's noise, as the filter knows it."""

    spectrum: Array
    """(3, 8, 8), standard deviation at each frequency of a patch, luminance and two chroma."""
    before_clipping: float
    """Standard deviation that it had before black and white cut it off."""
    sigma: float
    """Standard deviation as the prior sees it, display values."""


@dataclass(frozen=True)
class Tuned:
    """The prior, tuned to one photo's noise."""

    prior: LatentPrior
    learner: Learner
    noise: Noise
    ways: int = 1
    """An estimate is the mean of those of the photo turned and mirrored in so many ways, 1 to 8."""

    def part(self, rgb: Array, check: Callable[[], None]) -> Array:
        """Display values (h, w, 3) without their noise. `check` is called now and then."""
        total = np.zeros_like(rgb)
        for turns, mirrored in _WAYS[: self.ways]:
            check()
            seen = np.rot90(rgb, turns)
            found = self._estimate(seen[:, ::-1])[:, ::-1] if mirrored else self._estimate(seen)
            total += np.rot90(found, -turns)
        return unclip(total / np.float32(self.ways), self.noise.before_clipping)

    @torch.no_grad()
    def _estimate(self, rgb: Array) -> Array:
        view = _whole(rgb, self.prior)
        step, signal = _level(self.prior, self.noise.sigma)
        latents = self.learner.clean(signal * self.prior.encode(view.to_model(rgb)), step)
        return view.from_model(self.prior.decode(latents))


@dataclass(frozen=True)
class Tuning:
    """Training of a copy of the prior on one photo's noise."""

    prior: LatentPrior
    learner: Learner
    size: tuple[int, int]
    """(height, width) of the photo."""
    steps: int
    seed: int
    crop: Part | None = None
    """The only part of the photo that is wanted; None: all of it."""

    @property
    def count(self) -> int:
        """Steps, and parts of the photo after them."""
        return self.steps + len(parts_to_blend(self.size, self.crop))

    def improve(
        self, rgb: Array, filtered: Array, noise: Noise, on_part: Callable[[int], None]
    ) -> None:
        """Learn from `filtered` (H, W, 3) and make it better in place; `rgb` is with noise.

        `on_part` is told how many of `count` are done, and stops it by raising.
        """
        known = filtered if self.crop is None else filtered[self.crop]
        tune(self.prior, self.learner, known, noise, self.steps, self.seed, on_part)
        tuned = Tuned(self.prior, self.learner, noise, ways_for(self.size))
        blend(rgb, filtered, tuned, lambda done: on_part(self.steps + done), self.crop)


def tune(
    prior: LatentPrior,
    learner: Learner,
    filtered: Array,
    noise: Noise,
    steps: int,
    seed: int,
    on_step: Callable[[int], None],
) -> None:
    """Train a learner on a photo (H, W, 3) that was freed from most of its noise.

    `on_step` is told how many of the `steps` are done, and stops the training by raising.
    """
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(learner.parameters, _RATE, fused=True)
    step, signal = _level(prior, noise.sigma)
    for k in range(steps):
        optimiser.param_groups[0]["lr"] = _RATE * min(1, (k + 1) / _WARM_UP) * (1 - k / steps)
        clean, noisy = _pair(filtered, noise, prior.multiple, rng)
        view = _whole(clean, prior)
        wanted, seen = (prior.encode(view.to_model(rgb)) for rgb in (clean, noisy))
        with torch.enable_grad():
            found = learner.clean(signal * seen, step)
            loss = (found - wanted).square().mean() / noise.sigma**2
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        on_step(k + 1)


def parts_to_blend(size: tuple[int, int], crop: Part | None = None) -> list[Tile]:
    """The parts of a photo of (height, width) pixels that a tuned prior has its share of."""
    return touching(tiles(*size, _TILE, _OVERLAP), crop)


def blend(
    rgb: Array,
    filtered: Array,
    tuned: Tuned,
    on_part: Callable[[int], None],
    crop: Part | None = None,
) -> None:
    """Give the tuned prior its share of `filtered` (H, W, 3), in place; `rgb` is with noise."""

    def one(tile: Tile, check: Callable[[], None]) -> None:
        estimate = tuned.part(rgb[tile.outer], check)[tile.kept]
        filtered[tile.inner] += np.float32(_SHARE) * (estimate - filtered[tile.inner])

    each(parts_to_blend(rgb.shape[:2], crop), one, on_part)


def ways_for(size: tuple[int, int]) -> int:
    """In how many ways a photo of (height, width) pixels is seen: the more pixels, the fewer."""
    return 8 if size[0] * size[1] <= FEW_PIXELS else 4


def is_tunable(size: tuple[int, int]) -> bool:
    """Tell whether a photo of (height, width) pixels is worth tuning to.

    It has to be large enough to learn from, and not too large to wait for.
    """
    return min(size) >= _LEAST_SIDE and size[0] * size[1] <= MANY_PIXELS


def _pair(
    filtered: Array, noise: Noise, multiple: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """A part of the photo without and with new noise, turned in any way.

    Every other one has half the size: what filtering has blurred is sharp there.
    """
    short = min(filtered.shape[:2])
    halved = short >= 2 * _SIDE and rng.random() < _HALVED
    side = min(_SIDE, short) // multiple * multiple
    taken = 2 * side if halved else side
    top, left = (int(rng.integers(0, length - taken + 1)) for length in filtered.shape[:2])
    part = filtered[top : top + taken, left : left + taken]
    if halved:
        part = squares(part, 2).mean((1, 3), dtype=np.float32)
    room = np.minimum(part, 1 - part)
    left_of_it = np.sqrt(variance_left(room, noise.before_clipping))
    added = new_noise(noise.spectrum, side, rng) * np.where(room < 0, 1, left_of_it)
    clean = clip(part, noise.before_clipping)
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    clean, noisy = (np.rot90(image, turns) for image in (clean, clean + added))
    return (clean[:, ::-1], noisy[:, ::-1]) if mirrored else (clean, noisy)


def new_noise(spectrum: Array, side: int, rng: np.random.Generator) -> Array:
    """Noise (side, side, 3) of RGB with a given spectrum (3, 8, 8) in opponent colours."""
    # Frequency k of a patch's DCT has k / 16 periods a pixel.
    where = np.minimum(np.abs(np.fft.fftfreq(side)) * 2 * PATCH, PATCH - 1)
    towards = np.stack([np.interp(where, np.arange(PATCH), one) for one in np.eye(PATCH)])
    gains = towards.T @ spectrum @ towards
    gains *= np.sqrt(_power(spectrum) / np.maximum(_power(gains), 1e-12))
    white = np.fft.fft2(rng.standard_normal((len(spectrum), side, side)))
    channels = np.fft.ifft2(white * gains).real
    return np.asarray(np.moveaxis(channels, 0, 2) @ OPPONENT, dtype=np.float32)


def _power(spectra: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean square of each channel, (C, 1, 1)."""
    return np.asarray(np.square(spectra).mean((1, 2), keepdims=True))


def _level(prior: LatentPrior, sigma: float) -> tuple[int, float]:
    """The step at which the prior expects so much noise, and what it has of the signal there."""
    # Latents span [-1, 1], display values [0, 1].
    step = nearest_step(noise_ratios(prior.alphas), 2 * sigma)
    return step, math.sqrt(float(prior.alphas[step]))


def _whole(rgb: Array, prior: LatentPrior) -> View:
    """View of all of an image (H, W, 3), at its own size."""
    height, width = rgb.shape[:2]
    return View.fit(height, width, max(height, width), prior.multiple, 1.0)
