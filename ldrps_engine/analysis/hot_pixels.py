"""Hot and dead pixels: found by what no lens can draw, and mended from around. No torch.

A sensor's defect is one site of the mosaic, so it is bright (or black) in one colour more than in
the others, and its neighbours know nothing of it. A star, a lamp or a highlight is spread by the
lens and shines in all colours; print and texture have more of their kind beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

_LEAST = 16 / 255
"""Least distance by which a defect stands out, in display values."""
_DEVIATIONS = 9.0
_SPILL, _SPILL_OF_WHITE = 0.12, 0.05
_ALONE = 0.3
"""Largest shares of that distance by which its neighbours, and anything around, may stand out."""
_COLOURED = 0.35
"""A defect has less than this of its strongest channel in the weakest."""
_DARK = 0.25
_SEVERAL = 5
"""So many white ones are a sensor's; fewer may be anything."""
_MOST_SHARE = 0.002
"""More than this is not a few defects but grain or a drawing."""
_REACH = 4
_STRIP = 256
_WIDENED = 1.4826


@dataclass(frozen=True)
class HotPixels:
    """Defects of a photo. Neutral: none."""

    count: int
    """Number of defects; one of two by two pixels counts once."""
    rows: Places
    columns: Places
    """Places of their pixels."""
    values: Array
    """(N, channels), what is likely to be there."""

    def mend(self, rgb: Array) -> Array:
        """The same image (H, W, channels) with the defects filled in; a copy if there are any."""
        if not self.count:
            return rgb
        mended = rgb.copy()
        mended[self.rows, self.columns] = self.values
        return mended


