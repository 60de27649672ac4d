"""A large photo of smaller ones at their own size, so that there is detail at 100 %."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.cases import DEGRADATIONS

_STRIP = 512
_ACROSS = 3 / 2

Pixels = NDArray[np.uint8]


def mosaic(photos: list[Path], megapixels: float) -> Pixels:
    """Photos side by side, over and over, every other row and column mirrored; 3 to 2."""
    cells = _cells(photos)
    height = int((megapixels * 1e6 / _ACROSS) ** 0.5)
    width = int(height * _ACROSS)
    whole = np.empty((height, width, 3), np.uint8)
    down, across = cells[0].shape[:2]
    for number, (top, left) in enumerate(places(width, height, (across, down))):
        row, column = top // down, left // across
        cell = cells[number % len(cells)][:: 1 - 2 * (row % 2), :: 1 - 2 * (column % 2)]
        part = whole[top : top + down, left : left + across]
        part[:] = cell[: part.shape[0], : part.shape[1]]
    return whole


def places(width: int, height: int, cell: tuple[int, int]) -> list[tuple[int, int]]:
    """(top, left) of each photo in a mosaic, row by row; `cell` is their width and height."""
    across, down = cell
    return [(top, left) for top in range(0, height, down) for left in range(0, width, across)]


def cell_size(photos: list[Path]) -> tuple[int, int]:
    """(width, height) to which all are cut: the least of each."""
    sizes = []
    for photo in photos:
        with Image.open(photo) as image:
            sizes.append(image.size)
    return min(width for width, _ in sizes), min(height for _, height in sizes)


def _cells(photos: list[Path]) -> list[Pixels]:
    width, height = cell_size(photos)
    cells = []
    for photo in photos:
        with Image.open(photo) as opened:
            image = opened.convert("RGB")
        left, top = (image.width - width) // 2, (image.height - height) // 2
        cells.append(np.asarray(image.crop((left, top, left + width, top + height))))
    return cells


def degraded(whole: Pixels, kind: str) -> Pixels:
    """The photo in one of the ways of `benchmarks.cases`, strip by strip."""
    degrade = DEGRADATIONS[kind]
    made = np.empty_like(whole)
    for top in range(0, len(whole), _STRIP):
        seen = degrade(whole[top : top + _STRIP] / 255.0, np.random.default_rng(top))
        made[top : top + _STRIP] = np.rint(np.clip(seen, 0, 1) * 255)
    return made
