"""Small pictures of work in progress."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.resampling import reduce, resize
from ldrps_engine.photo import Part

# Long side of a preview at most, pixels.
_SIDE = 256
# Long side at most of one that has the photo's own detail, pixels.
_MOSAIC_SIDE = 576


def preview(rgb: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shrink display values (h, w, 3) to uint8 of at most 256 pixels a side."""
    size = _shrunk((rgb.shape[0], rgb.shape[1]), _SIDE)
    return np.rint(np.clip(resize(rgb, size), 0, 1) * 255).astype(np.uint8)


class Mosaic:
    """A small picture of a photo that is made part by part, by any number of threads."""

    def __init__(self, size: tuple[int, int], pilot: NDArray[np.float32]) -> None:
        """Take `size` (height, width); `pilot` (h, w, 3) is shown until a part comes."""
        self._size = size
        self._shown = resize(pilot, _shrunk(size, _MOSAIC_SIDE))

    def put(self, where: Part, values: NDArray[np.float32]) -> None:
        """Show one part's display values (h, w, 3)."""
        rows, columns = (
            slice(round(side.start * small / whole), round(side.stop * small / whole))
            for side, small, whole in zip(where, self._shown.shape[:2], self._size, strict=True)
        )
        inside = rows.stop - rows.start, columns.stop - columns.start
        if min(inside) > 0:
            self._shown[rows, columns] = reduce(values, inside)

    def picture(self) -> NDArray[np.uint8]:
        """Return all of it, as it is now, as uint8 (h, w, 3)."""
        return np.rint(np.clip(self._shown, 0, 1) * 255).astype(np.uint8)


def _shrunk(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
