"""Collaborative filtering of noise: similar patches are stacked, transformed and shrunk together.

Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative filtering" (IEEE TIP
2007): a hard-thresholding pass gives a basic estimate, an empirical Wiener pass uses an oracle's
spectrum. Here the oracle is the basic estimate together with what the diffusion prior takes for
the photo without its noise, and the noise has a spectrum of its own instead of a single sigma.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_spectrum import OPPONENT, PATCH
from ldrps_engine.transfer import kernels
from ldrps_engine.transfer.kernels import GROUP, Numbers

Array = NDArray[np.float32]

_HARD_THRESHOLD = 2.7


@dataclass(frozen=True)
class Search:
    """Options of the search for groups, in pixels, and number of passes over them."""

    stride: int = 3
    """Distance of reference patches; a multiple of `grid`."""
    radius: int = 12
    """Half side of the window in which similar patches are looked for; a multiple of `grid`."""
    grid: int = 1
    """Distance of the patches to choose from; they are compared at this part of their size."""
    passes: int = 2
    """Wiener passes; each is the oracle of the next one."""
    side: int = 384
    """Side of the parts worked on at once, which memory limits; small ones overlap more."""


THOROUGH = Search(stride=2, radius=16, side=256)
"""For photos of few pixels."""
QUICK = Search(stride=4, radius=12, grid=2, passes=1, side=512)
"""Several times as fast, for photos of many pixels and people in a hurry."""


def to_opponent(rgb: Array) -> Array:
    """(H, W, 3) RGB to luminance and two chroma channels, orthonormal, (3, H, W)."""
    return np.ascontiguousarray(np.moveaxis(rgb @ OPPONENT.T, 2, 0))


def from_opponent(opponent: Array) -> Array:
    """Inverse of `to_opponent`."""
    return np.ascontiguousarray(np.moveaxis(opponent, 0, 2) @ OPPONENT)


class Groups:
    """Each reference patch's GROUP most similar patches, of one image size."""

    def __init__(self, guide: Array, search: Search) -> None:
        """Find them in a guide (C, H, W), all of whose channels count."""
        self._grid = search.grid
        self._size = guide.shape[1], guide.shape[2]
        down, right = (-(-(side - PATCH) // search.stride) for side in self._size)
        between = search.stride // search.grid
        self._patches: tuple[int, int] = (down * between + 1, right * between + 1)
        found = np.empty((down + 1, right + 1, GROUP), np.int32)
        small = _averaged(self._padded(guide), self._grid)
        patch, stride, reach = (n // search.grid for n in (PATCH, search.stride, search.radius))
        kernels.nearest(small, patch, stride, reach, found)
        self.members: Numbers = found.reshape(-1, GROUP)
        """(references, GROUP) numbers of patches, counted row by row; the reference is first."""

    @property
    def count(self) -> int:
        """Patches, of which the references are some."""
        return self._patches[0] * self._patches[1]

    def spectra(self, image: Array) -> Array:
        """DCT of every patch of (C, H, W), one for all groups of this size: (C, patches, 64)."""
        found = np.empty((len(image), *self._patches, PATCH * PATCH), np.float32)
        for channel, out in zip(self._padded(image), found, strict=True):
            kernels.spectra(channel, self._grid, out)
        return found.reshape(len(image), -1, PATCH * PATCH)

    def join(self, spectra: Array, weights: Array) -> Array:
        """Lay patches (patches, 64), multiplied by weights (patches,), over each other: (H, W)."""
        height, width = ((count - 1) * self._grid + PATCH for count in self._patches)
        image = np.empty((height, width), np.float32)
        given = spectra.reshape(*self._patches, PATCH * PATCH)
        kernels.join(given, weights.reshape(self._patches), self._grid, image)
        return image[: self._size[0], : self._size[1]]

    def _padded(self, image: Array) -> Array:
        """Mirrored at the right and lower edge, so that the last reference patch is whole."""
        grow = [
            (0, (count - 1) * self._grid + PATCH - side)
            for count, side in zip(self._patches, self._size, strict=True)
        ]
        return np.pad(image, [(0, 0), *grow], mode="reflect")


def halved(image: Array) -> Array:
    """(C, H, W) at half the size; a last odd row or column counts twice."""
    odd = [(0, 0), (0, image.shape[1] % 2), (0, image.shape[2] % 2)]
    return _averaged(np.pad(image, odd, mode="edge"), 2)


def _averaged(image: Array, by: int) -> Array:
    """Means of (C, H, W) over squares of that side, which divides H and W."""
    corners = [image[:, y::by, x::by] for y in range(by) for x in range(by)]
    return np.asarray(sum(corners) / np.float32(len(corners)), dtype=np.float32)


def ignore() -> None:
    """Nothing is to be looked at between two channels."""


def hard_threshold(
    spectra: Array, sigmas: Array, groups: Groups, check: Callable[[], None] = ignore
) -> Array:
    """Basic estimate (C, H, W): coefficients below 2.7 sigma are set to zero.

    `spectra` is (C, patches, 64) of the noisy image in opponent colours; `sigmas` (C, 64) is the
    noise's standard deviation at each DCT frequency of a patch, same units. `check` is called for
    each channel and may raise.
    """

    def work(c: int, variance: Array, total: Array, weights: Array) -> None:
        limits = _HARD_THRESHOLD**2 * variance
        kernels.threshold(spectra[c], groups.members, limits, variance, total, weights)

    return _filtered(sigmas, groups, work, check)


def wiener(
    spectra: Array,
    oracle: Array,
    sigmas: Array,
    groups: Groups,
    check: Callable[[], None] = ignore,
) -> Array:
    """Final estimate (C, H, W): weighted by the power of an oracle (C, H, W) over that and the
    noise's.
    """

    def work(c: int, variance: Array, total: Array, weights: Array) -> None:
        guess = groups.spectra(oracle[c : c + 1])[0]
        kernels.wiener(spectra[c], guess, groups.members, variance, total, weights)

    return _filtered(sigmas, groups, work, check)


def _filtered(
    sigmas: Array,
    groups: Groups,
    work: Callable[[int, Array, Array, Array], None],
    check: Callable[[], None],
) -> Array:
    """Sums over all groups of the filtered patches, and of their weights, channel by channel."""
    channels = []
    for c, sigma in enumerate(sigmas):
        check()
        variance = np.square(np.maximum(sigma, np.float32(1e-6)))
        total = np.zeros((groups.count, PATCH * PATCH), np.float32)
        weights = np.zeros(groups.count, np.float32)
        work(c, variance, total, weights)
        channels.append(groups.join(total, weights))
    return np.stack(channels)
