"""Samples of a layer, strip by strip, in its own format: nothing is converted on the way.

A bare format name such as "R'G'B' u8" would mean sRGB; the name of the layer's own format carries
its colour space along.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gi.repository import Babl, Gegl, Gimp

from ldrps_gimp._contract import ENUMS
from ldrps_gimp.daemon import CHUNK_BYTES
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message

SHOWN = "R'G'B' u8"
"""Format of pictures in a window: sRGB."""
SHOWN_ALPHA = "R'G'B'A u8"
STRIP_ROWS = 64
# Widest piece in pixels: GIMP hands its tiles over one by one, which keeps a dialog waiting.
_PIECE_COLUMNS = 2048
MIN_SIDE = 16
_CONTEXT = 64
_BYTES = {"u8": 1, "u16": 2, "half": 2, "float": 4}
SAMPLE_CODES = {"u8": "B", "u16": "H", "half": "e", "float": "f"}
"""Codes of the kinds of samples in `struct`."""
_SAMPLE_TYPES = {"u8": "U8", "u16": "U16", "half": "F16", "float": "F32"}
_CURVES = {"": "new_linear_from_color_profile", "~": "new_srgb_trc_from_color_profile"}
_CHANNELS = {1: "GREY", 2: "GREY_ALPHA", 3: "RGB", 4: "RGBA"}
_RUNS = re.compile(rb"\x00+|\xff+|[^\x00\xff]+", re.DOTALL)


@dataclass(frozen=True)
class Area:
    """A rectangle in a layer's own coordinates."""

    x: int
    y: int
    width: int
    height: int

    def rows(self, count: int) -> Iterator[Area]:
        """Cut into strips of at most `count` rows."""
        for top in range(0, self.height, count):
            rows = min(count, self.height - top)
            yield Area(self.x, self.y + top, self.width, rows)

    def pieces(self, most: int = _PIECE_COLUMNS) -> Iterator[Area]:
        """Cut into pieces that GIMP takes or gives in a moment; one if it is not wide."""
        for left in range(0, self.width, most):
            columns = min(most, self.width - left)
            yield Area(self.x + left, self.y, columns, self.height)

    def common(self, other: Area) -> Area:
        """Return the common part of two areas; its height is not positive where there is none."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Area(left, top, right - left, bottom - top)

    def rectangle(self, dx: int = 0, dy: int = 0) -> Any:
        """Return a rectangle for GEGL, moved."""
        return Gegl.Rectangle.new(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True)
class Format:
    """Storage format of a layer's pixels."""

    name: str
    """Babl's name, colour space included."""
    kind: str
    """Kind of a sample: u8, u16, half or float."""
    channels: int

    @property
    def curve(self) -> str:
        """Mark of the samples' curve in Babl's names: ' the profile's, ~ sRGB's, none: linear."""
        return self.name.split()[0][1:2].strip("GA")

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return self.channels * _BYTES[self.kind]

    def raster(self, area: Area, profile: bytes) -> Message:
        """Convert to the daemon's Raster."""
        return {
            "width": area.width,
            "height": area.height,
            "channels": ENUMS["Channels"][f"CHANNELS_{_CHANNELS[self.channels]}"],
            "sample_type": ENUMS["SampleType"][f"SAMPLE_TYPE_{_SAMPLE_TYPES[self.kind]}"],
            "icc_profile": profile,
        }


def format_of(layer: Any) -> Format:
    """Return a layer's format; RestoreError for those that cannot be sent."""
    own = layer.get_format()
    model, _space, kind = Babl.get_name(own).partition(" ")
    kind = kind.split("-")[0]
    if kind not in _BYTES:
        raise RestoreError(
            "photo",
            _("Images of this precision are not taken; choose Image > Precision > 32-bit float."),
        )
    channels = (3 if model.startswith("R") else 1) + model.endswith("A")
    return Format(Babl.get_name(own), kind, channels)


def whole(layer: Any) -> Area:
    """Return the area of all of a layer."""
    return Area(0, 0, layer.get_width(), layer.get_height())


def check_unchanged(layer: Any, size: Area, form: Format) -> None:
    """Raise RestoreError if the user closed, deleted or converted a layer meanwhile.

    GIMP ends a process that reads or writes pixels of a removed one.
    """
    if not layer.is_valid():
        text = _("The layer was closed or deleted while it was restored.")
    elif whole(layer) != size:
        text = _("The layer's size changed while it was restored.")
    elif Babl.get_name(layer.get_format()) != form.name:
        text = _("The layer was converted while it was restored.")
    else:
        return
    raise RestoreError("photo", text)


def selected(layer: Any) -> Area | None:
    """Return the part of a layer that the selection touches, feather included, if there is one."""
    if Gimp.Selection.is_empty(layer.get_image()):
        return None
    touched, x, y, width, height = layer.mask_intersect()
    if not touched or not width or not height:
        raise RestoreError(
            "photo", _("The selection lies outside of the layer; move it, or choose Select > None.")
        )
    return Area(x, y, width, height)


def selection_over(layer: Any, area: Area) -> bytes:
    """Return the selection over an area of a layer, a byte for each pixel."""
    selection = layer.get_image().get_selection().get_buffer()
    _found, x, y = layer.get_offsets()
    return read(selection, area, "Y u8", x, y)


