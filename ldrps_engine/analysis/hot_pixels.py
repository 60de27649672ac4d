"""Hot and dead pixels: spots sharper than any lens, filled in from their neighbours. No torch.

A sensor's defect is one site of the mosaic, so it is bright (or black) in one colour more than in
the others, and does not affect its neighbours. A star, a lamp or a highlight is spread by the lens
and shines in all colours; print and texture have similar pixels next to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.medians import quantiles
from ldrps_engine.analysis.samples import Values, display, in_steps

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
Bytes = NDArray[np.uint8]

# Least distance by which a defect stands out, in display values.
_LEAST = 16 / 255
_DEVIATIONS = 9.0
_SPILL, _SPILL_OF_WHITE = 0.12, 0.05
# Largest shares of that distance by which its neighbours, and all pixels around, may stand out.
_ALONE = 0.3
# A defect's weakest channel has less than this share of its strongest.
_COLOURED = 0.35
_DARK = 0.25
# At least this many white ones are defects of the sensor; fewer may be anything.
_SEVERAL = 5
# More than this many are not defects but grain or a drawing.
_MOST_SHARE = 0.002
_REACH = 4
# Whole 8-bit steps by which it exceeds its neighbours.
_STEPS_BESIDE = int(255 * _LEAST * (1 - _ALONE))
# The same for all pixels around, less the error of rounding.
_STEPS_AROUND = int(255 * _LEAST * (1 - _ALONE - 4 / _DEVIATIONS)) - 1
# Share of a strip's samples above which candidates made by noise are sorted out in place.
_MANY = 0.0005
# Samples processed together.
_STRIP = 1 << 18
_BATCH = 20_000
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
    """(N, channels), likely true values."""

    def mend(self, rgb: Values) -> Values:
        """The same image (H, W, channels) with the defects filled in; a copy if there are any."""
        if not self.count:
            return rgb
        mended = rgb.copy()
        values = np.rint(255 * self.values) if rgb.dtype == np.uint8 else self.values
        mended[self.rows, self.columns] = values
        return mended


def find_hot_pixels(rgb: Values) -> HotPixels:
    """Find them in an image (H, W, channels)."""
    steps = _in_steps(rgb)
    found = [_defects(rgb, *_candidates(steps, rgb.shape[2], side), side) for side in (1, 2)]
    count = sum(len(rows) // side**2 for (rows, _), side in zip(found, (1, 2), strict=True))
    if count > max(8, _MOST_SHARE * rgb.shape[0] * rgb.shape[1]):
        count, found = 0, []
    rows, columns = (
        np.concatenate([np.zeros(0, np.intp), *(places[axis] for places in found)])
        for axis in (0, 1)
    )
    return HotPixels(count, rows, columns, _likely(rgb, rows, columns))


def _in_steps(rgb: Values) -> Bytes:
    """Return the rows of an image in 8-bit steps, (H, W * channels): a quarter of the memory."""
    flat = rgb.reshape(len(rgb), -1)
    if flat.dtype == np.uint8:
        return np.asarray(flat, np.uint8)
    steps = np.empty(flat.shape, np.uint8)
    rows = max(1, _STRIP // flat.shape[1])
    for start in range(0, len(flat), rows):
        strip = in_steps(flat[start : start + rows])
        strip += np.float32(0.5)
        steps[start : start + rows] = strip
    return steps


def _candidates(steps: Bytes, channels: int, side: int) -> tuple[Places, Places, Places]:
    """Rows, columns and channels of squares of `side` that stand out from all eight neighbours and
    lie far enough inside the photo."""
    rows, samples = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    height, width = len(steps), steps.shape[1] // channels
    last = height - _REACH - side + 1
    inside = max(0, width - 2 * _REACH - side + 1) * channels
    # This few rows at a time stay in the processor's cache, which makes this several times faster.
    step = max(1, _STRIP // (width * channels))
    for start in range(_REACH, last, step):
        stop = min(start + step, last)
        strip = steps[start - side : stop + 2 * side - 1]
        means = _means(strip, channels) if side == 2 else strip
        # Values far below all others are, in the negative, far above.
        out = _above_beside(means, side, channels) | _above_beside(~means, side, channels)
        out = out[:, (_REACH - side) * channels :][:, :inside]
        if np.count_nonzero(out) > _MANY * out.size:
            wide = steps[start - _REACH : stop + _REACH + side - 1]
            out &= _above_around(wide, side, channels) | _above_around(~wide, side, channels)
        at = np.flatnonzero(out)
        row, sample = np.divmod(at, max(1, out.shape[1]))
        rows.append(row + start)
        samples.append(sample)
    columns, of = np.divmod(np.concatenate(samples), channels)
    return np.concatenate(rows), columns + _REACH, of


def _means(steps: Bytes, channels: int) -> Bytes:
    """Means of the two by two squares beginning at each place of (rows, width * channels)."""
    # Once rounded up and once down, without leaving the bytes: (a + b) / 2 is a & b + (a ^ b) / 2.
    above, below = steps[:-1], steps[1:]
    pairs = (above | below) - ((above ^ below) >> 1)
    left, right = pairs[:, :-channels], pairs[:, channels:]
    return np.asarray((left & right) + ((left ^ right) >> 1))


def _above_beside(steps: Bytes, side: int, channels: int) -> Mask:
    """Mark places, at this margin, that exceed all eight at this distance."""
    along = side * channels
    left, middle, right = steps[:, : -2 * along], steps[:, along:-along], steps[:, 2 * along :]
    beside = np.maximum(left, right)
    all_three = np.maximum(beside, middle)
    around = np.maximum(all_three[: -2 * side], all_three[2 * side :])
    np.maximum(around, beside[side:-side], out=around)
    return _exceeds(middle[side:-side], around, _STEPS_BESIDE)


def _above_around(steps: Bytes, side: int, channels: int) -> Mask:
    """Mark places, at a margin of `_REACH`, that exceed all around them except those they touch.

    Maxima of three by three pixels are taken once, and lie side by side around each place.
    """
    columns = np.maximum(steps[:-2], np.maximum(steps[1:-1], steps[2:]))
    block = np.maximum(columns[:, : -2 * channels], columns[:, 2 * channels :])
    np.maximum(block, columns[:, channels:-channels], out=block)
    count = block.shape[1] - (_REACH + side + 1) * channels
    first, *inner, last = (
        block[:, at * channels :][:, :count]
        for at in (0, *range(_REACH - 1, _REACH - 1 + side), _REACH + side + 1)
    )
    beside = np.maximum(first, last)
    wide = np.maximum.reduce([beside, *inner])
    rows = len(steps) - 2 * _REACH - side + 1
    around = np.maximum(wide[:rows], wide[_REACH + side + 1 :][:rows])
    for row in range(_REACH - 1, _REACH - 1 + side):
        np.maximum(around, beside[row : row + rows], out=around)
    own = steps[_REACH:, _REACH * channels :][:rows, :count]
    return _exceeds(own, around, _STEPS_AROUND)


def _exceeds(steps: Bytes, others: Bytes, least: int) -> Mask:
    # Bytes wrap around below nothing.
    return np.asarray(np.maximum(steps, others) - others > np.uint8(least))


def _defects(
    rgb: Values, rows: Places, columns: Places, channels: Places, side: int
) -> tuple[Places, Places]:
    """All pixels of the candidates, `side` square, that neither a lens nor a scene can produce."""
    quiet = np.zeros(len(rows), bool)
    for start in range(0, len(rows), _BATCH):
        some = slice(start, start + _BATCH)
        quiet[some] = _is_quiet_around(rgb, rows[some], columns[some], channels[some], side)
    rows, columns = rows[quiet], columns[quiet]
    # A defect in several channels is still one.
    new = np.ones(len(rows), bool)
    new[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    rows, columns = rows[new], columns[new]
    coloured, white = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for start in range(0, len(rows), _BATCH):
        some = slice(start, start + _BATCH)
        coloured[some], white[some] = _is_odd(rgb, rows[some], columns[some], side)
    odd = coloured | (white & (white.sum() >= _SEVERAL))
    y, x = np.divmod(np.arange(side**2), side)
    return (rows[odd, None] + y).ravel(), (columns[odd, None] + x).ravel()


def _is_quiet_around(
    rgb: Values, rows: Places, columns: Places, channels: Places, side: int
) -> Mask:
    """Cheap prefilter: mark candidates that could pass `_is_odd`, in the channels given.

    Noise makes candidates by the million, and this bound takes one partial sort: all but a tenth
    of the surrounding pixels lie within a ninth of the height, times 1.64, of their median.
    """
    y, x = np.nonzero(_zones(side)[2])
    offsets = (y - _REACH) * rgb.shape[1] + x - _REACH
    tail = len(offsets) - 1 - int(0.9 * (len(offsets) - 1))
    near = 1.64 / _DEVIATIONS
    flat, count = rgb.reshape(-1), rgb.shape[2]
    places = (rows * rgb.shape[1] + columns) * count + channels
    own, ring = flat[places], flat[places + offsets[:, None] * count]
    quiet = (own > ring.max(0)) | (own < ring.min(0))
    if not quiet.all():
        own, ring = own[quiet], ring[:, quiet]
    own, (low, high) = display(own), map(display, _but_for(tail, ring))
    most = np.maximum(own - low, high - own) / (1 - near)
    quiet[quiet] = high - low <= 2 * near * most
    return np.asarray(quiet)


def _but_for(tail: int, values: Values) -> tuple[Values, Values]:
    """Lowest and highest (N,) of each column of values (M, N), ignoring `tail` at either end.

    Comparing whole rows is faster than sorting many short columns.
    """
    lowest = list(np.sort(values[: tail + 1], axis=0))
    highest = lowest[::-1]
    for row in values[tail + 1 :]:
        rising = falling = row
        for place in range(tail + 1):
            low, high = lowest[place], highest[place]
            lowest[place], rising = np.minimum(low, rising), np.maximum(low, rising)
            highest[place], falling = np.maximum(high, falling), np.minimum(high, falling)
    return lowest[tail], highest[tail]


def _is_odd(rgb: Values, rows: Places, columns: Places, side: int) -> tuple[Mask, Mask]:
    """Mark the candidates that are defects in one colour, and those as white as a star."""
    reach = np.arange(-_REACH, _REACH + side)
    windows = display(rgb[rows[:, None, None] + reach[:, None], columns[:, None, None] + reach])
    own, beside, around = _zones(side)
    ring = windows[:, around]
    (middle,) = quantiles(ring, (0.5,), 1)
    excess = windows[:, own] - middle[:, None]
    # A defect's weakest pixel decides, in the channel that stands out most.
    channel = np.abs(excess).min(1).argmax(-1)
    pick = np.arange(len(rows))
    size = np.abs(excess[pick, :, channel]).min(1)
    sign = np.sign(excess[pick, 0, channel])
    spill = sign * (windows[:, beside].mean(1) - middle)[pick, channel]
    far = np.abs(ring[pick, :, channel] - middle[pick, channel, None])
    others = far.max(1)
    # Noise clipped at black has a median deviation of 0.
    middling, most = quantiles(far, (0.5, 0.9), 1)
    scale = np.maximum(_WIDENED * middling, most / 1.64)
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
    """Masks of the defect, its edge neighbours, and the surroundings, in a window."""
    count = 2 * _REACH + side
    place = np.arange(count)
    off = np.maximum(np.maximum(_REACH - place, place - (_REACH + side - 1)), 0)
    far = np.maximum.outer(off, off)
    edge = np.add.outer(off, off) == 1
    return far == 0, edge, far >= 2


def _likely(rgb: Values, rows: Places, columns: Places) -> Array:
    """Medians of the surroundings, other defects left out."""
    defect = np.zeros(rgb.shape[:2], bool)
    defect[rows, columns] = True
    values = np.empty((len(rows), rgb.shape[2]), np.float32)
    for k, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        part = slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3)
        known = display(rgb[part])[~defect[part]]
        values[k] = np.median(known, axis=0)
    return values
