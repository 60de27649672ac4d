"""Kinds of photo files, as both ends of the wire call them, and what each can hold."""

from __future__ import annotations

from enum import Enum


class Format(Enum):
    """The kinds we read, and but for the last two write; the value is Pillow's name."""

    JPEG = "JPEG"
    PNG = "PNG"
    TIFF = "TIFF"
    WEBP = "WEBP"
    AVIF = "AVIF"
    HEIF = "HEIF"
    RAW = "RAW"

    @property
    def has_alpha(self) -> bool:
        """Tell whether a file of this kind can be transparent."""
        return self is not Format.JPEG

    @property
    def largest_side(self) -> int:
        """The most pixels that a side of such a file can have, as its encoder has it."""
        return {"JPEG": 65_500, "WEBP": 16_383}.get(self.value, 65_535)

    def objection(self, size: tuple[int, int], *, transparent: bool) -> str:
        """Say why a photo of this width and height cannot be written so; empty if it can."""
        if transparent and not self.has_alpha:
            return f"{self.name} cannot be transparent; use PNG, TIFF or WebP"
        if max(size) > self.largest_side:
            side, most = max(size), self.largest_side
            return f"{self.name} takes at most {most} pixels a side, not {side}; use PNG or TIFF"
        return ""
