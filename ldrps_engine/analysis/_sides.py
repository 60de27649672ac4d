"""Straight borders: rows of one colour that end, all along the side, at the same depth. No torch.

A sky or a studio's backdrop is as plain as a border. But it ends where objects begin, each at a
different depth, while a border ends in one straight line. So the search only begins with plain
rows; the share of the line at which the plain colour really ends decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.rectangle import SIDES, Rectangle
from ldrps_engine.analysis.samples import highest

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = TypeVar("Values", Array, Mask)

# Share of a border's row with the border's colour; the rest is dust and scratches.
_PLAIN = 0.97
_MOST_DEPTH = 0.4
_LEAST_TOLERANCE, _MOST_TOLERANCE = 1.5 / 255, 22 / 255
# Tolerances to try: next to the photo's edge, JPEG leaves ripples of this height in a border.
_RINGING = (0.0, 3 / 255, 6 / 255, 10 / 255, 15 / 255, 22 / 255)
# Pixels within which a border has to end: its edge may be resized or slightly turned.
_STEP = 3
_FOLLOWED = 0.2
_SAME_COLOUR = 14 / 255
_LEAST_SIDE = 16
# Borders thinner than this are believed only where they run around the whole photo.
_THIN = 3
# Share of a side that must show the depth for it to count as known.
_SEEN = 0.3
_CLEARLY = 0.95
_MIXED = 0.5


@dataclass(frozen=True)
class Edge:
    """The border along one side of an image. Neutral: depth 0."""

    depth: int
    """Plain rows, pixels."""
    share: float
    """Share of the side's length at which the border is seen to end at its depth, 0 to 1."""
    colour: Array
    """(3,)"""
    tolerance: float
    """Largest distance of the border's pixels from its colour."""

    @property
    def is_exact(self) -> bool:
        """Tell whether its depth is certain: all pixels have one colour, and all end here."""
        return self.tolerance <= _LEAST_TOLERANCE and self.share > _CLEARLY


@dataclass(frozen=True)
class Border:
    """A straight border that was found."""

    depths: dict[str, int]
    """Depth in pixels by SIDES; 0 where there is no border."""
    colour: Array
    """(3,)"""
    tolerance: float
    exact: tuple[str, ...]
    """SIDES whose depth is certain."""


def view_from(values: Values, side: str) -> Values:
    """An image turned so that its rows count from `side` inwards."""
    turned = values if side in ("top", "bottom") else values.swapaxes(0, 1)
    return turned if side in ("top", "left") else turned[::-1]


def straight_border(rgb: Array) -> Border | None:
    """The border around (H, W, 3), or along two or three sides; None where there is none."""
    strips = {side: Strip.of(view_from(rgb, side)) for side in SIDES}
    found: tuple[float, dict[str, Edge]] | None = None
    for ringing in _RINGING:
        edges = _edges(rgb.shape[:2], strips, ringing)
        if edges is None or not _is_believed(edges):
            continue
        seen = float(np.mean([edge.share for edge in edges.values() if edge.depth]))
        # A wider tolerance mistakes more of the photo for border, so it has to reveal much more.
        if found is None or seen > found[0] + 0.05:
            found = seen, edges
        if seen > _CLEARLY:
            break
    return _border(found[1]) if found else None


def steepest(view: Array, colour: Array, near: int, reach: int) -> int:
    """Depth near which the border of a view's first rows really ends, to the pixel.

    A row that is a mixture of border and photo is left to the border.
    """
    first, last = max(near - reach, 1), min(near + reach + 2, len(view) - 1)
    away = distance(view[first - 1 : last + 1], colour).mean(1)
    row = int(np.argmax(np.diff(away)[: last - first])) + 1
    return first - 1 + row + bool(away[row] < _MIXED * away[row + 1])


def distance(values: Array, colour: Array) -> Array:
    """The largest difference of any channel, (H, W) for (H, W, 3)."""
    return np.asarray(highest(np.abs(values - colour)), dtype=np.float32)


def tolerance_of(strip: Array, colour: Array) -> float:
    """Distance of a border's pixels from its colour; infinite above what a border may have."""
    farthest = float(np.percentile(distance(strip, colour), 98))
    allowed = 1.3 * farthest + 1 / 255
    return max(allowed, _LEAST_TOLERANCE) if allowed <= _MOST_TOLERANCE else np.inf


