"""Noise is filtered in the photo's own values, before any tone is changed, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldrps_engine.clipped import unclip
from ldrps_engine.noise import noise_sigma
from ldrps_engine.resampling import Part, resize, resize_part
from ldrps_engine.transfer.collaborative import (
    PATCH,
    QUICK,
    THOROUGH,
    Groups,
    Search,
    from_opponent,
    hard_threshold,
    to_opponent,
    wiener,
)
from ldrps_engine.transfer.tiles import Tile, each, tiles

Array = NDArray[np.float32]

_OVERLAP = 24
_ORACLE_SHARE = 0.25
_STRONG_NOISE = 25 / 255
_SCALES = 2
_LEAST_SIDE = 64
_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
_FEW_PIXELS = 150_000
_MANY_PIXELS = 3_000_000


def parts_to_filter(size: tuple[int, int], *, quick: bool) -> list[Tile]:
    """The parts of a photo of (height, width) pixels that are filtered one at a time."""
    return tiles(*size, _search(size, quick=quick).side, _OVERLAP)


def _search(size: tuple[int, int], *, quick: bool) -> Search:
    """The more pixels, the quicker: nobody would wait for the rest."""
    pixels = size[0] * size[1]
    if quick or pixels > _MANY_PIXELS:
        return QUICK
    return THOROUGH if pixels <= _FEW_PIXELS else Search()


@dataclass(frozen=True)
class NoiseFilter:
    """What one photo's noise is filtered with. `part` is the filter."""

    size: tuple[int, int]
    """(height, width) of the photo."""
    spectrum: Array
    """(3, 8, 8), standard deviation of the noise at each frequency."""
    before_clipping: float
    """Standard deviation that the noise had before black and white cut it off."""
    oracle: Array
    """(h, w, 3), what the prior takes for the photo without its noise, at the view's scale."""
    seen: float = 1.0
    """How much of the noise the photo has left at the oracle's size."""
    trust: float = 0.0
    """The oracle's share of the result where noise is strong; 0 for a prior that loses detail."""
    quick: bool = False
    """Several times as fast for a little less quality."""

    def part(self, rgb: Array, where: Part, check: Callable[[], None]) -> Array:
        """Filter the rows and columns `where` of the photo, (h, w, 3) display values.

        `check` is called now and then, and may raise.
        """
        noisy = to_opponent(torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1))
        sigmas = torch.from_numpy(self.spectrum.reshape(len(self.spectrum), -1)).float()
        search = _search(self.size, quick=self.quick)
        groups = Groups(noisy, search)
        check()
        basic = from_opponent(hard_threshold(noisy, sigmas, groups, check))
        guide = to_opponent(self._merged(basic, where, _ORACLE_SHARE))
        groups = Groups(guide, search)
        check()
        for _ in range(search.passes):
            guide = wiener(noisy, guide, sigmas, groups, check)
        final = from_opponent(_without_blotches(guide, noisy, sigmas, search, _SCALES, check))
        result = self._merged(final, where, self.trust)
        return unclip(result.permute(1, 2, 0).numpy(), self.before_clipping)

    def _merged(self, image: Tensor, where: Part, share: float) -> Tensor:
        """The oracle has a share of what the view holds of (3, h, w); above it, it has no say.

        The weaker the noise, the less does the oracle know that the photo does not show.
        """
        share *= min(1.0, self.seen * noise_sigma(self.spectrum) / _STRONG_NOISE)
        if share == 0:
            return image
        basic = image.permute(1, 2, 0).numpy()
        pilot = resize_part(self.oracle, self.size, where)
        held = basic
        scale = self.oracle.shape[1] / self.size[1]
        if scale < 1:
            height, width = basic.shape[:2]
            small = max(1, round(height * scale)), max(1, round(width * scale))
            held = resize(resize(basic, small), (height, width))
        merged = basic + share * (pilot - held)
        return torch.from_numpy(merged).permute(2, 0, 1).contiguous()


def _without_blotches(
    filtered: Tensor,
    noisy: Tensor,
    sigmas: Tensor,
    search: Search,
    scales: int,
    check: Callable[[], None],
) -> Tensor:
    """What a patch is too small to tell from the scene is noise of few pixels at half the size.

    The low frequencies of a filtered image (C, H, W) become those of the halved one, filtered.
    Pierazzo, Morel and Facciolo, "Multi-scale DCT denoising" (IPOL 2017).
    """
    if not scales or min(noisy.shape[1:]) < _LEAST_SIDE:
        return filtered
    half, coarse = _halved(noisy), _halved_sigmas(sigmas)
    before = _halved(filtered)
    once = search.passes == 1
    groups = Groups(before if once else half, search)
    guide = hard_threshold(half, coarse, groups, check)
    groups = groups if once else Groups(guide, search)
    better = wiener(half, guide, coarse, groups, check)
    better = _without_blotches(better, half, coarse, search, scales - 1, check)
    change = _smoothed(better - before)
    size = [2 * side for side in change.shape[1:]]
    large = functional.interpolate(change[None], size=size, mode="bicubic", align_corners=False)[0]
    return filtered + large[:, : noisy.shape[1], : noisy.shape[2]]


def _halved(image: Tensor) -> Tensor:
    odd = (0, image.shape[2] % 2, 0, image.shape[1] % 2)
    return functional.avg_pool2d(functional.pad(image[None], odd, mode="replicate"), 2)[0]


def _smoothed(image: Tensor) -> Tensor:
    kernel = (_BINOMIAL[:, None] * _BINOMIAL)[None, None]
    return functional.conv2d(functional.pad(image[:, None], (2,) * 4, mode="reflect"), kernel)[:, 0]


def _halved_sigmas(sigmas: Tensor) -> Tensor:
    """Frequency k of a patch of the halved image is k / 2 of the whole one's, at half the sigma."""
    square = sigmas.unflatten(1, (PATCH, PATCH))[None]
    enlarged = functional.interpolate(
        square, size=(2 * PATCH - 1,) * 2, mode="bilinear", align_corners=True
    )
    return enlarged[0, :, :PATCH, :PATCH].flatten(1) / 2


def filter_noise(rgb: Array, noise: NoiseFilter, on_part: Callable[[int], None]) -> Array:
    """Filter (H, W, 3) display values. `on_part` is told how many parts are done."""
    out = np.empty_like(rgb)

    def one(tile: Tile, check: Callable[[], None]) -> None:
        out[tile.inner] = noise.part(rgb[tile.outer], tile.outer, check)[tile.kept]

    each(parts_to_filter(noise.size, quick=noise.quick), one, on_part)
    return out
