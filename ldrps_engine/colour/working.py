"""A photo's own samples to the values the engine works on, and back. No torch.

The engine sees three channels of display-encoded sRGB without bounds: profiles are undone,
grey is repeated, and invisible pixels hold what lies next to them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.colour_space import Srgb, colour_space, from_srgb, strips, to_srgb
from ldrps_engine.colour.masks import grown
from ldrps_engine.photo import Depth, Part, Photo

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Width, relative to the long side, of the shadow or light that a mount leaves at an edge.
_EDGE = 0.006


def to_working(photo: Photo) -> Array:
    """(H, W, 3) display-encoded sRGB; below 0 and above 1 where the photo's own space reaches."""
    space = colour_space(photo.icc_profile, grey=photo.is_grey)
    # Before grey is repeated: a third of the arithmetic for grey photos.
    values = to_srgb(photo.pixels, space)
    visible = _visible(photo)
    if visible is not None:
        values = _filled(values, visible)
    return np.repeat(values, 3, axis=2) if photo.is_grey else values


def plain_bytes(photo: Photo) -> NDArray[np.uint8] | None:
    """Return samples (H, W, 3) of which a 255th are the working values; None where there are none.

    They are the photo's own: of eight bits, in sRGB, in colour, and all to be seen.
    """
    held = photo.held if photo.depth is Depth.U8 and not photo.is_grey else None
    if held is None or _visible(photo) is not None:
        return None
    plain = isinstance(colour_space(photo.icc_profile, grey=False), Srgb)
    return np.asarray(held[..., :3], np.uint8) if plain else None


class Canvas:
    """A photo of the same size, depth, profile and alpha as another, filled part by part.

    Invisible pixels are what they were. A grey photo that is to be `coloured` becomes sRGB,
    since its own profile has no colours.
    """

    def __init__(self, photo: Photo, *, coloured: bool = False) -> None:
        self._photo = photo
        self._gains_colour = coloured and photo.is_grey
        self._visible = _visible(photo)
        self._profile = b"" if self._gains_colour else photo.icc_profile
        self._space = colour_space(self._profile, grey=photo.is_grey)
        channels = photo.channels + 2 * self._gains_colour
        # In the photo's own depth: a canvas of floats would take up to four times the memory.
        self._samples = np.empty((photo.height, photo.width, channels), photo.depth.dtype)

    def put(self, where: Part, rgb: Array) -> None:
        """Fill the rows and columns `where` with working values (h, w, 3)."""
        own = self._photo.part(where)
        if self._gains_colour:
            own = Photo(np.repeat(own.pixels, 3, axis=2), own.depth, own.alpha)
        values = _mean(rgb) if own.is_grey else rgb
        if self._visible is not None or not isinstance(self._space, Srgb):
            # Its own values are newly made floats: not for those that do not need them.
            before = own.pixels
            values = from_srgb(values, self._space, before)
            if self._visible is not None:
                values = np.where(self._visible[where][..., None], values, before)
        self._samples[where] = own.with_pixels(values).to_samples()

    def photo(self) -> Photo:
        """Photo of what was filled in."""
        return Photo.from_samples(self._samples, self._profile)


def from_working(rgb: Array, photo: Photo, *, coloured: bool = False) -> Photo:
    """(H, W, 3) of working values in the photo's own channels, profile, depth and alpha."""
    canvas = Canvas(photo, coloured=coloured)
    for rows in strips(rgb):
        canvas.put((rows, slice(0, photo.width)), rgb[rows])
    return canvas.photo()


def neutral(rgb: Array, before: Array) -> Array:
    """The restored lightness with the chroma from before, for a photo that is to stay grey."""
    result = np.empty_like(rgb)
    for rows in strips(rgb):
        own = before[rows]
        result[rows] = _mean(rgb[rows]) + (own - _mean(own))
    return result


def _mean(rgb: Array) -> Array:
    """(H, W, 1) mean of the channels, to the bit where they are one."""
    green = rgb[..., 1:2]
    result = np.empty_like(green)
    for rows in strips(rgb):
        result[rows] = green[rows] + (rgb[rows] - green[rows]).mean(2, keepdims=True)
    return result


def _visible(photo: Photo) -> Mask | None:
    """Mask of the pixels that can be seen; None if all or none can."""
    if photo.alpha is None:
        return None
    visible: Mask = np.asarray(photo.alpha != 0)
    return visible if visible.any() and not visible.all() else None


def _filled(values: Array, visible: Mask) -> Array:
    """Invisible pixels mirrored from what lies next to them, in rows and then in columns.

    Mirrored rather than smoothed over: the photo's noise is measured from its pixels. The shadow
    that a mount leaves at a picture's edge is not mirrored: it would become a wide dark band.
    """
    inner = ~beside_hidden(visible)
    filled, known = _mirrored(values, inner if inner.any() else visible)
    # Rows with nothing visible are left to the columns, which know all other rows by now.
    columns, _ = _mirrored(filled.swapaxes(0, 1), known.swapaxes(0, 1))
    return np.where(visible[..., None], values, columns.swapaxes(0, 1))


def beside_hidden(visible: Mask) -> Mask:
    """Mark in (H, W) what is not visible, and what a mount may have shaded next to it."""
    return grown(~visible, math.ceil(_EDGE * max(visible.shape)))


def _mirrored(values: Array, visible: Mask) -> tuple[Array, Mask]:
    """(values with gaps in their rows filled, what is known then: rows with anything visible)."""
    result = values.copy()
    some: Mask = np.asarray(visible.any(axis=1))
    for row in np.flatnonzero(some & ~visible.all(axis=1)):
        result[row] = values[row, _sources(visible[row])]
    return result, np.broadcast_to(some[:, None], visible.shape)


def _sources(visible: Mask) -> NDArray[np.intp]:
    """Find the visible place from which each place of a row takes its value."""
    places = np.arange(visible.size)
    left = np.maximum.accumulate(np.where(visible, places, -1))
    right = np.minimum.accumulate(np.where(visible, places, visible.size)[::-1])[::-1]
    from_left = (left >= 0) & ((places - left <= right - places) | (right == visible.size))
    edge = np.where(from_left, left, right)
    # Symmetric about the border of what is visible, not about the last visible sample.
    mirrored = np.clip(2 * edge - places + np.sign(places - edge), 0, visible.size - 1)
    return np.where(visible, places, np.where(visible[mirrored], mirrored, edge))
