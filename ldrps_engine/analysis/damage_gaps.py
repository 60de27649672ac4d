"""Gaps in lines of damage: a crack that goes on where the network does not see it. No torch.

On a bright forehead a white crack stands out little, and what lies on an eye or a mouth is left
alone. But a line that ends at a face's one side and goes on at the other, in direction and colour,
passes through it. Between two such ends a path is searched for that is brighter, or darker, than
what lies beside it, as the line itself is; where there is none the gap stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.components import Components
from ldrps_engine.colour.masks import grown

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

# Least share of a path within the places where gaps are closed.
_WITHIN = 0.5
# Half of the gap across which pieces are one.
_JOINED = 2
# Ends that are looked for in one piece: cracks branch.
_ENDS = 8
# Surroundings of an end that show its direction: of the long side, and least pixels.
_NEAR, _LEAST_NEAR = 0.03, 8
# Least length of a line, in such surroundings.
_LONG = 1.5
# Least cosine of the angles between a gap and the lines at its ends.
_ALONG = 0.8
# Greatest gap: of the long side, and of the shorter of both lines.
_WIDEST, _WIDEST_OF_LINE = 0.5, 1.5
# Greatest distance of the colours of two lines.
_ALIKE = 0.2
# Distance to which a path strays from the straight one, relative to the gap, and least pixels.
_STRAYS, _LEAST_STRAYS = 0.06, 3
# Distances from a path to what lies beside it: the near one tells where it is, the far one more.
_BESIDE = (1, 3)
# What a step aside costs, in contrast.
_ASIDE = 0.01
# Least contrast of a path, and least share of its places with the line's sign. The best path of the
# opposite sign has less contrast than this one: by this factor, or its share is less by so much.
_VISIBLE, _MOSTLY = 0.03, 0.8
_WEAK, _CLEARER = 0.5, 0.15


@dataclass(frozen=True, kw_only=True)
class _End:
    """An end of a line."""

    piece: int
    place: Points
    """Row and column (2,)."""
    direction: Points
    """Unit vector (2,) in which the line would go on."""
    colour: Array
    """Mean colour (C,) of the line nearby."""
    width: float
    length: float
    """Length of the line as a whole."""


def closed_gaps(rgb: Array, lines: Mask, within: Mask) -> Mask:
    """Mask (H, W) of the gaps of `lines` through which a line of an image (H, W, C) passes.

    At least half of a gap lies `within` a mask (H, W).
    """
    result = np.zeros_like(lines)
    if not lines.any():
        return result
    ends = _ends(rgb, lines)
    luma = rgb.mean(2)
    for first, second in _facing(ends, max(lines.shape)):
        path = _path(luma, lines, first, second)
        if path is not None and within[path[:, 0], path[:, 1]].mean() >= _WITHIN:
            drawn = np.zeros_like(lines)
            drawn[path[:, 0], path[:, 1]] = True
            # Two pixels of width need a neighbour on each side of the path.
            result |= grown(drawn, int(min(first.width, second.width) / 2))
    return result & ~lines


def _ends(rgb: Array, lines: Mask) -> list[_End]:
    parts = Components.of(grown(lines, _JOINED))
    near = max(_LEAST_NEAR, _NEAR * max(lines.shape))
    found = []
    rows, columns = np.nonzero(lines)
    which = parts.labels[rows, columns]
    places = np.stack([rows, columns], 1).astype(np.float64)
    order = np.argsort(which, kind="stable")
    for own in np.split(places[order], np.flatnonzero(np.diff(which[order])) + 1):
        length = math.hypot(*np.ptp(own, axis=0))
        if length < _LONG * near:
            continue
        piece = int(parts.labels[int(own[0, 0]), int(own[0, 1])])
        for place in _tips(own):
            around = own[np.hypot(*(own - place).T) < near]
            back = place - around.mean(0)
            away = math.hypot(*back)
            # At a tip all lies on one side; elsewhere the line goes on both ways.
            if away < near / 3:
                continue
            at = around.astype(np.intp)
            colour = rgb[at[:, 0], at[:, 1]].mean(0)
            width = max(1.0, len(around) / near)
            end = _End(
                piece=piece,
                place=place,
                direction=back / away,
                colour=colour,
                width=width,
                length=length,
            )
            found.append(end)
    return found


def _tips(own: Points) -> list[Points]:
    """Return pixels of a piece (N, 2) that lie as far as possible from each other."""
    distance = np.hypot(*(own - own.mean(0)).T)
    tips = []
    for count in range(_ENDS):
        place = own[int(distance.argmax())]
        tips.append(place)
        away = np.hypot(*(own - place).T)
        distance = np.minimum(distance, away) if count else away
    return tips


def _facing(ends: list[_End], long: int) -> list[tuple[_End, _End]]:
    """Pairs of ends that face each other and are alike, the nearest ones first; each end once."""
    pairs = []
    for index, first in enumerate(ends):
        for second in ends[index + 1 :]:
            apart = second.place - first.place
            gap = math.hypot(*apart)
            most = min(_WIDEST * long, _WIDEST_OF_LINE * min(first.length, second.length))
            if first.piece == second.piece or not 1 < gap <= most:
                continue
            faces = min(first.direction @ apart, -(second.direction @ apart)) > _ALONG * gap
            if faces and np.abs(first.colour - second.colour).mean() < _ALIKE:
                pairs.append((gap, first, second))
    taken: set[int] = set()
    chosen = []
    for _, first, second in sorted(pairs, key=lambda pair: pair[0]):
        if not {id(first), id(second)} & taken:
            taken |= {id(first), id(second)}
            chosen.append((first, second))
    return chosen


def _path(luma: Array, lines: Mask, first: _End, second: _End) -> NDArray[np.intp] | None:
    """Pixels (N, 2) of the clearest path between two ends; None if there is none."""
    apart = second.place - first.place
    gap = math.hypot(*apart)
    steps = math.ceil(gap) + 1
    strays = max(_LEAST_STRAYS, round(_STRAYS * gap))
    half = max(first.width, second.width) / 2
    beside = round(half + max(_BESIDE))
    across = np.arange(-strays - beside, strays + beside + 1)
    along = np.linspace(0, 1, steps)[:, None]
    normal = np.array([-apart[1], apart[0]]) / gap
    rows, columns = (
        np.rint(first.place[axis] + along * apart[axis] + across * normal[axis]).astype(np.intp)
        for axis in (0, 1)
    )
    height, width = luma.shape
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    band = luma[rows, columns]
    bright = _is_bright(luma, lines, first) and _is_bright(luma, lines, second)
    dark = not _is_bright(luma, lines, first) and not _is_bright(luma, lines, second)
    if bright == dark:
        return None
    sign = np.float32(1 if bright else -1)
    ridge, valley = (_ridge(sign * way * band, beside, half) for way in (1, -1))
    chosen, contrast, share = _best(ridge)
    _, opposite, share_of_opposite = _best(valley)
    clear = opposite < _WEAK * contrast or share > share_of_opposite + _CLEARER
    if contrast < max(_VISIBLE, opposite) or share < _MOSTLY or not clear:
        return None
    taken = np.arange(steps), chosen + beside
    return np.stack([rows[taken], columns[taken]], 1)


def _ridge(band: Array, most: int, half: float) -> Array:
    """Tell how much lighter the inner columns of a band (N, K) are than both of their sides.

    The outline of an object is lighter than one side alone.
    """
    inner = slice(most, band.shape[1] - most)
    middle, found = band[:, inner], []
    for distance in (round(half + beside) for beside in _BESIDE):
        sides = (band[:, inner.start + way : inner.stop + way] for way in (-distance, distance))
        found.append(middle - np.maximum(*sides))
    return np.asarray(np.mean(found, axis=0))


def _is_bright(luma: Array, lines: Mask, end: _End) -> bool:
    """Tell whether a line is brighter than what lies beside its end."""
    row, column = (int(value) for value in end.place)
    reach = round(end.width + 2 * max(_BESIDE))
    near = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return bool(luma[near][lines[near]].mean() > luma[near][~lines[near]].mean())


def _best(values: Array) -> tuple[NDArray[np.intp], float, float]:
    """Return the path (N,) through rows with the greatest sum, its mean, and its positive share.

    From one row to the next it moves by one column at most; it begins and ends in the middle.
    """
    steps, columns = values.shape
    middle = columns // 2
    total = np.full(columns + 2, -np.inf)
    total[middle + 1] = values[0, middle]
    came = np.zeros((steps, columns), np.intp)
    for step in range(1, steps):
        before = np.stack([total[:-2] - _ASIDE, total[1:-1], total[2:] - _ASIDE])
        came[step] = before.argmax(0) - 1
        total[1:-1] = before.max(0) + values[step]
    chosen = np.empty(steps, np.intp)
    chosen[-1] = middle
    for step in range(steps - 1, 0, -1):
        chosen[step - 1] = chosen[step] + came[step, chosen[step]]
    found = values[np.arange(steps), chosen]
    return chosen, float(found.mean()), float((found > 0).mean())
