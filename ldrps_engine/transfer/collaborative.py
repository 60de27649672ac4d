"""Collaborative filtering of noise: similar patches are stacked, transformed and shrunk together.

Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative filtering" (IEEE TIP
2007): a hard-thresholding pass gives a basic estimate, an empirical Wiener pass uses an oracle's
spectrum. Here the oracle is the basic estimate together with what the diffusion prior takes for
the photo without its noise, and the noise has a spectrum of its own instead of a single sigma.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ldrps_engine import noise

PATCH = noise.PATCH
GROUP = 16
_HARD_THRESHOLD = 2.7
_BATCH = 256
_ROWS = 4096


@dataclass(frozen=True)
class Search:
    """How groups are found, in pixels, and how often they are used."""

    stride: int = 3
    """Distance of reference patches; a multiple of `grid`."""
    radius: int = 12
    """Half side of the window in which similar patches are looked for; a multiple of `grid`."""
    grid: int = 1
    """Distance of the patches to choose from; they are compared at this part of their size."""
    passes: int = 2
    """Wiener passes; each is the oracle of the next one."""
    side: int = 384
    """Of the parts that are worked on at once, which memory limits; small ones overlap more."""


THOROUGH = Search(stride=2, radius=16, side=256)
"""For photos of few pixels."""
QUICK = Search(stride=4, radius=12, grid=2, passes=1, side=512)
"""Several times as fast, for photos of many pixels and people in a hurry."""


OPPONENT = torch.from_numpy(noise.OPPONENT)
_ACROSS = torch.from_numpy(noise.dct_matrix(GROUP))
_DCT = torch.kron(*(torch.from_numpy(noise.dct_matrix(PATCH)),) * 2)
"""(frequencies, pixels) of a patch."""
_SLOPE = torch.hann_window(PATCH + 2, periodic=False)[1:-1] * 0.8 + 0.2
_WINDOW = _SLOPE[:, None] * _SLOPE[None, :]


def to_opponent(rgb: Tensor) -> Tensor:
    """(3, H, W) RGB to luminance and two chroma channels, orthonormal."""
    return torch.einsum("kc,chw->khw", OPPONENT.to(rgb), rgb)


def from_opponent(opponent: Tensor) -> Tensor:
    """Inverse of `to_opponent`."""
    return torch.einsum("kc,khw->chw", OPPONENT.to(opponent), opponent)


class Groups:
    """Each reference patch's GROUP most similar patches, of one image size."""

    def __init__(self, guide: Tensor, search: Search) -> None:
        """Find them in a guide (C, H, W), all of whose channels count."""
        self._grid = search.grid
        self._size = guide.shape[-2:]
        self._patches = tuple(-(-(side - PATCH) // self._grid) + 1 for side in self._size)
        small = functional.avg_pool2d(self._padded(guide), self._grid)
        self.members = _match(small, PATCH // self._grid, search)
        """(references, GROUP) numbers of patches, counted row by row; the reference is first."""

    def spectra(self, channel: Tensor) -> Tensor:
        """DCT of every patch of one (H, W) channel: (patches, 64)."""
        padded = self._padded(channel[None])[0]
        views = padded.unfold(0, PATCH, self._grid).unfold(1, PATCH, self._grid)
        rows = max(1, _ROWS // self._patches[1])
        return torch.cat([part.reshape(-1, PATCH * PATCH) @ _DCT.T for part in views.split(rows)])

    def join(self, spectra: Tensor, weights: Tensor) -> Tensor:
        """Lay patches (patches, 64), multiplied by weights (patches,), over each other: (H, W)."""
        size = tuple((count - 1) * self._grid + PATCH for count in self._patches)
        pixels = (_DCT.T * _WINDOW.flatten()[:, None]) @ spectra.T
        total = functional.fold(pixels[None], size, PATCH, stride=self._grid)[0, 0]
        plane = weights.reshape(1, 1, *self._patches)
        weight = functional.conv_transpose2d(plane, _WINDOW[None, None], stride=self._grid)[0, 0]
        joined: Tensor = (total / weight)[: self._size[0], : self._size[1]]
        return joined

    def _padded(self, image: Tensor) -> Tensor:
        """Mirrored at the right and lower edge, so that the last patch of the grid is whole."""
        grow = [
            (count - 1) * self._grid + PATCH - side
            for count, side in zip(self._patches, self._size, strict=True)
        ]
        return functional.pad(image[None], (0, grow[1], 0, grow[0]), mode="reflect")[0]


def _match(guide: Tensor, patch: int, search: Search) -> Tensor:
    height, width = guide.shape[-2:]
    columns = width - patch + 1
    top = _positions(height - patch + 1, search.stride // search.grid)
    left = _positions(columns, search.stride // search.grid)
    reference = (top[:, None] * columns + left[None, :]).flatten()
    reach = search.radius // search.grid
    distances, offsets = [], []
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            distances.append(_distance(guide, patch, (dy, dx), top, left))
            offsets.append(dy * columns + dx)
    stacked = torch.stack(distances, 1)
    chosen = stacked.topk(GROUP, dim=1, largest=False)
    found = reference[:, None] + torch.tensor(offsets)[chosen.indices]
    # At a far corner fewer patches may be valid than a group holds: repeat the reference.
    return torch.where(chosen.values.isfinite(), found, reference[:, None])


def _positions(count: int, stride: int) -> Tensor:
    """Positions 0, stride, ... with the last one always included."""
    positions = torch.arange(0, count, stride)
    if int(positions[-1]) != count - 1:
        positions = torch.cat([positions, torch.tensor([count - 1])])
    return positions


def _distance(
    guide: Tensor, patch: int, move: tuple[int, int], top: Tensor, left: Tensor
) -> Tensor:
    """Squared distance of every reference patch to the one moved by (dy, dx); inf outside."""
    height, width = guide.shape[-2:]
    dy, dx = move
    y0, y1 = max(0, -dy), min(height, height - dy)
    x0, x1 = max(0, -dx), min(width, width - dx)
    out = torch.full((len(top), len(left)), torch.inf)
    if y1 - y0 < patch or x1 - x0 < patch:
        return out.flatten()
    moved = guide[:, y0 + dy : y1 + dy, x0 + dx : x1 + dx]
    square = (guide[:, y0:y1, x0:x1] - moved).square_().sum(0)
    rows = ((top >= y0) & (top + patch <= y1)).nonzero()[:, 0]
    columns = ((left >= x0) & (left + patch <= x1)).nonzero()[:, 0]
    down = functional.pad(square.cumsum(0), (0, 0, 1, 0))
    t, s = top[rows] - y0, left[columns] - x0
    across = functional.pad((down[t + patch] - down[t]).cumsum(1), (1, 0))
    out[rows[:, None], columns[None, :]] = across[:, s + patch] - across[:, s]
    if move == (0, 0):
        out.fill_(-1.0)
    return out.flatten()


def ignore() -> None:
    """Nothing is to be looked at between two channels."""


def hard_threshold(
    opponent: Tensor, sigmas: Tensor, groups: Groups, check: Callable[[], None] = ignore
) -> Tensor:
    """Basic estimate: coefficients below 2.7 sigma are set to zero.

    `opponent` is (C, H, W); `sigmas` (C, 64) is the noise's standard deviation at each DCT
    frequency of a patch, same units. `check` is called for each channel and may raise.
    """

    def gain(spectrum: Tensor, variance: Tensor, _: Tensor | None) -> Tensor:
        return (spectrum.square() > _HARD_THRESHOLD**2 * variance).float()

    return _filter(opponent, sigmas, groups, gain, None, check)


def wiener(
    opponent: Tensor,
    oracle: Tensor,
    sigmas: Tensor,
    groups: Groups,
    check: Callable[[], None] = ignore,
) -> Tensor:
    """Final estimate: coefficients are weighted by oracle power over oracle plus noise power."""

    def gain(_: Tensor, variance: Tensor, guess: Tensor | None) -> Tensor:
        assert guess is not None
        power = guess.square()
        return power / (power + variance + 1e-12)

    return _filter(opponent, sigmas, groups, gain, oracle, check)


_Gain = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def _filter(
    opponent: Tensor,
    sigmas: Tensor,
    groups: Groups,
    gain: _Gain,
    oracle: Tensor | None,
    check: Callable[[], None],
) -> Tensor:
    out = torch.empty_like(opponent)
    for c in range(opponent.shape[0]):
        check()
        own = groups.spectra(opponent[c])
        guess = groups.spectra(oracle[c]) if oracle is not None else None
        variance = sigmas[c].clamp(min=1e-6).square()
        out[c] = groups.join(*_shrink(own, guess, variance, groups, gain))
    return out


def _shrink(
    own: Tensor,
    guess: Tensor | None,
    variance: Tensor,
    groups: Groups,
    gain: _Gain,
) -> tuple[Tensor, Tensor]:
    """Sums over all groups of the filtered patches (patches, 64), and of their weights."""
    total, weights = torch.zeros_like(own), torch.zeros(len(own))
    for members in groups.members.split(_BATCH):
        flat = members.flatten()
        stack = _ACROSS @ own[flat].unflatten(0, members.shape)
        hint = None if guess is None else _ACROSS @ guess[flat].unflatten(0, members.shape)
        factor = gain(stack, variance, hint)
        factor[:, 0, 0] = 1.0
        weight = 1 / (factor.square() * variance).sum((1, 2)).clamp(min=1e-12)
        filtered = _ACROSS.T @ (stack * (factor * weight[:, None, None]))
        total.index_add_(0, flat, filtered.flatten(0, 1))
        weights.index_add_(0, flat, weight[:, None].expand(members.shape).flatten())
    return total, weights
