"""The map of what the model generated: a red layer of its own, hidden, that shows over the photo
where something is generated, the more of it the redder.

Its mask is the map. Its numbers are shares from 0 to 1, whatever the image's precision.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from gi.repository import Gegl, Gimp

from ldrps_gimp.i18n import _
from ldrps_gimp.pixels import (
    SAMPLE_CODES,
    Area,
    Format,
    blend,
    crop,
    format_of,
    selection_over,
    write_strip,
)

MAP = Format("Y' u8", "u8", 1)
"""As it comes from the daemon."""
# Colour of generated places; in a grey image, its brightness.
_COLOUR = "#ff0000"
# Opacity in percent of the layer where everything is generated.
_OPACITY = 75.0


class Map:
    """One map. No image knows it until it is inserted."""

    def __init__(self, image: Any, layer: Any, area: Area, idle: Callable[[], None]) -> None:
        """Make a map for `image`, of an area of the layer that is restored."""
        self._source, self._area, self._idle, self._image = layer, area, idle, image
        self._inserted = False
        self._selection: bytes | None = None
        grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
        kind = Gimp.ImageType.GRAY_IMAGE if grey else Gimp.ImageType.RGB_IMAGE
        text = _("{layer} (generated)").format(layer=layer.get_name())
        size, mode = (area.width, area.height), image.get_default_new_layer_mode()
        self._layer = Gimp.Layer.new(image, text, *size, kind, _OPACITY, mode)
        self._layer.set_visible(False)
        _fill(self._layer)
        mask = self._layer.create_mask(Gimp.AddMaskType.BLACK)
        self._layer.add_mask(mask)
        self._layer.set_edit_mask(False)
        self._buffer = mask.get_buffer()
        self._form = format_of(mask)
        self._bytes = _bytes_of(self._form.kind)

    def lay_over(self, layer: Any) -> None:
        """Lay it over the area of the layer itself."""
        _found, x, y = layer.get_offsets()
        self._layer.set_offsets(x + self._area.x, y + self._area.y)

    def mask(self) -> None:
        """Show it only where the selection is now."""
        self._selection = selection_over(self._source, self._area)

    def write(self, strip: Area, shares: bytes) -> None:
        """Write a strip of the source layer, a byte for each pixel."""
        inside = strip.common(self._area)
        if inside.width <= 0 or inside.height <= 0:
            return
        shares = crop(shares, strip, inside, MAP)
        if self._selection:
            selected = crop(self._selection, self._area, inside, MAP)
            shares = blend(bytes(len(shares)), shares, selected, MAP)
        samples = bytearray(len(shares) * self._form.pixel_bytes)
        for at, table in enumerate(self._bytes):
            samples[at :: self._form.pixel_bytes] = shares.translate(table)
        place = -self._area.x, -self._area.y
        write_strip(self._buffer, inside, bytes(samples), self._form, self._idle, *place)

    def insert(self, parent: Any, position: int) -> bool:
        """Insert it into the image, within an undo group of the caller's."""
        self._let_go()
        self._layer.update(0, 0, self._area.width, self._area.height)
        self._inserted = bool(self._image.insert_layer(self._layer, parent, position))
        return self._inserted

    def discard(self) -> None:
        """Remove everything, unless it has come into the image."""
        self._let_go()
        if not self._inserted:
            self._layer.delete()

    def _let_go(self) -> None:
        if self._buffer is not None:
            self._buffer.flush()
            self._buffer = None


def _fill(layer: Any) -> None:
    """Fill with the colour that marks generated places."""
    Gimp.context_push()
    try:
        Gimp.context_set_foreground(Gegl.Color.new(_COLOUR))
        layer.fill(Gimp.FillType.FOREGROUND)
    finally:
        Gimp.context_pop()


def _bytes_of(kind: str) -> list[bytes]:
    """Return tables from each share, 0 to 255, to each byte of a sample."""
    top = {"u8": 255, "u16": 65535}.get(kind, 1.0)
    values = [share * top // 255 if kind in ("u8", "u16") else share / 255 for share in range(256)]
    packed = [struct.pack(f"={SAMPLE_CODES[kind]}", value) for value in values]
    return [bytes(each[at] for each in packed) for at in range(len(packed[0]))]
