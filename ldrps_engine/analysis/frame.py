"""The picture inside its frame: borders, letterboxes, mounts, transparent margins. No torch.

The frame is found first, since it is misleading: white around a dark photo makes it look well lit,
flat paper around a noisy one makes it look clean. It is left out of all measurements, and restoring
the picture does not change it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis._shapes import Shape, find_shape, reached
from ldrps_engine.analysis._sides import (
    Border,
    distance,
    steepest,
    straight_border,
    view_from,
)
from ldrps_engine.analysis.rectangle import SIDES, Rectangle
from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import MAX_ASPECT, MIN_SIDE, Part, Photo

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Long side of the copy in which straight borders are searched, pixels.
_LOOKED_AT = 1200
_SHAPES_AT = 512
# A print on its paper, a line around it: this many borders may be nested.
_WITHIN_EACH_OTHER = 3
_STRIP = 256
_LEAST = 32
_CORNER = 0.25
_ROUND_FROM = 0.01
_CORNERS = 3
_NOT_CLIPPED = (0.02, 0.98)
_OF_CONTRAST, _MOST_TOLERANCE = 0.25, 24 / 255


@dataclass(frozen=True)
class Frame:
    """Place of the picture in an image."""

    rectangle: Rectangle
    """Rectangle to analyse and to restore."""
    mask: Mask | None = None
    """Mask of the picture, if it does not fill the rectangle: ovals, rounded or torn edges, crooked
    prints. None: all of it."""


def find_frame(photo: Photo) -> Frame | None:
    """The picture inside a photo's frame; None where the photo has none."""
    whole = Rectangle(0, 0, photo.width, photo.height)
    frame = Frame(_visible(photo, whole))
    for _ in range(_WITHIN_EACH_OTHER):
        found = _straight(photo, frame.rectangle) or _shaped(photo, frame.rectangle)
        if found is None or not _is_enough(found.rectangle):
            break
        frame = found
        if frame.mask is not None:
            break
    return None if frame.rectangle == whole and frame.mask is None else frame


def _visible(photo: Photo, whole: Rectangle) -> Rectangle:
    """Find the part of the photo that is not transparent."""
    if photo.alpha is None or not photo.alpha.any():
        return whole
    rows, columns = (np.flatnonzero((photo.alpha != 0).any(axis)) for axis in (1, 0))
    box = Rectangle(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    return box if _is_enough(box, MIN_SIDE) else whole


def _is_enough(box: Rectangle, least: int = _LEAST) -> bool:
    short, long = sorted((box.width, box.height))
    return short >= least and long <= MAX_ASPECT * short


def _looked_at(photo: Photo, box: Rectangle, side: int) -> tuple[Array, int]:
    """Subsampled display values of a part, and the stride."""
    step = max(1, -(-max(box.width, box.height) // side))
    rows, columns = box.part
    part = slice(rows.start, rows.stop, step), slice(columns.start, columns.stop, step)
    return _values(photo, part), step


def _values(photo: Photo, part: Part) -> Array:
    return to_working(photo.part(part))


def _straight(photo: Photo, box: Rectangle) -> Frame | None:
    values, step = _looked_at(photo, box, _LOOKED_AT)
    border = straight_border(values)
    if border is None:
        return None
    depths = {}
    for side in SIDES:
        depth = border.depths[side]
        if depth and (step > 1 or side not in border.exact):
            depth = _exact_depth(photo, box, side, border, step)
        depths[side] = depth
    inner = Rectangle.within(box.height, box.width, depths).inside(box)
    if not _is_enough(inner):
        return None
    return Frame(inner, _without_corners(photo, inner, border))


def _exact_depth(photo: Photo, box: Rectangle, side: str, border: Border, step: int) -> int:
    """The depth of a border at the photo's own size."""
    depth, reach = border.depths[side] * step, 3 * step
    across = box.height if side in ("top", "bottom") else box.width
    start, stop = max(0, depth - 2 * reach), min(across, depth + 2 * reach + 2)
    beside = {"top": (start, stop), "left": (start, stop)}.get(
        side, (across - stop, across - start)
    )
    if side in ("top", "bottom"):
        rows = slice(box.top + beside[0], box.top + beside[1])
        part = rows, slice(box.columns.start, box.columns.stop, step)
    else:
        columns = slice(box.left + beside[0], box.left + beside[1])
        part = slice(box.rows.start, box.rows.stop, step), columns
    strip = view_from(_values(photo, part), side)
    return start + steepest(strip, border.colour, depth - start, reach)


def _without_corners(photo: Photo, inner: Rectangle, border: Border) -> Mask | None:
    """The picture if its corners are rounded or torn off; None if they are not."""
    side = int(_CORNER * min(inner.width, inner.height))
    mask: Mask = np.ones((inner.height, inner.width), bool)
    found = 0
    for down in (1, -1):
        for across in (1, -1):
            top = inner.top if down > 0 else inner.top + inner.height - side
            left = inner.left if across > 0 else inner.left + inner.width - side
            values = _values(photo, (slice(top, top + side), slice(left, left + side)))
            plain = distance(values[::down, ::across], border.colour) <= border.tolerance
            cut = _cut_off(plain)
            if cut is not None:
                found += 1
                mask[::down, ::across][:side, :side] &= ~cut
    low, high = _NOT_CLIPPED
    own = low < float(border.colour.mean()) < high
    # White or black may belong to the photo in one corner, but hardly in three.
    return mask if found >= _CORNERS or (found and own) else None


def _cut_off(plain: Mask) -> Mask | None:
    """Part of the top left corner covered by a border; None if it ends in no corner."""
    reach = [
        int(np.argmin(edge)) if not edge.all() else len(edge) for edge in (plain[0], plain[:, 0])
    ]
    least = max(3, _ROUND_FROM / _CORNER * len(plain))
    if min(reach) < least or max(reach) > 0.95 * len(plain) or max(reach) > 3 * min(reach):
        return None
    cut = np.logical_and.accumulate(plain, axis=0) | np.logical_and.accumulate(plain, axis=1)
    return np.asarray(cut)


def _shaped(photo: Photo, box: Rectangle) -> Frame | None:
    small, _ = _looked_at(photo, box, _SHAPES_AT)
    shape = find_shape(small)
    if shape is None:
        return None
    away = distance(small, shape.colour)[shape.band(*small.shape[:2])[0]]
    contrast = float(np.median(away)) if away.size else 0.0
    allowed = float(np.clip(_OF_CONTRAST * contrast, shape.tolerance, _MOST_TOLERANCE))
    mask = _mask(photo, box, shape, allowed)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    inner = Rectangle(
        int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    )
    cut = mask[inner.part]
    return Frame(inner.inside(box), None if cut.all() else np.ascontiguousarray(cut))


def _mask(photo: Photo, box: Rectangle, shape: Shape, tolerance: float) -> Mask:
    """The picture in a part of the photo, at its own size."""
    plain: Mask = np.empty((box.height, box.width), bool)
    for top in range(0, box.height, _STRIP):
        strip = slice(box.top + top, min(box.top + top + _STRIP, box.top + box.height))
        values = _values(photo, (strip, box.columns))
        plain[top : top + len(values)] = distance(values, shape.colour) <= tolerance
    # The band between them is wide, so its ends need not be found at full size.
    size = min(box.height, _SHAPES_AT), min(box.width, _SHAPES_AT)
    rows, columns = (
        np.arange(n) * m // n for n, m in zip((box.height, box.width), size, strict=True)
    )
    inside, outside = (of[rows[:, None], columns] for of in shape.band(*size))
    return np.asarray((~reached(plain) | inside) & ~outside)
