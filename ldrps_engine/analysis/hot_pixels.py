"""Hot and dead pixels: found by what no lens can draw, and mended from around. No torch.

A sensor's defect is one site of the mosaic, so it is bright (or black) in one colour more than in
the others, and its neighbours know nothing of it. A star, a lamp or a highlight is spread by the
lens and shines in all colours; print and texture have more of their kind beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

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
_STRIP = 1 << 16
"""Samples looked at together."""
_AT_A_TIME = 8
_BATCH = 10_000
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
    found = [_defects(rgb, *_candidates(rgb, side), side) for side in (1, 2)]
    count = sum(len(rows) // side**2 for (rows, _), side in zip(found, (1, 2), strict=True))
    if count > max(8, _MOST_SHARE * rgb.shape[0] * rgb.shape[1]):
        count, found = 0, []
    rows, columns = (
        np.concatenate([np.zeros(0, np.intp), *(places[axis] for places in found)])
        for axis in (0, 1)
    )
    return HotPixels(count, rows, columns, _likely(rgb, rows, columns))


def _candidates(rgb: Array, side: int) -> tuple[Places, Places]:
    """First pixels of squares of `side` that stand out from all eight beside them in any channel,
    and lie far enough inside the photo."""
    rows, columns = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    height, width, channels = rgb.shape
    last = height - _REACH - side + 1
    # So few rows at a time stay in the processor's cache, where this is several times quicker.
    step = max(1, _STRIP // (width * channels))
    for start in range(_REACH, last, step):
        stop = min(start + step, last)
        strip = rgb[start - side : stop + 2 * side - 1].reshape(-1, width * channels)
        out = _stand_out(_means(strip, side, channels), side, side * channels)
        at = np.flatnonzero(out)
        row, place = at // out.shape[1], at % out.shape[1] // channels
        # In several channels it is still one.
        new = np.ones(len(at), bool)
        new[1:] = (np.diff(row) != 0) | (np.diff(place) != 0)
        rows.append(row[new] + start)
        columns.append(place[new] + side)
    row, column = np.concatenate(rows), np.concatenate(columns)
    inside = (column >= _REACH) & (column < width - _REACH - side + 1)
    return _beyond_around(rgb, row[inside], column[inside], side)


def _means(strip: Array, side: int, channels: int) -> Array:
    """Means of the squares that begin at each place of (rows, width * channels)."""
    if side == 1:
        return strip
    sums = strip[:-1] + strip[1:]
    return np.asarray((sums[:, :-channels] + sums[:, channels:]) / np.float32(4))


def _stand_out(values: Array, rows: int, along: int) -> Mask:
    """Mark places, so far inside, that differ from all eight so far beside them, on one side."""
    limit = np.float32(_LEAST * (1 - _ALONE))
    left, middle, right = values[:, : -2 * along], values[:, along:-along], values[:, 2 * along :]
    inner = middle[rows:-rows]
    out = []
    for most, sign in ((np.maximum, 1), (np.minimum, -1)):
        beside = most(left, right)
        all_three = most(beside, middle)
        around = most(all_three[: -2 * rows], all_three[2 * rows :])
        most(around, beside[rows:-rows], out=around)
        np.subtract(inner, around, out=around)
        out.append(around > limit if sign > 0 else around < -limit)
    return np.asarray(out[0] | out[1])


def _beyond_around(rgb: Array, rows: Places, columns: Places, side: int) -> tuple[Places, Places]:
    """Those of the candidates that lie beyond all around them, as a defect has to.

    What `_is_odd` asks leaves no other, and most that noise has made end here.
    """
    least = np.float32(_LEAST * (1 - _ALONE - 4 / _DEVIATIONS))
    width, pixels = rgb.shape[1], rgb.reshape(-1, rgb.shape[2])
    y, x = np.nonzero(_zones(side)[2])
    offsets = (y - _REACH) * width + x - _REACH
    places = rows * width + columns
    for some in np.array_split(offsets, len(offsets) // _AT_A_TIME):
        own = pixels[places]
        low, high = own - least, own + least
        above, below = np.ones(own.shape, bool), np.ones(own.shape, bool)
        for offset in some:
            beside = pixels.take(places + offset, axis=0)
            above &= beside < low
            below &= beside > high
        places = places[(above | below).any(1)]
    return np.divmod(places, width)


def _defects(rgb: Array, rows: Places, columns: Places, side: int) -> tuple[Places, Places]:
    """All pixels of those of the candidates, `side` square, that no lens and no scene has made."""
    coloured, white = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for start in range(0, len(rows), _BATCH):
        some = np.arange(start, min(start + _BATCH, len(rows)))
        some = some[_is_quiet_around(rgb, rows[some], columns[some], side)]
        coloured[some], white[some] = _is_odd(rgb, rows[some], columns[some], side)
    odd = coloured | (white & (white.sum() >= _SEVERAL))
    y, x = np.divmod(np.arange(side**2), side)
    return (rows[odd, None] + y).ravel(), (columns[odd, None] + x).ravel()


def _is_quiet_around(rgb: Array, rows: Places, columns: Places, side: int) -> Mask:
    """Mark defects around which it may be as quiet as `_is_odd` asks, where they stand out.

    A bound that takes one partial sort, for what noise has made by the million: but for a tenth,
    all around lies within a ninth of the height, times 1.64, of its median.
    """
    y, x = np.nonzero(_zones(side)[2])
    offsets = (y - _REACH) * rgb.shape[1] + x - _REACH
    tail = len(offsets) - 1 - int(0.9 * (len(offsets) - 1))
    near = 1.64 / _DEVIATIONS
    flat, channels = rgb.reshape(-1), rgb.shape[2]
    places = (rows * rgb.shape[1] + columns) * channels
    quiet = np.zeros(len(rows), bool)
    for channel in range(channels):
        own = flat[places + channel]
        ring = flat[(places + channel)[:, None] + offsets * channels]
        out = np.flatnonzero((own > ring.max(1)) | (own < ring.min(1)))
        ring = np.partition(ring[out], (tail, len(offsets) - 1 - tail), axis=1)
        low, high = ring[:, tail], ring[:, -1 - tail]
        most = np.maximum(own[out] - low, high - own[out]) / (1 - near)
        quiet[out] |= high - low <= 2 * near * most
    return quiet


def _is_odd(rgb: Array, rows: Places, columns: Places, side: int) -> tuple[Mask, Mask]:
    """Mark the candidates that are defects in one colour, and those as white as a star."""
    reach = np.arange(-_REACH, _REACH + side)
    windows = rgb[rows[:, None, None] + reach[:, None], columns[:, None, None] + reach]
    own, beside, around = _zones(side)
    ring = windows[:, around]
    middle = np.median(ring, axis=1)
    excess = windows[:, own] - middle[:, None]
    # The weakest of the pixels of a defect decides, in the channel that stands out most.
    channel = np.abs(excess).min(1).argmax(-1)
    pick = np.arange(len(rows))
    size = np.abs(excess[pick, :, channel]).min(1)
    sign = np.sign(excess[pick, 0, channel])
    spill = sign * (windows[:, beside].mean(1) - middle)[pick, channel]
    far = np.abs(ring[pick, :, channel] - middle[pick, channel, None])
    others = far.max(1)
    # Noise that black cuts off has a median deviation of nothing.
    scale = np.maximum(_WIDENED * np.median(far, axis=1), np.quantile(far, 0.9, axis=1) / 1.64)
    odd = (size > _LEAST) & (size > _DEVIATIONS * scale)
    odd &= np.abs(spill) < _SPILL * size + scale
    odd &= others < _ALONE * size + 4 * scale
    coloured = (sign[:, None] * excess.mean(1)).min(1) < _COLOURED * size
    # Stars on a dark sky are white, too.
    white = odd & ~coloured & (middle.mean(1) > _DARK) & (side == 1)
    white &= np.abs(spill) < _SPILL_OF_WHITE * size + scale / 2
    white &= others < _ALONE / 2 * size + 3 * scale
    return odd & coloured, white


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
