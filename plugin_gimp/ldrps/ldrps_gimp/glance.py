"""Small copy of a large photo, whose tones are judged before all of it is read and sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ldrps_gimp.pixels import STRIP_ROWS, Area, Format, check_unchanged, read_strip, whole

_LARGE = 4_000_000
"""Pixels from which on a photo is measured for longer than a moment."""
_MOST_PIXELS = 800_000
"""Most pixels of the copy; tones are judged at 512 pixels a side, which it seldom falls below."""


def is_large(area: Area) -> bool:
    """Tell whether a look at all of an area takes longer than anybody likes to wait."""
    return area.width * area.height >= _LARGE


@dataclass(frozen=True)
class SmallCopy:
    """Copy of an area of a layer, read as it is sent."""

    layer: Any
    form: Format
    area: Area
    """The area in the copy's own pixels."""
    scale: float

    @classmethod
    def of(cls, layer: Any, area: Area, form: Format) -> SmallCopy:
        """Choose the size: by powers of two, since GEGL has halves of pictures at hand."""
        scale = 1.0
        while area.width * area.height * scale**2 > _MOST_PIXELS:
            scale /= 2
        sides = (int(side * scale) for side in (area.x, area.y, area.width, area.height))
        return cls(layer, form, Area(*sides), scale)

    def chunks(self, idle: Callable[[], None]) -> Iterator[bytes]:
        """Yield its samples from the top, with `idle` called in between."""
        buffer, size = self.layer.get_buffer(), whole(self.layer)
        for strip in self.area.rows(STRIP_ROWS):
            check_unchanged(self.layer, size, self.form)
            yield read_strip(buffer, strip, self.form, idle, self.scale)
