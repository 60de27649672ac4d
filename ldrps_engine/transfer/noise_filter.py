"""Noise is filtered in the photo's own values, before any tone is changed, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.clipping import unclip
from ldrps_engine.analysis.noise_spectrum import PATCH, noise_sigma
from ldrps_engine.analysis.resampling import resize, resize_part
from ldrps_engine.photo import Part
from ldrps_engine.transfer.collaborative import (
    QUICK,
    THOROUGH,
    Groups,
    Search,
    from_opponent,
    halved,
    hard_threshold,
    to_opponent,
    wiener,
)
from ldrps_engine.transfer.tiles import Tile, each, tiles, touching

Array = NDArray[np.float32]

_OVERLAP = 24
_ORACLE_SHARE = 0.25
_STRONG_NOISE = 25 / 255
_SCALES = 2
_LEAST_SIDE = 64
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
FEW_PIXELS = 150_000
"""Up to so many, everything is done that helps."""
MANY_PIXELS = 3_000_000
"""Above, what is quick: nobody would wait for the rest."""


def parts_to_filter(size: tuple[int, int], *, quick: bool, crop: Part | None = None) -> list[Tile]:
    """The parts of a photo of (height, width) pixels that are filtered one at a time.

    Those of a crop are the same ones that it has in the whole photo, and so are its pixels.
    """
    return touching(tiles(*size, _search(size, quick=quick).side, _OVERLAP), crop)


def _search(size: tuple[int, int], *, quick: bool) -> Search:
    """The more pixels, the quicker."""
    pixels = size[0] * size[1]
    if quick or pixels > MANY_PIXELS:
        return QUICK
    return THOROUGH if pixels <= FEW_PIXELS else Search()


@dataclass(frozen=True)
class NoiseFilter:
    """Filter of one photo's noise. `part` applies it."""

    size: tuple[int, int]
    """(height, width) of the photo."""
    spectrum: Array
    """(3, 8, 8), standard deviation of the noise at each frequency."""
    before_clipping: float
    """Standard deviation that the noise had before black and white cut it off."""
    oracle: Array
    """(h, w, 3), what the prior takes for the photo without its noise, at the view's scale."""
    seen: float = 1.0
    """Share of the noise that the photo has left at the oracle's size, as the prior sees it."""
    trust: float = 0.0
    """The oracle's share of the result where noise is strong; 0 for a prior that loses detail."""
    quick: bool = False
    """Several times as fast for a little less quality."""

    def part(self, rgb: Array, where: Part, check: Callable[[], None]) -> Array:
        """Filter the rows and columns `where` of the photo, (h, w, 3) display values.

        `check` is called now and then, and may raise.
        """
        noisy = to_opponent(rgb)
        sigmas = self.spectrum.reshape(len(self.spectrum), -1)
        search = _search(self.size, quick=self.quick)
        groups = Groups(noisy, search)
        spectra = groups.spectra(noisy)
        check()
        basic = from_opponent(hard_threshold(spectra, sigmas, groups, check))
        guide = to_opponent(self._merged(basic, where, _ORACLE_SHARE))
        groups = Groups(guide, search)
        check()
        for _ in range(search.passes):
            guide = wiener(spectra, guide, sigmas, groups, check)
        final = from_opponent(_without_blotches(guide, noisy, sigmas, search, _SCALES, check))
        return unclip(self._merged(final, where, self.trust), self.before_clipping)

    def _merged(self, image: Array, where: Part, share: float) -> Array:
        """The oracle has a share of what the view holds of (h, w, 3); above it, it has no say.

        The weaker the noise, the less does the oracle know that the photo does not show.
        """
        share *= min(1.0, self.seen * noise_sigma(self.spectrum) / _STRONG_NOISE)
        if share == 0:
            return image
        pilot = resize_part(self.oracle, self.size, where)
        held = image
        scale = self.oracle.shape[1] / self.size[1]
        if scale < 1:
            height, width = image.shape[:2]
            small = max(1, round(height * scale)), max(1, round(width * scale))
            held = resize(resize(image, small), (height, width))
        return image + np.float32(share) * (pilot - held)


def _without_blotches(
    filtered: Array,
    noisy: Array,
    sigmas: Array,
    search: Search,
    scales: int,
    check: Callable[[], None],
) -> Array:
    """Remove noise too coarse for a patch: at half the size it is noise of few pixels.

    The low frequencies of a filtered image (C, H, W) become those of the halved one, filtered.
    Pierazzo, Morel and Facciolo, "Multi-scale DCT denoising" (IPOL 2017).
    """
    if not scales or min(noisy.shape[1:]) < _LEAST_SIDE:
        return filtered
    half, coarse = halved(noisy), _halved_sigmas(sigmas)
    before = halved(filtered)
    once = search.passes == 1
    groups = Groups(before if once else half, search)
    spectra = groups.spectra(half)
    guide = hard_threshold(spectra, coarse, groups, check)
    groups = groups if once else Groups(guide, search)
    better = wiener(spectra, guide, coarse, groups, check)
    better = _without_blotches(better, half, coarse, search, scales - 1, check)
    change = np.moveaxis(_smoothed(better - before), 0, 2)
    large = resize(change, (2 * change.shape[0], 2 * change.shape[1]))
    return filtered + np.moveaxis(large, 2, 0)[:, : noisy.shape[1], : noisy.shape[2]]


def _smoothed(image: Array) -> Array:
    """(C, H, W) less its high frequencies, so that enlarging it leaves no steps."""
    for axis in (1, 2):
        grow = [(2, 2) if along == axis else (0, 0) for along in range(3)]
        padded = np.moveaxis(np.pad(image, grow, mode="reflect"), axis, 0)
        count = image.shape[axis]
        parts = (np.float32(w) * padded[k : k + count] for k, w in enumerate(_BINOMIAL))
        image = np.moveaxis(np.add.reduce(list(parts)), 0, axis)
    return image


def _halved_sigmas(sigmas: Array) -> Array:
    """Frequency k of a patch of the halved image is k / 2 of the whole one's, at half the sigma."""
    square = sigmas.reshape(-1, PATCH, PATCH)
    below, above = np.arange(PATCH) // 2, (np.arange(PATCH) + 1) // 2
    rows = square[:, below] + square[:, above]
    square = np.asarray(rows[..., below] + rows[..., above], dtype=np.float32) / np.float32(8)
    return square.reshape(len(sigmas), -1)


def filter_noise(
    rgb: Array, noise: NoiseFilter, on_part: Callable[[int], None], crop: Part | None = None
) -> Array:
    """Filter (H, W, 3) display values. `on_part` is told how many parts are done.

    With a `crop`, what it does not need is left undefined.
    """
    out = np.empty_like(rgb)

    def one(tile: Tile, check: Callable[[], None]) -> None:
        out[tile.inner] = noise.part(rgb[tile.outer], tile.outer, check)[tile.kept]

    each(parts_to_filter(noise.size, quick=noise.quick, crop=crop), one, on_part)
    return out
