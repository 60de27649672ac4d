"""ICC profiles of matrix and curves (ICC.1:2022, 8.3 and 8.4), read to numpy with exact curves.

littleCMS evaluates the same curves through tables, which costs 16-bit photos their last bits
and cuts off what lies below 0 or above 1; see docs/decisions on colour.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_MAX_TAGS = 256
_MAX_ENTRIES = 65_536
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}


class ProfileError(ValueError):
    """A profile that cannot be used; the message says why, without a subject."""

    def __init__(self, message: str, *, is_whole: bool = False) -> None:
        super().__init__(message)
        self.is_whole = is_whole
        """True for a whole profile for such a photo, which others may be able to use."""


class Curve(Protocol):
    """Curve from a channel's display values to light and back; odd around 0, open above 1."""

    def decode(self, values: Array) -> Array:
        """Display values to light."""
        ...

    def encode(self, light: Array) -> Array:
        """Light to display values."""
        ...


@dataclass(frozen=True, kw_only=True)
class Parametric:
    """Y = (aX + b)^g + e from d on, cX + f below (ICC.1:2022, 10.18). Neutral: all of X."""

    g: float = 1.0
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def decode(self, values: Array) -> Array:
        """Display values to light."""
        if self == Parametric():
            return values
        size = np.abs(values)
        curve = np.maximum(self.a * size + self.b, 0) ** self.g + self.e
        light = curve if self.d <= 0 else np.where(size >= self.d, curve, self.c * size + self.f)
        return np.asarray(np.copysign(light, values), np.float32)

    def encode(self, light: Array) -> Array:
        """Light to display values."""
        if self == Parametric():
            return light
        size = np.abs(light)
        curve = (np.maximum(size - self.e, 0) ** (1 / self.g) - self.b) / self.a
        if self.d > 0 and self.c > 0:
            # Where the two pieces do not meet, the upper one wins, as it does in `decode`.
            corner = (self.a * self.d + self.b) ** self.g + self.e
            curve = np.where(size >= corner, curve, (size - self.f) / self.c)
        return np.asarray(np.copysign(np.maximum(curve, 0), light), np.float32)


