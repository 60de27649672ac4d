"""A rectangle of an image. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ldrps_engine.photo import Part

SIDES = ("top", "bottom", "left", "right")


@dataclass(frozen=True)
class Rectangle:
    """Rows and columns of an image, in pixels from its top left corner."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def within(cls, height: int, width: int, depths: Mapping[str, int]) -> Rectangle:
        """Rectangle left of an image whose SIDES are cut off by so much."""
        left, top = depths.get("left", 0), depths.get("top", 0)
        across = width - left - depths.get("right", 0)
        return cls(left, top, across, height - top - depths.get("bottom", 0))

    @property
    def rows(self) -> slice:
        """From the first to the last."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """From the first to the last."""
        return slice(self.left, self.left + self.width)

    @property
    def part(self) -> Part:
        """Rows and columns, to index an image with."""
        return self.rows, self.columns

    def inside(self, other: Rectangle) -> Rectangle:
        """A rectangle given from the corner of `other`, from that of the whole image."""
        return Rectangle(other.left + self.left, other.top + self.top, self.width, self.height)