def find_hot_pixels(rgb: Array) -> HotPixels:
    """Find them in an image (H, W, channels) of display values."""
    found = [_single(rgb), _double(rgb)]
    count = sum(len(rows) // pixels for (rows, _), pixels in zip(found, (1, 4), strict=True))
    if count > max(8, _MOST_SHARE * rgb.shape[0] * rgb.shape[1]):
        count, found = 0, []
    rows, columns = (
        np.concatenate([np.zeros(0, np.intp), *(places[axis] for places in found)])
        for axis in (0, 1)
    )
    return HotPixels(count, rows, columns, _likely(rgb, rows, columns))


def _single(rgb: Array) -> tuple[Places, Places]:
    rows, columns = _candidates(rgb)
    return _defects(rgb, rows, columns, 1)


def _double(rgb: Array) -> tuple[Places, Places]:
    """Pixels of defects that are two by two, four for each."""
    height, width = (side // 2 * 2 for side in rgb.shape[:2])
    rows, columns = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for top in (0, 1):
        for left in (0, 1):
            part = rgb[top : top + height - 2 * top, left : left + width - 2 * left]
            if min(part.shape[:2]) < 2 * (2 * _REACH + 2):
                continue
            corners = [part[y::2, x::2] for y in (0, 1) for x in (0, 1)]
            half = np.asarray(reduce(np.add, corners) / np.float32(4), dtype=np.float32)
            y, x = _candidates(half)
            y, x = _defects(rgb, 2 * y + top, 2 * x + left, 2)
            rows.append((y[:, None] + np.array([0, 0, 1, 1])).ravel())
            columns.append((x[:, None] + np.array([0, 1, 0, 1])).ravel())
    return np.concatenate(rows), np.concatenate(columns)


def _candidates(rgb: Array) -> tuple[Places, Places]:
    """Pixels inside the photo that stand out from all eight neighbours in any channel."""
    limit = np.float32(_LEAST * (1 - _ALONE))
    rows, columns = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for start in range(1, rgb.shape[0] - 1, _STRIP):
        strip = rgb[start : min(start + _STRIP, rgb.shape[0] - 1)]
        # Few stand out from the two beside them, and only those are looked at closely.
        left, middle, right = strip[:, :-2], strip[:, 1:-1], strip[:, 2:]
        out = middle - np.maximum(left, right) > limit
        out |= np.minimum(left, right) - middle > limit
        # Far quicker than `any` over so short an axis.
        found = np.nonzero(reduce(np.logical_or, np.moveaxis(out, -1, 0)))
        rows.append(found[0] + start)
        columns.append(found[1] + 1)
    return _standing_out(rgb, np.concatenate(rows), np.concatenate(columns), limit)


def _standing_out(
    rgb: Array, rows: Places, columns: Places, limit: np.float32
) -> tuple[Places, Places]:
    around = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    own = rgb[rows, columns]
    high, low = np.full_like(own, -np.inf), np.full_like(own, np.inf)
    for y, x in around:
        beside = rgb[rows + y, columns + x]
        np.maximum(high, beside, out=high)
        np.minimum(low, beside, out=low)
    out = (np.maximum(own - high, low - own) > limit).any(-1)
    return rows[out], columns[out]


def _defects(rgb: Array, rows: Places, columns: Places, side: int) -> tuple[Places, Places]:
    """Those of the candidates, `side` pixels square, that no lens and no scene has made."""
    inside = (rows >= _REACH) & (columns >= _REACH)
    inside &= rows < rgb.shape[0] - _REACH - side + 1
    inside &= columns < rgb.shape[1] - _REACH - side + 1
    rows, columns = rows[inside], columns[inside]
    if not len(rows):
        return rows, columns
    reach = np.arange(-_REACH, _REACH + side)
    windows = rgb[rows[:, None, None] + reach[:, None], columns[:, None, None] + reach]
    own, beside, around = _zones(side)
    ring = windows[:, around]
    middle = np.median(ring, axis=1)
    # Noise that black cuts off has a median deviation of nothing.
    far = np.abs(ring - middle[:, None])
    deviation = np.maximum(_WIDENED * np.median(far, axis=1), np.quantile(far, 0.9, axis=1) / 1.64)
    excess = windows[:, own] - middle[:, None]
    # The weakest of the pixels of a defect decides, in the channel that stands out most.
    channel = np.abs(excess).min(1).argmax(-1)
    pick = np.arange(len(rows))
    size = np.abs(excess[pick, :, channel]).min(1)
    sign = np.sign(excess[pick, 0, channel])
    spill = sign * (windows[:, beside].mean(1) - middle)[pick, channel]
    others = np.abs(ring - middle[:, None])[pick, :, channel].max(1)
    scale = deviation[pick, channel]
    odd = (size > _LEAST) & (size > _DEVIATIONS * scale)
    odd &= np.abs(spill) < _SPILL * size + scale
    odd &= others < _ALONE * size + 4 * scale
    coloured = (sign[:, None] * excess.mean(1)).min(1) < _COLOURED * size
    # Stars on a dark sky are white, too.
    white = odd & ~coloured & (middle.mean(1) > _DARK) & (side == 1)
    white &= np.abs(spill) < _SPILL_OF_WHITE * size + scale / 2
    white &= others < _ALONE / 2 * size + 3 * scale
    odd &= coloured | (white & (white.sum() >= _SEVERAL))
    return rows[odd], columns[odd]


def _zones(side: int) -> tuple[Mask, Mask, Mask]:
    """(the defect, what touches it along an edge, what lies around) in a window."""
    count = 2 * _REACH + side
    place = np.arange(count)
    off = np.maximum(np.maximum(_REACH - place, place - (_REACH + side - 1)), 0)
    far = np.maximum.outer(off, off)
    edge = np.add.outer(off, off) == 1
    return far == 0, edge, far >= 2


def _likely(rgb: Array, rows: Places, columns: Places) -> Array:
    """Medians of what lies around, other defects left out."""
    defect = np.zeros(rgb.shape[:2], bool)
    defect[rows, columns] = True
    values = np.empty((len(rows), rgb.shape[2]), np.float32)
    for k, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        part = slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3)
        known = rgb[part][~defect[part]]
        values[k] = np.median(known, axis=0)
    return values
