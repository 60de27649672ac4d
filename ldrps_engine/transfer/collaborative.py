"""Collaborative filtering of noise: similar patches are stacked, transformed and shrunk together.

Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative filtering" (IEEE TIP
2007): a hard-thresholding pass gives a basic estimate, an empirical Wiener pass uses an oracle's
spectrum. Here the oracle is the basic estimate together with the pilot that the diffusion prior
sampled, and the noise has a spectrum of its own instead of a single sigma.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ldrps_engine import noise

PATCH = noise.PATCH
GROUP = 16
_HARD_THRESHOLD = 2.7


@dataclass(frozen=True)
class Search:
    """How groups are found. Neutral values suit photos of any size."""

    stride: int = 3
    """Distance of reference patches, pixels."""
    radius: int = 12
    """Half side of the window in which similar patches are looked for, pixels."""


OPPONENT = torch.from_numpy(noise.OPPONENT)


def to_opponent(rgb: Tensor) -> Tensor:
    """(3, H, W) RGB to luminance and two chroma channels, orthonormal."""
    return torch.einsum("kc,chw->khw", OPPONENT.to(rgb), rgb)


def from_opponent(opponent: Tensor) -> Tensor:
    """Inverse of `to_opponent`."""
    return torch.einsum("kc,khw->chw", OPPONENT.to(opponent), opponent)


def match(guide: Tensor, search: Search) -> tuple[Tensor, Tensor]:
    """Find each reference patch's GROUP most similar patches.

    `guide` is (C, H, W); all channels count. Returns flat indices of top left
    corners, (R, GROUP) with the reference first, and the references' own (R,).
    """
    height, width = guide.shape[-2:]
    rows, columns = height - PATCH + 1, width - PATCH + 1
    top = _grid(rows, search.stride)
    left = _grid(columns, search.stride)
    reference = (top[:, None] * width + left[None, :]).flatten()
    distances, offsets = [], []
    for dy in range(-search.radius, search.radius + 1):
        for dx in range(-search.radius, search.radius + 1):
            distances.append(_distance(guide, dy, dx, top, left))
            offsets.append(dy * width + dx)
    stacked = torch.stack(distances, 1)
    chosen = stacked.topk(GROUP, dim=1, largest=False).indices
    found = reference[:, None] + torch.tensor(offsets)[chosen]
    # At a far corner fewer patches may be valid than a group holds: repeat the reference.
    valid = stacked.gather(1, chosen).isfinite()
    return torch.where(valid, found, reference[:, None]), reference


def _grid(count: int, stride: int) -> Tensor:
    """Positions 0, stride, ... with the last one always included."""
    positions = torch.arange(0, count, stride)
    if int(positions[-1]) != count - 1:
        positions = torch.cat([positions, torch.tensor([count - 1])])
    return positions


def _distance(guide: Tensor, dy: int, dx: int, top: Tensor, left: Tensor) -> Tensor:
    """Mean squared distance of every reference patch to the one moved by (dy, dx); inf outside."""
    height, width = guide.shape[-2:]
    y0, y1 = max(0, -dy), min(height, height - dy)
    x0, x1 = max(0, -dx), min(width, width - dx)
    out = torch.full((len(top), len(left)), torch.inf)
    if y1 - y0 < PATCH or x1 - x0 < PATCH:
        return out.flatten()
    moved = guide[:, y0 + dy : y1 + dy, x0 + dx : x1 + dx]
    square = (guide[:, y0:y1, x0:x1] - moved).square_().sum(0)
    sums = torch.nn.functional.pad(square.cumsum(0).cumsum(1), (1, 0, 1, 0))
    inside_y = (top >= y0) & (top + PATCH <= y1)
    inside_x = (left >= x0) & (left + PATCH <= x1)
    t, s = top[inside_y] - y0, left[inside_x] - x0
    block = sums[t + PATCH][:, s + PATCH] - sums[t][:, s + PATCH]
    block = block - sums[t + PATCH][:, s] + sums[t][:, s]
    rows = inside_y.nonzero()[:, 0]
    columns = inside_x.nonzero()[:, 0]
    out[rows[:, None], columns[None, :]] = block
    if dy == 0 and dx == 0:
        out.fill_(-1.0)
    return out.flatten()


class Groups:
    """Stacks of similar patches of one image size, ready to be filtered."""

    def __init__(self, guide: Tensor, search: Search) -> None:
        self.indices, _ = match(guide, search)
        self.shape = guide.shape[-2:]
        width = self.shape[1]
        inside = torch.arange(PATCH)
        self._inside = (inside[:, None] * width + inside[None, :]).flatten()
        self._dct = torch.from_numpy(noise.dct_matrix(PATCH))
        self._across = torch.from_numpy(noise.dct_matrix(GROUP))
        window = torch.hann_window(PATCH + 2, periodic=False)[1:-1] * 0.8 + 0.2
        self._window = (window[:, None] * window[None, :]).flatten()

    def spectrum(self, channel: Tensor, part: slice) -> Tensor:
        """3-D transform of the stacks of one (H, W) channel: (r, GROUP, PATCH * PATCH)."""
        where = self.indices[part][:, :, None] + self._inside
        stacks = channel.flatten()[where].unflatten(-1, (PATCH, PATCH))
        flat = (self._dct @ stacks @ self._dct.T).flatten(-2)
        return torch.einsum("gh,rhp->rgp", self._across, flat)

    def add(self, total: Tensor, weight: Tensor, spectrum: Tensor, w: Tensor, part: slice) -> None:
        """Transform back and add to `total` and `weight` (H*W,), each group weighted by w (r,)."""
        flat = torch.einsum("gh,rgp->rhp", self._across, spectrum).unflatten(-1, (PATCH, PATCH))
        patches = (self._dct.T @ flat @ self._dct).flatten(-2)
        weighting = w[:, None, None] * self._window
        where = (self.indices[part][:, :, None] + self._inside).flatten()
        total.index_add_(0, where, (patches * weighting).flatten())
        weight.index_add_(0, where, weighting.expand_as(patches).flatten())


def hard_threshold(opponent: Tensor, sigmas: Tensor, groups: Groups) -> Tensor:
    """Basic estimate: coefficients below 2.7 sigma are set to zero.

    `opponent` is (C, H, W); `sigmas` (C, PATCH*PATCH) is the noise's standard deviation at each
    DCT frequency of a patch, same units.
    """

    def shrink(spectrum: Tensor, sigma: Tensor, _: Tensor | None) -> tuple[Tensor, Tensor]:
        kept = spectrum.abs() > _HARD_THRESHOLD * sigma
        kept[:, 0, 0] = True
        variance = (kept * sigma**2).sum((1, 2))
        return spectrum * kept, 1 / variance.clamp(min=1e-12)

    return _filter(opponent, sigmas, groups, shrink, None)


def wiener(opponent: Tensor, oracle: Tensor, sigmas: Tensor, groups: Groups) -> Tensor:
    """Final estimate: coefficients are weighted by oracle power over oracle plus noise power."""

    def shrink(spectrum: Tensor, sigma: Tensor, guess: Tensor | None) -> tuple[Tensor, Tensor]:
        assert guess is not None
        power = guess.square()
        gain = power / (power + sigma**2 + 1e-12)
        gain[:, 0, 0] = 1.0
        variance = (gain**2 * sigma**2).sum((1, 2))
        return spectrum * gain, 1 / variance.clamp(min=1e-12)

    return _filter(opponent, sigmas, groups, shrink, oracle)


def _filter(
    opponent: Tensor,
    sigmas: Tensor,
    groups: Groups,
    shrink: object,
    oracle: Tensor | None,
    batch: int = 2048,
) -> Tensor:
    out = torch.empty_like(opponent)
    for c in range(opponent.shape[0]):
        total = torch.zeros(opponent[c].numel())
        weight = torch.zeros_like(total)
        sigma = sigmas[c][None, None, :].clamp(min=1e-6)
        for start in range(0, len(groups.indices), batch):
            part = slice(start, start + batch)
            spectrum = groups.spectrum(opponent[c], part)
            guess = groups.spectrum(oracle[c], part) if oracle is not None else None
            shrunk, w = shrink(spectrum, sigma, guess)  # type: ignore[operator]
            groups.add(total, weight, shrunk, w, part)
        out[c] = (total / weight).reshape(opponent[c].shape)
    return out
