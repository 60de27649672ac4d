"""Are samples copies of training photos? Normalised correlation of 32x32 thumbnails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.photos import PhotoPack

Pixels = NDArray[np.uint8]
Array = NDArray[np.float32]

_SIDE = 32
# Whole frames that correlate more than this show the same picture.
_TWIN = 0.98


@dataclass(frozen=True)
class Neighbour:
    """The part of a training photo that is most like a picture."""

    correlation: float
    photo: int
    thumbnail: Pixels


def nearest(pictures: Sequence[Pixels], pack: PhotoPack, indices: Sequence[int]) -> list[Neighbour]:
    """Find the nearest of each picture among squares, whole and half as large, of `indices`.

    Training sees crops at many scales and mirrored, so those are compared, not only photos.
    """
    wanted = np.stack([_unit(_thumbnail(Image.fromarray(p))) for p in pictures])
    found: list[Neighbour | None] = [None] * len(pictures)
    for index in indices:
        thumbnails = list(_squares(pack.pixels(index)))
        scores = wanted @ np.stack([_unit(t) for t in thumbnails]).T
        for k, best in enumerate(scores.argmax(1)):
            old = found[k]
            if old is None or scores[k, best] > old.correlation:
                found[k] = Neighbour(float(scores[k, best]), index, thumbnails[best])
    return [neighbour for neighbour in found if neighbour is not None]


def without_twins(pack: PhotoPack) -> list[int]:
    """Held-out photos of which the training photos contain no copy, rescaled or saved again."""
    if not pack.training:
        return pack.heldout
    trained = np.stack([_unit(_frame(pack, index)) for index in pack.training])
    alike = [float((trained @ _unit(_frame(pack, index))).max()) for index in pack.heldout]
    return [index for index, most in zip(pack.heldout, alike, strict=True) if most < _TWIN]


def _frame(pack: PhotoPack, index: int) -> Pixels:
    image = Image.fromarray(pack.pixels(index))
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=2.0))


def central_squares(pack: PhotoPack, indices: Sequence[int]) -> list[Pixels]:
    """Thumbnails of the largest central squares."""
    return [_central(pack.pixels(index)) for index in indices]


def _central(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return _thumbnail(Image.fromarray(pixels[top : top + side, left : left + side]))


def _squares(pixels: Pixels) -> Iterator[Pixels]:
    """Thumbnails of squares on a grid at two sizes, each also mirrored."""
    image = Image.fromarray(pixels)
    # Thumbnails come from a small copy: a large photo is read once, not once per square.
    image.thumbnail((8 * _SIDE, 8 * _SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    short = min(image.size)
    for side in (short, max(1, short // 2)):
        for left in _starts(image.width, side):
            for top in _starts(image.height, side):
                thumbnail = _thumbnail(image.crop((left, top, left + side, top + side)))
                yield thumbnail
                yield np.ascontiguousarray(thumbnail[:, ::-1])


def _starts(length: int, side: int) -> list[int]:
    """Places of squares a quarter of their side apart; both ends and the middle are among them."""
    count = 1 + 2 * -(-2 * (length - side) // side)
    return [round(k * (length - side) / max(1, count - 1)) for k in range(count)]


def _thumbnail(image: Image.Image) -> Pixels:
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX))


def _unit(thumbnail: Pixels) -> Array:
    """Flat vector without its mean and of unit length, so that products are correlations."""
    flat = thumbnail.astype(np.float32).ravel()
    flat -= flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), dtype=np.float32)
