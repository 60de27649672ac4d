"""Between a photo's own colour space and the engine's: display-encoded sRGB without bounds.

Colours outside sRGB become values below 0 or above 1 and come back as they were. Photos without
a profile, and those in sRGB itself, pass through to the bit. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.icc import ProfileError, Shaper, read_shaper, tables_of
from ldrps_engine.colour.lattice import Inverse
from ldrps_engine.colour.srgb import to_display, to_linear

Array = NDArray[np.float32]

_STRIP = 1 << 19
# sRGB's primaries and white under D50, from IEC 61966-2-1 by the Bradford transform, as the
# ICC publishes them: XYZ = matrix @ light.
_SRGB = np.array(
    [
        [0.436030, 0.385100, 0.143070],
        [0.222440, 0.716940, 0.060620],
        [0.013930, 0.097080, 0.714000],
    ]
)
_SAME_PRIMARIES = 2e-3
_SAME_CURVE = 2e-3


class ColourSpace(Protocol):
    """Converts (H, W, 1) or (H, W, 3) display values, whichever the photo has."""

    def forward(self, values: Array) -> Array:
        """The photo's own values to sRGB."""
        ...

    def backward(self, values: Array) -> Array:
        """SRGB to the photo's own values."""
        ...


@dataclass(frozen=True)
class Srgb:
    """Nothing to convert."""

    def forward(self, values: Array) -> Array:
        """The same values."""
        return values

    def backward(self, values: Array) -> Array:
        """The same values."""
        return values


@dataclass(frozen=True)
class _Shaped:
    """Curves and a matrix."""

    shaper: Shaper

    def forward(self, values: Array) -> Array:
        light = self._per_channel(values, "decode")
        if self.shaper.matrix is not None:
            light = light @ _times(np.linalg.solve(_SRGB, self.shaper.matrix))
        return to_display(light)

    def backward(self, values: Array) -> Array:
        light = to_linear(values)
        if self.shaper.matrix is not None:
            light = light @ _times(np.linalg.solve(self.shaper.matrix, _SRGB))
        return self._per_channel(light, "encode")

    def _per_channel(self, values: Array, direction: str) -> Array:
        curves = self.shaper.curves
        if len(curves) == 1:
            return np.asarray(getattr(curves[0], direction)(values), np.float32)
        channels = (getattr(c, direction)(values[..., k]) for k, c in enumerate(curves))
        return np.stack(list(channels), axis=-1)


@dataclass(frozen=True)
class _Tabled:
    """Tables in several dimensions, through littleCMS, which holds them between 0 and 1."""

    profile: bytes
    has_way_back: bool
    """True where the profile undoes its own tables; those of scanners mostly do not."""

    def forward(self, values: Array) -> Array:
        light = _transformed(np.clip(values, 0, 1), self.profile, _light_profile())
        return to_display(light)

    def backward(self, values: Array) -> Array:
        if not self.has_way_back:
            return _inverse_of(self.profile)(values)
        return _transformed(to_linear(values), _light_profile(), self.profile)


def to_srgb(values: Array, space: ColourSpace) -> Array:
    """(H, W, C) of the photo's own display values to sRGB, unbounded."""
    if isinstance(space, Srgb):
        return values
    result = np.empty_like(values)
    for rows in strips(values):
        result[rows] = space.forward(values[rows])
    return result


def from_srgb(values: Array, space: ColourSpace, before: Array) -> Array:
    """Back to the photo's own display values; `before` is what the photo held.

    What the restoration changed is added to what was there. So pixels that it did not change
    come back to the bit, and no rounding or clipping of a profile's curves is passed on.
    """
    if isinstance(space, Srgb):
        return values
    result = np.empty_like(before)
    for rows in strips(before):
        unchanged = space.backward(space.forward(before[rows]))
        result[rows] = before[rows] + (space.backward(values[rows]) - unchanged)
    return result


def colour_space(profile: bytes, *, grey: bool) -> ColourSpace:
    """The space a profile describes; sRGB if there is none or it cannot be used."""
    try:
        return read_colour_space(profile, grey=grey)
    except ProfileError:
        return Srgb()


def read_colour_space(profile: bytes, *, grey: bool) -> ColourSpace:
    """The space a profile describes; ProfileError says why it cannot be used."""
    if not profile:
        return Srgb()
    has_tables, has_way_back = tables_of(profile)
    if has_tables and not grey and profile[16:20] == b"RGB ":
        return _tabled(profile, has_way_back=has_way_back)
    shaper = read_shaper(profile, grey=grey)
    return Srgb() if _is_srgb(shaper) else _Shaped(shaper)


def _tabled(profile: bytes, *, has_way_back: bool) -> ColourSpace:
    # Both of littleCMS's directions once, so that what it refuses is known now.
    tabled = _Tabled(profile, has_way_back)
    values = tabled.forward(np.full((1, 1, 3), 0.5, np.float32))
    if has_way_back:
        tabled.backward(values)
    return tabled


@lru_cache(maxsize=4)
def _inverse_of(profile: bytes) -> Inverse:
    return Inverse(_Tabled(profile, has_way_back=False).forward)


def _is_srgb(shaper: Shaper) -> bool:
    if shaper.matrix is not None and np.abs(shaper.matrix - _SRGB).max() > _SAME_PRIMARIES:
        return False
    values = np.linspace(0, 1, 256, dtype=np.float32)
    seen = (to_display(curve.decode(values)) for curve in shaper.curves)
    return all(np.abs(display - values).max() < _SAME_CURVE for display in seen)


def _times(matrix: NDArray[np.float64]) -> Array:
    return matrix.T.astype(np.float32)


def strips(values: Array) -> list[slice]:
    """Rows to work on at a time: curves need several times the memory of what they convert."""
    rows = max(1, _STRIP // max(1, values[0].size))
    return [slice(top, top + rows) for top in range(0, values.shape[0], rows)]


def _transformed(values: Array, profile: bytes, target: bytes) -> Array:
    import imagecodecs

    try:
        made = imagecodecs.cms_transform(
            np.ascontiguousarray(values),
            profile,
            target,
            colorspace="rgb",
            outcolorspace="rgb",
            outdtype=np.float32,
        )
    except (imagecodecs.CmsError, ValueError, TypeError):
        raise ProfileError("is damaged") from None
    return np.asarray(made, np.float32).reshape(values.shape)


@lru_cache(maxsize=1)
def _light_profile() -> bytes:
    """SRGB's primaries without its curve, which littleCMS continues steeply below 0."""
    import imagecodecs

    primaries = [0.64, 0.33, 1, 0.30, 0.60, 1, 0.15, 0.06, 1]
    white = [0.3127, 0.3290, 1]
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, gamma=1.0))
