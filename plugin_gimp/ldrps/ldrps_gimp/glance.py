"""Small copy of a large photo, whose tones are judged before all of it is read and sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ldrps_gimp.pixels import SHOWN, SHOWN_ALPHA, Area, Format, check_unchanged, side_by_side, whole
from ldrps_gimp.reduced import piece_side, read_reduced

# Pixels from which on a photo is measured for longer than a moment.
_LARGE = 4_000_000
# Most pixels of the copy; tones are judged at 512 pixels a side, which it seldom falls below.
_MOST_PIXELS = 800_000


def is_large(area: Area) -> bool:
    """Tell whether a look at all of an area takes longer than users like to wait."""
    return area.width * area.height >= _LARGE


@dataclass(frozen=True)
class SmallCopy:
    """Copy of an area of a layer as a screen shows it, read as it is sent."""

    layer: Any
    stored: Format
    """Format of the layer."""
    area: Area
    """The area in the copy's own pixels."""
    scale: float

    @classmethod
    def of(cls, layer: Any, area: Area, stored: Format) -> SmallCopy:
        """Choose the size: by powers of two, since GIMP has halves of pictures at hand."""
        scale = 1.0
        while area.width * area.height * scale**2 > _MOST_PIXELS:
            scale /= 2
        sides = (int(side * scale) for side in (area.x, area.y, area.width, area.height))
        return cls(layer, stored, Area(*sides), scale)

    @property
    def form(self) -> Format:
        """Format of the copy."""
        alpha = self.stored.channels in (2, 4)
        return Format(SHOWN_ALPHA if alpha else SHOWN, "u8", 3 + alpha)

    def chunks(self, idle: Callable[[], None]) -> Iterator[bytes]:
        """Yield its samples from the top, with `idle` called in between."""
        size, form, side = whole(self.layer), self.form, piece_side(self.scale)
        for strip in self.area.rows(side):
            parts = []
            for piece in strip.pieces(side):
                check_unchanged(self.layer, size, self.stored)
                samples = read_reduced(self.layer, piece, self.scale, form.name)
                parts.append((samples, piece.width * form.pixel_bytes))
                idle()
            yield side_by_side(parts, strip.height)
