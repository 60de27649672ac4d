"""Pictures that do not fill a rectangle: ovals, crooked prints, torn and rounded ones.

Pixels connected to the image's edge through the border's colour are outside. That is just as true
of an object on a white ground, so the remaining outline has to be typical of pictures: an ellipse,
or a rectangle turned by a few degrees. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis._sides import distance, tolerance_of, view_from
from ldrps_engine.analysis.rectangle import SIDES

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Share of the image's outline that has the border's colour.
_AROUND = 0.97
# Tolerances to try, see `_sides`.
_STRONGER = (0.0, 6 / 255, 14 / 255)
_LEAST_AREA, _MOST_AREA = 0.2, 0.985
_ELLIPSE_FILLED, _STICKING_OUT = 0.965, 0.004
_RECTANGLE_FILLED = 0.965
_MIDDLE = (0.2, 0.8)
_MOST_SLOPE = 0.06
_SAME_SLOPE = 0.008
_ON_THE_LINE = 0.6
_TORN = 0.03
_ROUNDED = 0.25
_ROUNDS = 4


@dataclass(frozen=True)
class Shape:
    """The outline of a picture in an image, from 0 to 1 in both directions."""

    colour: Array
    """Colour (3,) of the surroundings."""
    tolerance: float
    ellipse: tuple[float, float, float, float] | None = None
    """Centre across and down, and half axes across and down."""
    corners: tuple[tuple[float, float], ...] = ()
    """Corners of a rectangle, clockwise from the top left, across and down."""

    def band(self, height: int, width: int) -> tuple[Mask, Mask]:
        """(surely inside, surely outside) for an image of that size."""
        y, x = np.mgrid[:height, :width].astype(np.float32)
        x, y = (x + 0.5) / width, (y + 0.5) / height
        if self.ellipse is not None:
            across, down, half_across, half_down = self.ellipse
            radius = np.hypot((x - across) / half_across, (y - down) / half_down)
            return radius < 1 - _TORN, radius > 1 + _TORN
        return self._inside(x, y, _TORN) & ~self._near_corner(x, y), ~self._inside(x, y, -_TORN)

    def _inside(self, x: Array, y: Array, margin: float) -> Mask:
        """Inside the rectangle by more than a margin, relative to the image."""
        inside: Mask = np.ones(x.shape, bool)
        for (x0, y0), (x1, y1) in pairwise((*self.corners, self.corners[0])):
            length = float(np.hypot(x1 - x0, y1 - y0))
            inside &= ((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / length > margin
        return inside

    def _near_corner(self, x: Array, y: Array) -> Mask:
        near: Mask = np.zeros(x.shape, bool)
        for across, down in self.corners:
            near |= (np.abs(x - across) < _ROUNDED) & (np.abs(y - down) < _ROUNDED)
        return near


def find_shape(rgb: Array) -> Shape | None:
    """The outline of a picture in (H, W, 3) surrounded by a border of one colour."""
    outline = np.concatenate([view_from(rgb, side)[0] for side in SIDES])
    colour = np.median(outline, axis=0).astype(np.float32)
    measured = tolerance_of(outline, colour)
    for stronger in _STRONGER:
        tolerance = max(measured, stronger)
        plain = distance(rgb, colour) <= tolerance
        if not np.isfinite(tolerance) or _outline(plain).mean() < _AROUND:
            return None
        inside = ~reached(plain)
        if not _LEAST_AREA < inside.mean() < _MOST_AREA:
            continue
        for shape in (_ellipse(inside), _rectangle(inside)):
            if shape:
                return Shape(colour, tolerance, *shape)
    return None


def reached(plain: Mask) -> Mask:
    """Pixels with only plain ones between them and an edge of the image, in a straight line.

    Around a convex shape, these are the whole outside.
    """
    result: Mask = np.zeros_like(plain)
    for side in SIDES:
        turned = view_from(plain, side)
        outside = view_from(result, side)
        outside |= np.logical_and.accumulate(turned, axis=0)
    return result


def _outline(mask: Mask) -> Mask:
    return np.concatenate([view_from(mask, side)[0] for side in SIDES])


_Found = tuple[tuple[float, float, float, float] | None, tuple[tuple[float, float], ...]]


def _extent(inside: Mask, axis: int) -> tuple[int, int]:
    """First and last row (axis 1) or column (axis 0) inside, ignoring dust."""
    counts = inside.sum(axis)
    of = np.flatnonzero(counts > 0.01 * inside.shape[axis])
    return int(of[0]), int(of[-1]) + 1


def _ellipse(inside: Mask) -> _Found | None:
    height, width = inside.shape
    (left, right), (top, bottom) = _extent(inside, 0), _extent(inside, 1)
    # Its outermost rows are short, and may count as dust: area and extent agree in the true one.
    across, down = (left + right) / 2, (top + bottom) / 2
    half_across, half_down = (right - left) / 2, (bottom - top) / 2
    y, x = np.mgrid[:height, :width] + 0.5
    drawn = ((x - across) / half_across) ** 2 + ((y - down) / half_down) ** 2 <= 1
    # Parts of the picture as black as its mount seem to belong to it; nothing sticks out.
    if (drawn & inside).sum() < _ELLIPSE_FILLED * drawn.sum():
        return None
    if (inside & ~drawn).sum() > _STICKING_OUT * drawn.sum():
        return None
    return (across / width, down / height, half_across / width, half_down / height), ()


def _rectangle(inside: Mask) -> _Found | None:
    """A rectangle whose sides are straight lines, turned by up to about three degrees."""
    height, width = inside.shape
    lines = {}
    for side in SIDES:
        line = _line(view_from(inside, side), side)
        if line is None:
            return None
        lines[side] = line
    slopes = [lines["top"][0], lines["bottom"][0], -lines["left"][0], -lines["right"][0]]
    slope = float(np.median(slopes))
    if abs(slope) > _MOST_SLOPE or max(abs(s - slope) for s in slopes) > _SAME_SLOPE:
        return None
    pairs = (("top", "left"), ("top", "right"), ("bottom", "right"), ("bottom", "left"))
    corners = [_crossing(lines[level], lines[upright]) for level, upright in pairs]
    found = tuple((x / width, y / height) for x, y in corners)
    drawn = Shape(np.zeros(3, np.float32), 0, corners=found)
    y, x = (np.mgrid[:height, :width].astype(np.float32) + 0.5) / np.array(
        [[[height]], [[width]]], np.float32
    )
    filled = drawn._inside(x, y, 0)
    if (filled & inside).sum() < _RECTANGLE_FILLED * (filled | inside).sum():
        return None
    return None, found


def _line(view: Mask, side: str) -> tuple[float, float] | None:
    """(slope, offset) of the line at which the border along one side ends; None if it is none."""
    ends = np.where(view.any(0), np.argmax(view, axis=0), -1).astype(np.float64)
    places = np.flatnonzero(ends >= 0)
    if places.size < 16:
        return None
    low, high = places[0], places[-1]
    middle = places[
        (places >= low + _MIDDLE[0] * (high - low)) & (places <= low + _MIDDLE[1] * (high - low))
    ]
    x, y = middle + 0.5, ends[middle]
    kept = np.abs(y - np.median(y)) <= max(3.0, _MOST_SLOPE * (high - low))
    near = max(1.5, 0.006 * len(view))
    for _ in range(_ROUNDS):
        if kept.sum() < _ON_THE_LINE * len(x):
            return None
        slope, offset = np.polyfit(x[kept], y[kept], 1)
        away = np.abs(y - (slope * x + offset))
        kept = away <= max(near, float(np.median(away[kept])))
    if (away <= near).mean() < _ON_THE_LINE:
        return None
    depth = len(view)
    return (slope, offset) if side in ("top", "left") else (-slope, depth - offset)


def _crossing(level: tuple[float, float], upright: tuple[float, float]) -> tuple[float, float]:
    """(x, y) where y = a x + b meets x = c y + d."""
    a, b = level
    c, d = upright
    y = (a * d + b) / (1 - a * c)
    return c * y + d, y