@dataclass(frozen=True)
class Strip:
    """The rows next to one side of an image that may be border."""

    away: Array
    """(rows, length), distance of each pixel from the colour of its row's border."""
    colour: Array
    """(3,) of the outermost row."""
    tolerance: float
    """Tolerance that the outermost row needs."""
    most: int
    """A border is less deep than this."""

    @classmethod
    def of(cls, view: Array) -> Strip:
        """The first rows of a view."""
        colour = np.median(view[0], axis=0).astype(np.float32)
        tolerance = tolerance_of(view[0], colour)
        most = int(_MOST_DEPTH * len(view))
        rows: list[Array] = []
        if tolerance > _MOST_TOLERANCE:
            return cls(np.empty((0, view.shape[1]), np.float32), colour, tolerance, most)
        own, after = colour.copy(), 0
        for row in view[: most + 2 * _STEP]:
            rows.append(distance(row, own))
            if after or float((rows[-1] <= _MOST_TOLERANCE).mean()) < _PLAIN:
                after += 1
                if after >= 2 * _STEP:
                    break
            else:
                # Paper on a scanner darkens towards its edges.
                own += np.float32(_FOLLOWED) * (np.median(row[::4], axis=0) - own)
        return cls(np.stack(rows), colour, tolerance, most)

    def edge(self, along: slice, ringing: float) -> Edge:
        """The border along a part of the side's length."""
        tolerance = max(self.tolerance, ringing)
        plain = self.away[:, along] <= tolerance
        if not plain.size:
            return Edge(0, 0.0, self.colour, tolerance)
        ends = _leading(plain)
        depth = int(_leading(plain.mean(1)[:, None] >= _PLAIN)[0])
        if not 0 < depth < min(self.most, len(plain)):
            return Edge(0, 0.0, self.colour, tolerance)
        inside = np.median(self.away[depth : depth + _STEP, along], axis=0)
        at_depth = (ends >= depth - _STEP) & (ends < depth + _STEP)
        share = float((at_depth & (inside > tolerance)).mean())
        return Edge(depth, share, self.colour, tolerance)


def _leading(holds: Mask) -> NDArray[np.intp]:
    """Count the rows that hold without a gap from the first on, for each column."""
    return np.where(holds.all(0), len(holds), np.argmin(holds, axis=0))


def _edges(
    size: tuple[int, ...], strips: dict[str, Strip], ringing: float
) -> dict[str, Edge] | None:
    """The border on each side: first along the whole side, then inside the other borders."""
    rough = {side: strip.edge(slice(None), ringing) for side, strip in strips.items()}
    if sum(edge.depth > 0 for edge in rough.values()) < 2:
        return None
    depths = {side: edge.depth for side, edge in rough.items()}
    rest = Rectangle.within(size[0], size[1], depths)
    if min(rest.height, rest.width) < _LEAST_SIDE:
        return None
    along = {"top": rest.columns, "bottom": rest.columns, "left": rest.rows, "right": rest.rows}
    return {side: strip.edge(along[side], ringing) for side, strip in strips.items()}


def _is_believed(edges: dict[str, Edge]) -> bool:
    found = {side: edge for side, edge in edges.items() if edge.depth}
    colours = np.array([edge.colour for edge in found.values()])
    if len(found) < 2 or np.ptp(colours, axis=0).max() > _SAME_COLOUR:
        return False
    if len(found) == 4:
        return _surrounds(sorted(found.values(), key=lambda edge: -edge.share))
    shares = sorted(edge.share for edge in found.values())
    if min(edge.depth for edge in found.values()) < _THIN:
        return False
    if len(found) == 3:
        return shares[0] >= 0.6 and float(np.mean(shares)) >= 0.8
    return set(found) in _FACING and shares[0] >= (0.6 if _are_alike(*found.values()) else 0.85)


def _surrounds(edges: list[Edge]) -> bool:
    """Tell whether a border runs all around; the clearest one comes first.

    On one side the photo may be as white or black as its border; on two, if the others are alike.
    """
    first, second, third, _ = (edge.share for edge in edges)
    three = third >= 0.5 and (first + second + third) / 3 >= 0.8
    return three or (second >= 0.65 and _are_alike(*edges[:2]))


def _are_alike(one: Edge, other: Edge) -> bool:
    return abs(one.depth - other.depth) <= max(2, 0.1 * max(one.depth, other.depth))


_FACING = ({"top", "bottom"}, {"left", "right"})
_OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def _border(edges: dict[str, Edge]) -> Border:
    found = [edge for edge in edges.values() if edge.depth]
    depths = {side: edge.depth for side, edge in edges.items()}
    seen = [edge.depth for edge in found if edge.share >= _SEEN]
    for side, edge in edges.items():
        # No end is visible: as deep as on the other sides, or as the plain rows reach.
        if edge.depth and edge.share < _SEEN:
            facing = edges[_OPPOSITE[side]]
            likely = facing.depth if facing.share >= _SEEN else int(np.median(seen))
            depths[side] = min(edge.depth, likely)
    exact = tuple(side for side, edge in edges.items() if edge.is_exact)
    colour = np.median([edge.colour for edge in found], axis=0).astype(np.float32)
    return Border(depths, colour, max(edge.tolerance for edge in found), exact)