@dataclass(frozen=True, eq=False)
class Table:
    """A sampled curve, linear between its entries and, above 1, on with its last slope."""

    entries: Array
    """(N,) light at evenly spaced display values from 0 to 1, not falling."""

    def decode(self, values: Array) -> Array:
        """Display values to light."""
        size = np.abs(values)
        inside = np.interp(size, self._places(), self.entries)
        light = inside + np.maximum(size - 1, 0) * self._slope()
        return np.asarray(np.copysign(light, values), np.float32)

    def encode(self, light: Array) -> Array:
        """Light to display values."""
        size = np.abs(light)
        inside = np.interp(size, self.entries, self._places())
        values = inside + np.maximum(size - self.entries[-1], 0) / self._slope()
        return np.asarray(np.copysign(values, light), np.float32)

    def _places(self) -> NDArray[np.float64]:
        return np.linspace(0, 1, len(self.entries))

    def _slope(self) -> float:
        # Over the last sixteenth: single steps are rounded.
        back = max(1, len(self.entries) // 16)
        rise = float(self.entries[-1] - self.entries[-1 - back])
        return max(rise * (len(self.entries) - 1) / back, 1e-3)


@dataclass(frozen=True, kw_only=True)
class Shaper:
    """A profile of curves and, for colour, a matrix."""

    curves: tuple[Curve, ...]
    """One for grey or for all channels, else one for each of three."""
    matrix: NDArray[np.float64] | None
    """(3, 3): XYZ under D50 = matrix @ light; None for grey."""


def tables_of(profile: bytes) -> tuple[bool, bool]:
    """Tell whether a profile has tables in several dimensions to colours, and such ones back.

    Where there are any they come before a matrix (ICC.1:2022, 9.1). ProfileError if it is broken.
    """
    tags = _tags(profile)
    return b"A2B0" in tags, b"B2A0" in tags


def read_shaper(profile: bytes, *, grey: bool) -> Shaper:
    """Curves and matrix of a profile.

    A colour profile on a grey photo lends it the curve of green: its greys are neutral.
    ProfileError if the profile is broken or for other channels.
    """
    tags = _tags(profile)
    try:
        return _shaper(profile[16:20], tags, grey=grey)
    except ProfileError as error:
        right = profile[16:20] in ((b"GRAY", b"RGB ") if grey else (b"RGB ",))
        raise ProfileError(str(error), is_whole=right and _is_whole(profile)) from None


def _is_whole(profile: bytes) -> bool:
    return int.from_bytes(profile[:4], "big") <= len(profile)


def _shaper(space: bytes, tags: dict[bytes, bytes], *, grey: bool) -> Shaper:
    if space == b"GRAY":
        if not grey:
            raise ProfileError("is for grey photos")
        return Shaper(curves=(_curve(_needed(tags, b"kTRC")),), matrix=None)
    if space != b"RGB ":
        raise ProfileError(f"is for {space.decode('latin-1').strip() or 'no'} colours")
    if grey:
        return Shaper(curves=(_curve(_needed(tags, b"gTRC")),), matrix=None)
    parts = [_needed(tags, name) for name in (b"rTRC", b"gTRC", b"bTRC")]
    # Most profiles have one curve for all channels, which is quicker applied to all at once.
    same = parts[0] == parts[1] == parts[2]
    curves = (_curve(parts[0]),) if same else tuple(map(_curve, parts))
    columns = [_xyz(_needed(tags, name)) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    matrix = np.array(columns, np.float64).T
    if not abs(np.linalg.det(matrix)) > 1e-4:
        raise ProfileError("has primaries that span no colours")
    return Shaper(curves=curves, matrix=matrix)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise ProfileError("is damaged")
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > _MAX_TAGS or len(profile) < 132 + 12 * count:
        raise ProfileError("is damaged")
    tags = {}
    for index in range(count):
        name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[start : start + size]
    return tags


def _needed(tags: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in tags:
        raise ProfileError("lacks a part")
    return tags[name]


def _xyz(tag: bytes) -> tuple[float, ...]:
    if len(tag) < 20:
        raise ProfileError("is damaged")
    return tuple(value / 65536 for value in struct.unpack_from(">3i", tag, 8))


def _curve(tag: bytes) -> Curve:
    try:
        if tag[:4] == b"para":
            return _parametric(tag)
        if tag[:4] == b"curv":
            return _sampled(tag)
    except struct.error:
        raise ProfileError("is damaged") from None
    raise ProfileError("has a curve of an unknown kind")


def _sampled(tag: bytes) -> Curve:
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return Parametric()
    if count == 1:
        return _checked(Parametric(g=struct.unpack_from(">H", tag, 12)[0] / 256))
    if count > _MAX_ENTRIES or len(tag) < 12 + 2 * count:
        raise ProfileError("is damaged")
    entries = np.frombuffer(tag, ">u2", count, 12).astype(np.float32) / np.float32(65535)
    if not entries[-1] > entries[0]:
        raise ProfileError("has a curve that does not rise")
    return Table(np.maximum.accumulate(entries))


def _parametric(tag: bytes) -> Curve:
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind not in _PARAMETERS:
        raise ProfileError("has a curve of an unknown kind")
    count = _PARAMETERS[kind]
    p = [value / 65536 for value in struct.unpack_from(f">{count}i", tag, 12)]
    if kind == 0:
        return _checked(Parametric(g=p[0]))
    if kind in (1, 2):
        # Below -b/a there is the constant that kind 2 adds to all.
        offset = p[3] if kind == 2 else 0.0
        corner = -p[2] / p[1] if p[1] else 0.0
        return _checked(Parametric(g=p[0], a=p[1], b=p[2], c=0.0, d=corner, e=offset, f=offset))
    return _checked(Parametric(**dict(zip("gabcdef", p, strict=False))))


def _checked(curve: Parametric) -> Parametric:
    """A curve that can be undone: it rises, and does so within reason."""
    with np.errstate(all="ignore"):  # A curve without end does not rise either.
        ends = curve.decode(np.array([0.0, 0.5, 1.0], np.float32))
    if not (0.1 <= curve.g <= 10 and curve.a > 0 and ends[0] <= ends[1] < ends[2]):
        raise ProfileError("has a curve that does not rise")
    return curve