def with_context(part: Area, layer: Any) -> Area:
    """Return the part and its surroundings, half its size on every side: haze, light and noise
    cannot be judged from a cut-out alone."""
    grow_x, grow_y = max(_CONTEXT, part.width // 2), max(_CONTEXT, part.height // 2)
    left, top = max(0, part.x - grow_x), max(0, part.y - grow_y)
    right = min(layer.get_width(), part.x + part.width + grow_x)
    bottom = min(layer.get_height(), part.y + part.height + grow_y)
    return Area(left, top, right - left, bottom - top)


def profile_of(image: Any, form: Format) -> bytes:
    """Return the ICC profile that a layer's samples are meant in.

    An image keeps its profile when its precision becomes linear or perceptual, while its samples
    follow another curve from then on. A profile of tables alone has one curve, and GIMP keeps it.
    """
    profile = image.get_effective_color_profile()
    if profile is None:
        return b""
    curve = _CURVES.get(form.curve)
    if curve and image.get_color_profile() is not None:
        profile = getattr(profile, curve)() or profile
    return bytes(profile.get_icc_profile())


def chunks(layer: Any, area: Area, form: Format, idle: Callable[[], None]) -> Iterator[bytes]:
    """Yield a layer's samples from the top, in pieces that the daemon takes."""
    buffer, size = layer.get_buffer(), whole(layer)
    for strip in area.rows(STRIP_ROWS):
        check_unchanged(layer, size, form)
        data = read_strip(buffer, strip, form, idle)
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]


def read(buffer: Any, area: Area, form: str, dx: int = 0, dy: int = 0) -> bytes:
    """Read samples of a part of a buffer, `dx` and `dy` further right and down."""
    return bytes(buffer.get(area.rectangle(dx, dy), 1.0, form, Gegl.AbyssPolicy.NONE))


def new_buffer(form: str, area: Area) -> Any:
    """Make a buffer that belongs to no layer, in one of Babl's formats.

    GIMP does not open GEGL for a plug-in. Without that, a buffer loses what it cannot keep in its
    cache: there is no file that it could go to.
    """
    Gegl.init(None)
    return Gegl.Buffer.new(form, area.x, area.y, area.width, area.height)


def converted(samples: bytes, width: int, height: int, own: str, form: str) -> bytes:
    """Convert samples from one of Babl's formats to another."""
    if own == form:
        return samples
    area = Area(0, 0, width, height)
    place, buffer = area.rectangle(), new_buffer(own, area)
    buffer.set(place, own, samples)
    return bytes(buffer.get(place, 1.0, form, Gegl.AbyssPolicy.NONE))


def shown(samples: bytes, width: int, height: int, form: Format) -> bytes:
    """Convert stored samples to RGB of 8 bits for a screen."""
    return converted(samples, width, height, form.name, SHOWN)


def read_strip(buffer: Any, strip: Area, form: Format, idle: Callable[[], None]) -> bytes:
    """Read a strip of a layer, with `idle` called in between."""
    parts = []
    for piece in strip.pieces():
        parts.append((read(buffer, piece, form.name), piece.width * form.pixel_bytes))
        idle()
    return side_by_side(parts, strip.height)


def side_by_side(parts: list[tuple[bytes, int]], rows: int) -> bytes:
    """Put parts side by side, each with the bytes of one of its rows."""
    if len(parts) == 1:
        return parts[0][0]
    return b"".join(
        part[row * size : (row + 1) * size] for row in range(rows) for part, size in parts
    )


def write_strip(
    buffer: Any,
    strip: Area,
    samples: bytes,
    form: Format,
    idle: Callable[[], None],
    dx: int = 0,
    dy: int = 0,
) -> None:
    """Write samples into a strip of a layer, `dx` and `dy` further right and down.

    `idle` is called in between.
    """
    for piece in strip.pieces():
        part = samples if piece == strip else crop(samples, strip, piece, form)
        buffer.set(piece.rectangle(dx, dy), form.name, part)
        # Otherwise all of it goes to GIMP at the end, while the dialog stands still.
        buffer.flush()
        idle()


class StripWriter:
    """Gathers bytes as they come and hands on whole strips."""

    def __init__(self, area: Area, form: Format) -> None:
        self._strips = area.rows(STRIP_ROWS)
        self._form = form
        self._strip = next(self._strips)
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Area, bytes]]:
        """Yield strips that are complete now, each with its samples."""
        self._data += data
        while (size := self._size()) and len(self._data) >= size:
            # GEGL takes bytes a hundred times as fast as bytearrays.
            yield self._strip, bytes(self._data[:size])
            del self._data[:size]
            self._strip = next(self._strips, Area(0, 0, 0, 0))

    def _size(self) -> int:
        return self._strip.width * self._strip.height * self._form.pixel_bytes


def crop(samples: bytes, area: Area, inside: Area, form: Format) -> bytes:
    """Return the samples of a part of an area."""
    size, width = form.pixel_bytes, area.width
    first = (inside.y - area.y) * width + inside.x - area.x
    starts = ((first + row * width) * size for row in range(inside.height))
    return b"".join(samples[start : start + inside.width * size] for start in starts)


def blend(old: bytes, new: bytes, mask: bytes, form: Format) -> bytes:
    """Mix: `new` where the mask is 255, `old` where it is 0, both to the bit; else a blend."""
    size = form.pixel_bytes
    out = bytearray(old)
    for run in _RUNS.finditer(mask):
        if mask[run.start()] == 0:
            continue
        part = slice(run.start() * size, run.end() * size)
        if mask[run.start()] == 255:
            out[part] = new[part]
        else:
            out[part] = _mixed(old[part], new[part], run.group(), form)
    return bytes(out)


def _mixed(old: bytes, new: bytes, mask: bytes, form: Format) -> bytes:
    code = f"={len(mask) * form.channels}{SAMPLE_CODES[form.kind]}"
    shares = [share / 255 for share in mask for _ in range(form.channels)]
    pairs = zip(struct.unpack(code, old), struct.unpack(code, new), shares, strict=True)
    mixed = [a + (b - a) * share for a, b, share in pairs]
    if form.kind in ("u8", "u16"):
        return struct.pack(code, *(round(value) for value in mixed))
    return struct.pack(code, *mixed)
