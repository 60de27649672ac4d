"""A photo in parts: each is worked on by one thread, as many at a time as torch may use.

A part is the same to the bit however many threads there are.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch

from ldrps_engine.errors import CancelledError
from ldrps_engine.photo import Part

_LOOK_SECONDS = 0.2
_DENOISED_SIDE, _DENOISED_OVERLAP = 512, 24


@dataclass(frozen=True)
class Tile:
    """A part of the photo: `outer` is worked on, `inner` of it is kept (slices of the photo)."""

    outer: Part
    inner: Part

    @property
    def pixels(self) -> int:
        """Pixels that are worked on."""
        return math.prod(side.stop - side.start for side in self.outer)

    @property
    def kept(self) -> Part:
        """`inner` as slices of `outer`."""
        y, x = (
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(self.inner, self.outer, strict=True)
        )
        return y, x


def tiles(height: int, width: int, side: int, overlap: int) -> list[Tile]:
    """Cover the photo with inner parts of at most `side` that touch; outer parts overlap."""
    return [
        Tile((outer_y, outer_x), (inner_y, inner_x))
        for outer_y, inner_y in _spans(height, side, overlap)
        for outer_x, inner_x in _spans(width, side, overlap)
    ]


def parts_to_denoise(size: tuple[int, int], crop: Part | None = None) -> list[Tile]:
    """The parts of a photo of (height, width) pixels that are freed from noise one at a time.

    A crop is a part by itself, unless the photo's own parts are less work.
    """
    parts = touching(tiles(*size, _DENOISED_SIDE, _DENOISED_OVERLAP), crop)
    if crop is None or max(side.stop - side.start for side in crop) > _DENOISED_SIDE:
        return parts
    outer_y, outer_x = (
        slice(max(0, side.start - _DENOISED_OVERLAP), min(length, side.stop + _DENOISED_OVERLAP))
        for side, length in zip(crop, size, strict=True)
    )
    alone = Tile((outer_y, outer_x), crop)
    return [alone] if alone.pixels <= sum(part.pixels for part in parts) else parts


def bounds_to_denoise(size: tuple[int, int], crop: Part) -> Part:
    """Return the part of a photo of (height, width) pixels that the filtering of a crop takes."""
    outer = [part.outer for part in parts_to_denoise(size, crop)]
    rows, columns = (
        slice(min(part[k].start for part in outer), max(part[k].stop for part in outer))
        for k in range(2)
    )
    return rows, columns


def touching(parts: list[Tile], crop: Part | None) -> list[Tile]:
    """Return the tiles that are needed for a part of the photo; None: for all of it."""
    if crop is None:
        return parts
    return [tile for tile in parts if common(tile.inner, crop) is not None]


def common(part: Part, other: Part) -> Part | None:
    """Return what lies in both of two parts; None where nothing does."""
    rows, columns = (
        slice(max(one.start, two.start), min(one.stop, two.stop))
        for one, two in zip(part, other, strict=True)
    )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    return rows, columns


def _spans(length: int, side: int, overlap: int) -> Iterator[tuple[slice, slice]]:
    count = max(1, -(-length // side))
    for k in range(count):
        start, stop = length * k // count, length * (k + 1) // count
        yield slice(max(0, start - overlap), min(length, stop + overlap)), slice(start, stop)


def each(
    parts: Sequence[Tile],
    work: Callable[[Tile, Callable[[], None]], None],
    on_done: Callable[[int], None],
) -> None:
    """Do `work` for all parts.

    `on_done` receives their number, by the caller's thread, several times a second. What it
    raises ends the work: soon, since `work` is given a function to call now and then.
    """
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise CancelledError("the restoration was stopped")

    def one(tile: Tile) -> None:
        torch.set_num_threads(1)
        check()
        work(tile, check)

    count = torch.get_num_threads()
    with ThreadPoolExecutor(max(1, count)) as pool:
        waiting = {pool.submit(one, tile) for tile in parts}
        try:
            while waiting:
                done, waiting = wait(waiting, _LOOK_SECONDS, FIRST_COMPLETED)
                for future in done:
                    future.result()
                on_done(len(parts) - len(waiting))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    # What a thread set for itself is also what torch gives to threads that begin later.
    torch.set_num_threads(count)
