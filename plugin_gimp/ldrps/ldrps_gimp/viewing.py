"""View of a photo in a window: visible part, scale, and split. Knows no GTK."""

from __future__ import annotations

from dataclasses import dataclass, replace

MOST_ENLARGED = 8.0
CROP_SIDE = 512
"""Side, in pixels, of the part of the photo that is restored around a place."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the photo, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    def holds(self, x: float, y: float) -> bool:
        """Tell whether a place lies in it."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height

    def common(self, other: Box) -> Box | None:
        """Return the common part of two boxes; None where there is none."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        if right <= left or bottom <= top:
            return None
        return Box(left, top, right - left, bottom - top)


@dataclass(frozen=True)
class Viewing:
    """View of a photo of `photo` pixels in a window of `window` pixels."""

    photo: tuple[int, int]
    """Width and height, as `window`."""
    window: tuple[int, int] = (1, 1)
    zoom: float = 0.0
    """Pixels of the window for one of the photo; 0: so that all of it is seen."""
    centre: tuple[float, float] = (0.5, 0.5)
    """Place in the middle of the window, as shares of the photo's sides."""
    split: float = 0.5
    """Place of the line between before and after, as a share of what is seen of the photo."""

    @property
    def fitting(self) -> float:
        """Scale at which all of the photo is seen; small ones are not enlarged."""
        across, down = (w / p for w, p in zip(self.window, self.photo, strict=True))
        return min(across, down, 1.0)

    @property
    def scale(self) -> float:
        """Pixels of the window for one of the photo."""
        return self.zoom or self.fitting

    @property
    def corner(self) -> tuple[float, float]:
        """Place of the photo's top left corner in the window."""
        x, y = (
            self._corner(w, p * self.scale, c)
            for w, p, c in zip(self.window, self.photo, self.centre, strict=True)
        )
        return x, y

    @staticmethod
    def _corner(window: int, length: float, centre: float) -> float:
        if length <= window:
            return (window - length) / 2
        # No more empty space than there has to be.
        return min(0.0, max(window - length, window / 2 - centre * length))

    @property
    def seen(self) -> Box:
        """Visible part of the photo, to whole pixels."""
        starts, ends = [], []
        for corner, window, photo in zip(self.corner, self.window, self.photo, strict=True):
            starts.append(min(photo - 1, max(0, int(-corner / self.scale))))
            ends.append(min(photo, int((window - corner) / self.scale) + 1))
        return Box(starts[0], starts[1], ends[0] - starts[0], ends[1] - starts[1])

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in the photo, in its pixels, that is seen at a place of the window."""
        left, top = self.corner
        return (x - left) / self.scale, (y - top) / self.scale

    def shows(self, x: float, y: float) -> bool:
        """Tell whether a place of the window shows some of the photo."""
        return Box(0, 0, *self.photo).holds(*self.place(x, y))

    def resized(self, width: int, height: int) -> Viewing:
        """Return the same view in a window of another size."""
        return replace(self, window=(max(1, width), max(1, height)))

    def zoomed(self, factor: float, x: float, y: float) -> Viewing:
        """Zoom; the photo under a place of the window stays there."""
        return self.at(self.scale * factor, x, y)

    def at(self, zoom: float, x: float, y: float) -> Viewing:
        """Show at another scale; the photo under a place of the window stays there."""
        zoom = min(MOST_ENLARGED, zoom)
        if zoom <= self.fitting:
            return replace(self, zoom=0.0)
        centre = (
            (held + (window / 2 - at) / zoom) / photo
            for held, window, at, photo in zip(
                self.place(x, y), self.window, (x, y), self.photo, strict=True
            )
        )
        return replace(self, zoom=zoom)._centred(*centre)

    def dragged(self, dx: float, dy: float) -> Viewing:
        """Move the photo with the pointer."""
        centre = (
            now - moved / (photo * self.scale)
            for now, moved, photo in zip(self.centre, (dx, dy), self.photo, strict=True)
        )
        return self._centred(*centre)

    def _centred(self, x: float, y: float) -> Viewing:
        """Return the view with a valid centre: no farther out than the window reaches."""
        kept = []
        for centre, window, photo in zip((x, y), self.window, self.photo, strict=True):
            half = min(0.5, window / (2 * photo * self.scale))
            kept.append(min(1 - half, max(half, centre)))
        return replace(self, centre=(kept[0], kept[1]))

    @property
    def line(self) -> float:
        """Place of the line between before and after across the window."""
        left, right = self._sides
        return left + self.split * (right - left)

    def split_at(self, x: float) -> Viewing:
        """Put the line between before and after at a place of the window."""
        left, right = self._sides
        return replace(self, split=min(1.0, max(0.0, (x - left) / max(1.0, right - left))))

    @property
    def _sides(self) -> tuple[float, float]:
        left, width = self.corner[0], self.photo[0] * self.scale
        return max(0.0, left), min(float(self.window[0]), left + width)


def crop_around(photo: tuple[int, int], x: float, y: float) -> Box:
    """Return the part to restore around a place of a photo: at most CROP_SIDE pixels a side."""
    width, height = (min(CROP_SIDE, side) for side in photo)
    left = min(photo[0] - width, max(0, round(x - width / 2)))
    top = min(photo[1] - height, max(0, round(y - height / 2)))
    return Box(left, top, width, height)
