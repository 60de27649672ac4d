"""A rectangle of an image. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import MAX_ASPECT, MIN_SIDE, Part

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
        """Rectangle that remains of an image after this much is cut off its SIDES."""
        left, top = depths.get("left", 0), depths.get("top", 0)
        across = width - left - depths.get("right", 0)
        return cls(left, top, across, height - top - depths.get("bottom", 0))

    @property
    def rows(self) -> slice:
        """Slice from the first to the last."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Slice from the first to the last."""
        return slice(self.left, self.left + self.width)

    @property
    def part(self) -> Part:
        """Rows and columns, to index an image with."""
        return self.rows, self.columns

    def inside(self, other: Rectangle) -> Rectangle:
        """A rectangle given from the corner of `other`, from that of the whole image."""
        return Rectangle(other.left + self.left, other.top + self.top, self.width, self.height)

    def common(self, other: Rectangle) -> Rectangle | None:
        """Return the intersection, from the corner of `other`; None if it is empty."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        if right <= left or bottom <= top:
            return None
        return Rectangle(left - other.left, top - other.top, right - left, bottom - top)


def check_crop(crop: Rectangle, width: int, height: int) -> None:
    """Refuse a crop that is too small, or does not lie within a photo of this size.

    Raises SettingsError.
    """
    if min(crop.width, crop.height) < MIN_SIDE:
        raise SettingsError(
            f"crop is {crop.width}x{crop.height}; both sides need {MIN_SIDE} pixels or more"
        )
    if max(crop.width, crop.height) > MAX_ASPECT * min(crop.width, crop.height):
        raise SettingsError(
            f"crop is {crop.width}x{crop.height}; its long side may be {MAX_ASPECT} times the short"
        )
    if (
        min(crop.left, crop.top) < 0
        or crop.left + crop.width > width
        or crop.top + crop.height > height
    ):
        raise SettingsError(
            f"crop is {crop.width}x{crop.height} at {crop.left},{crop.top}, which reaches out of "
            f"the photo of {width}x{height}; give a rectangle within it"
        )
