"""Reduced copies of layers, which GIMP has at hand for its thumbnails: RGB of 8 bits, for a screen.

Read in GIMP they cost a twentieth of what a plug-in spends that has all tiles handed over and
reduces them itself; that is what is left where the user has switched off previews of layers.
"""

from __future__ import annotations

from typing import Any

from gi.repository import Babl, Gegl

from ldrps_gimp.pixels import SHOWN, SHOWN_ALPHA, Area, converted, whole

# Longest side in pixels of what GIMP hands out.
_MOST_SIDE = 1024
# Side in the layer's pixels of what is reduced at once: longer, and a dialog would stand still.
#
# A multiple of the sides of GIMP's tiles, which it reduces as a whole.
_SOURCE_SIDE = 1024


def piece_side(scale: float) -> int:
    """Return the side of a piece that is read in a moment, in the copy's pixels."""
    return max(1, int(_SOURCE_SIDE * scale))


def read_reduced(layer: Any, area: Area, scale: float, form: str = SHOWN) -> bytes:
    """Read a part of a reduced copy, in the copy's own pixels. `scale` is a power of two.

    `form` is SHOWN or SHOWN_ALPHA.
    """
    found = None
    if max(area.width, area.height) <= _MOST_SIDE and scale < 1:
        found = _thumbnail(layer, area, scale)
    if found is None:
        # Until its tables are there, GEGL reduces bytes to black.
        Gegl.init(None)
        buffer = layer.get_buffer()
        return bytes(buffer.get(area.rectangle(), scale, form, Gegl.AbyssPolicy.CLAMP))
    samples, own = found
    return converted(samples, area.width, area.height, own, form)


def _thumbnail(layer: Any, area: Area, scale: float) -> tuple[bytes, str] | None:
    """Return samples with their format; None where GIMP has none for us."""
    across, all_of_it = round(1 / scale), whole(layer)
    wanted = Area(*(across * side for side in (area.x, area.y, area.width, area.height)))
    # Of a side that is shorter than a pixel of the copy there is less.
    source = wanted.common(all_of_it)
    place = source.x, source.y, source.width, source.height
    data, *size, _bytes = layer.get_sub_thumbnail_data(*place, area.width, area.height)
    if data is None or size != [area.width, area.height]:
        return None
    if _is_as_stored(layer):
        own = Babl.get_name(layer.get_format())
    else:
        own = SHOWN_ALPHA if layer.has_alpha() else SHOWN
    return bytes(data.get_data()), own


def _is_as_stored(layer: Any) -> bool:
    """Tell whether thumbnails have the drawable's own format, as in GIMP 3.0, or a screen's.

    The selection, which every image has and no format of three bytes, shows it.
    """
    selection = layer.get_image().get_selection()
    *_found, pixel_bytes = selection.get_sub_thumbnail_data(0, 0, 1, 1, 1, 1)
    return bool(pixel_bytes != 3)
