"""Noise is filtered in the photo's own values, before any tone is changed, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ldrps_engine.resampling import resize
from ldrps_engine.transfer.collaborative import (
    Groups,
    Search,
    from_opponent,
    hard_threshold,
    to_opponent,
    wiener,
)
from ldrps_engine.view import View

Array = NDArray[np.float32]

_TILE = 448
_OVERLAP = 24
_ORACLE_SHARE = 0.25


@dataclass(frozen=True)
class Tile:
    """A part of the photo: `outer` is filtered, `inner` of it is kept (slices of the photo)."""

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiles(height: int, width: int) -> list[Tile]:
    """Cover the photo; inner parts touch, outer parts overlap."""
    return [
        Tile((outer_y, outer_x), (inner_y, inner_x))
        for outer_y, inner_y in _spans(height)
        for outer_x, inner_x in _spans(width)
    ]


def _spans(length: int) -> Iterator[tuple[slice, slice]]:
    count = max(1, -(-length // _TILE))
    for k in range(count):
        start, stop = length * k // count, length * (k + 1) // count
        yield slice(max(0, start - _OVERLAP), min(length, stop + _OVERLAP)), slice(start, stop)


def filter_noise(
    rgb: Array,
    spectrum: Array,
    oracle: Array,
    view: View,
    on_tile: Callable[[int, int], None],
) -> Array:
    """Filter (H, W, 3) display values whose noise has `spectrum` (3, 8, 8).

    `oracle` is the pilot in the photo's own domain, at the view's scale (h, w, 3).
    """
    sigmas = torch.from_numpy(spectrum.reshape(len(spectrum), -1)).float()
    out = np.empty_like(rgb)
    parts = tiles(*rgb.shape[:2])
    guess = resize(oracle, rgb.shape[:2])
    for number, tile in enumerate(parts):
        filtered = _filter_tile(rgb[tile.outer], sigmas, guess[tile.outer], view)
        top = tile.inner[0].start - tile.outer[0].start
        left = tile.inner[1].start - tile.outer[1].start
        height = tile.inner[0].stop - tile.inner[0].start
        width = tile.inner[1].stop - tile.inner[1].start
        out[tile.inner] = filtered[top : top + height, left : left + width]
        on_tile(number + 1, len(parts))
    return out


def _filter_tile(rgb: Array, sigmas: torch.Tensor, pilot: Array, view: View) -> Array:
    noisy = to_opponent(torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1))
    groups = Groups(noisy, Search())
    basic = hard_threshold(noisy, sigmas, groups)
    basic_rgb = from_opponent(basic).permute(1, 2, 0).numpy()
    oracle = to_opponent(
        torch.from_numpy(_merged(basic_rgb, pilot, view.scale)).permute(2, 0, 1).contiguous()
    )
    final = wiener(noisy, oracle, sigmas, Groups(oracle, Search()))
    return from_opponent(final).permute(1, 2, 0).numpy()


def _merged(basic: Array, pilot: Array, scale: float) -> Array:
    """Basic estimate and pilot share the frequencies that the view holds; above, basic alone."""
    held = basic
    if scale < 1:
        height, width = basic.shape[:2]
        small = max(1, round(height * scale)), max(1, round(width * scale))
        held = resize(resize(basic, small), (height, width))
    return basic + _ORACLE_SHARE * (pilot - held)
