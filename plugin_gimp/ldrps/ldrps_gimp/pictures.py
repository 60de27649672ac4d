"""Pictures for the preview: read from layers, and composed as a view of the photo."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gi.repository import GdkPixbuf, GLib

from ldrps_gimp.pixels import Area
from ldrps_gimp.reduced import piece_side, read_reduced
from ldrps_gimp.viewing import Box, Viewing

# Long side in pixels, more or less, of the overview that is read of a photo once.
_OVERVIEW = 1024
# Share of the view that is read beyond it on each side: dragging reads nothing new then.
_AROUND = 0.25
_EMPTY = 0x808080FF
_LIGHT, _DARK = 0xFFFFFFFF, 0x202020FF
_BILINEAR, _NEAREST = GdkPixbuf.InterpType.BILINEAR, GdkPixbuf.InterpType.NEAREST


class Source:
    """Pictures of the photo as it is, in as much detail as a view needs."""

    def __init__(self, layer: Any, area: Area, long_side: int = _OVERVIEW) -> None:
        """Take the layer; `long_side` is that of the overview, in pixels."""
        self._layer, self._area = layer, area
        self._size = layer.get_width(), layer.get_height()
        # GIMP has halves of pictures at hand.
        nearest = round(math.log2(long_side / max(area.width, area.height)))
        self._scale = scale = min(1.0, 2.0**nearest)
        width, height = _scaled(area.width, scale), _scaled(area.height, scale)
        made = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, width, height)
        made.fill(_EMPTY)
        self._overview = made, Box(0, 0, area.width, area.height)
        self._unread = _pieces(width, height, piece_side(scale))
        self._near: tuple[float, Any, Box] | None = None

    def overview(self) -> Any:
        """Return a picture of all of the area."""
        while self.read_more():
            pass
        return self._overview[0]

    def read_more(self) -> bool:
        """Read a piece more of the overview, as it is by now; False: there is none."""
        piece = next(self._unread, None)
        if piece is None or not self._is_there():
            return False
        x, y = int(self._area.x * self._scale), int(self._area.y * self._scale)
        part = self._get(x + piece.x, y + piece.y, piece.width, piece.height, self._scale)
        part.copy_area(0, 0, piece.width, piece.height, self._overview[0], piece.x, piece.y)
        return True

    def seen(self, view: Viewing) -> tuple[Any, Box]:
        """Return a picture that covers the view, and the part of the photo that it shows."""
        if view.scale <= self._scale or self._scale == 1.0 or not self._is_there():
            return self._overview
        scale = min(1.0, 2.0 ** math.ceil(math.log2(view.scale)))
        seen = view.seen
        if not self._near or self._near[0] != scale or self._near[2].common(seen) != seen:
            box = self._grown(seen)
            self._near = scale, self._read(box, scale), box
        return self._near[1:]

    def _is_there(self) -> bool:
        """Tell whether the pixels still exist: GIMP ends a process that reads others."""
        layer = self._layer
        return bool(layer.is_valid()) and self._size == (layer.get_width(), layer.get_height())

    def _grown(self, box: Box) -> Box:
        dx, dy = round(_AROUND * box.width), round(_AROUND * box.height)
        grown = Box(box.x - dx, box.y - dy, box.width + 2 * dx, box.height + 2 * dy)
        return grown.common(Box(0, 0, self._area.width, self._area.height)) or box

    def _read(self, box: Box, scale: float) -> Any:
        left, top = int((self._area.x + box.x) * scale), int((self._area.y + box.y) * scale)
        width, height = _scaled(box.width, scale), _scaled(box.height, scale)
        made = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, width, height)
        for piece in _pieces(width, height, piece_side(scale)):
            part = self._get(left + piece.x, top + piece.y, piece.width, piece.height, scale)
            part.copy_area(0, 0, piece.width, piece.height, made, piece.x, piece.y)
        return made

    def _get(self, left: int, top: int, width: int, height: int, scale: float) -> Any:
        place = Area(left, top, width, height)
        return picture_of(width, height, read_reduced(self._layer, place, scale))


def _pieces(width: int, height: int, side: int) -> Iterator[Box]:
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield Box(x, y, min(side, width - x), min(side, height - y))


def _scaled(side: int, scale: float) -> int:
    return max(1, int(side * scale))


def picture_of(width: int, height: int, pixels: bytes) -> Any:
    """Make a picture from RGB of 8 bits."""
    space = GdkPixbuf.Colorspace.RGB
    data = GLib.Bytes.new(pixels)
    return GdkPixbuf.Pixbuf.new_from_bytes(data, space, False, 8, width, height, 3 * width)


def blank(width: int, height: int) -> Any:
    """Make a picture that lets the window's own ground show through."""
    made = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, width, height)
    made.fill(0)
    return made


def draw(out: Any, picture: Any, view: Viewing, box: Box, first: float) -> None:
    """Draw the visible part of a picture of a box of the photo, from a column on."""
    inside = _on_window(view, box, first)
    if inside is None:
        return
    left, top = (
        corner + at * view.scale for corner, at in zip(view.corner, (box.x, box.y), strict=True)
    )
    across = box.width * view.scale / picture.get_width()
    down = box.height * view.scale / picture.get_height()
    # Pixels are for judging where they are enlarged.
    how = _NEAREST if view.scale >= 2 and across >= 2 and across == view.scale else _BILINEAR
    place = inside.x, inside.y, inside.width, inside.height
    picture.scale(out, *place, left, top, across, down, how)


def draw_line(out: Any, view: Viewing) -> None:
    """Draw the line between before and after."""
    seen = _on_window(view, Box(0, 0, *view.photo), 0.0)
    if seen is None:
        return
    x = round(view.line)
    for column, colour in ((x - 1, _DARK), (x, _LIGHT), (x + 1, _DARK)):
        _fill(out, Box(column, seen.y, 1, seen.height), colour)


def draw_frame(out: Any, view: Viewing, box: Box) -> None:
    """Draw a frame around a part of the photo."""
    seen = _on_window(view, box, 0.0)
    if seen is None:
        return
    for inner, colour in ((0, _DARK), (1, _LIGHT)):
        x, y = seen.x + inner, seen.y + inner
        width, height = seen.width - 2 * inner, seen.height - 2 * inner
        for side in (
            Box(x, y, width, 1),
            Box(x, y + height - 1, width, 1),
            Box(x, y, 1, height),
            Box(x + width - 1, y, 1, height),
        ):
            _fill(out, side, colour)


def _on_window(view: Viewing, box: Box, first: float) -> Box | None:
    """Return the pixels of the window that a box of the photo covers, from a column on."""
    starts, ends = [], []
    for corner, at, side in zip(view.corner, (box.x, box.y), (box.width, box.height), strict=True):
        starts.append(round(corner + at * view.scale))
        ends.append(round(corner + (at + side) * view.scale))
    left = max(starts[0], round(first))
    if ends[0] <= left or ends[1] <= starts[1]:
        return None
    covered = Box(left, starts[1], ends[0] - left, ends[1] - starts[1])
    return covered.common(Box(0, 0, *view.window))


def _fill(out: Any, box: Box, colour: int) -> None:
    inside = box.common(Box(0, 0, out.get_width(), out.get_height()))
    if inside:
        place = inside.x, inside.y, inside.width, inside.height
        out.new_subpixbuf(*place).fill(colour)
