"""ICC profiles of primaries and a curve, for colours that a file states by numbers (ICC.1:2022).

The same numbers give the same bytes, always: results are identified by their pixels and profile.
littleCMS's own profiles would hold the time of day.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

XY = tuple[float, float]
Matrix = NDArray[np.float64]

_D50 = (0.9642, 1.0, 0.8249)
_HEAD, _ENTRY = 128, 12
# Lam's cone responses, as ICC.1:2022, annex E, uses them.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SAME = 1e-6


@dataclass(frozen=True)
class Primaries:
    """Chromaticities (x, y) of a colour space."""

    red: XY
    green: XY
    blue: XY
    white: XY


def matrix_of(primaries: Primaries) -> Matrix:
    """Return the matrix (3, 3) with XYZ under the space's own white = matrix @ light.

    ValueError if the primaries span no colours.
    """
    three = (primaries.red, primaries.green, primaries.blue)
    corners = np.array([(x, y, 1 - x - y) for x, y in three]).T
    if not abs(np.linalg.det(corners)) > _SAME:
        raise ValueError("the primaries span no colours")
    return np.asarray(corners * np.linalg.solve(corners, _xyz(primaries.white)))


def adaptation(white: XY) -> Matrix:
    """Return Bradford's transform from a white to D50."""
    ratio = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ _xyz(white))
    return np.asarray(np.linalg.solve(_BRADFORD, ratio[:, None] * _BRADFORD))


def _xyz(xy: XY) -> NDArray[np.float64]:
    x, y = xy
    if not y > _SAME:
        raise ValueError("a chromaticity has no light")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def parametric(*parameters: float) -> bytes:
    """Encode a curve of one, three, four, five or seven numbers (10.18)."""
    kind = {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(parameters)]
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _fixed(parameters)


def sampled(entries: Sequence[int]) -> bytes:
    """Encode a curve of light in 65535ths at evenly spaced values (10.6)."""
    return b"curv" + bytes(4) + struct.pack(f">I{len(entries)}H", len(entries), *entries)


def colour_profile(
    name: str, primaries: Primaries, curves: Sequence[bytes], cicp: bytes = b""
) -> bytes:
    """Build a profile for three channels; `cicp` are the four bytes of H.273 that it stands for.

    `curves` are one for all channels or one for each. ValueError if there is no such space.
    """
    adapted = adaptation(primaries.white)
    columns = (adapted @ matrix_of(primaries)).T
    if not np.isfinite(columns).all() or np.abs(columns).max() > 100:
        raise ValueError("the primaries are out of reach")
    red, green, blue = curves if len(curves) == 3 else [curves[0]] * 3
    tags = {
        b"rXYZ": b"XYZ " + bytes(4) + _fixed(columns[0]),
        b"gXYZ": b"XYZ " + bytes(4) + _fixed(columns[1]),
        b"bXYZ": b"XYZ " + bytes(4) + _fixed(columns[2]),
        **{b"rTRC": red, b"gTRC": green, b"bTRC": blue},
        b"chad": b"sf32" + bytes(4) + _fixed(adapted.ravel()),
    }
    if cicp:
        tags[b"cicp"] = b"cicp" + bytes(4) + cicp
    return _assembled(b"RGB ", name, tags)


def grey_profile(name: str, curve: bytes) -> bytes:
    """Build a profile for one channel."""
    return _assembled(b"GRAY", name, {b"kTRC": curve})


def _fixed(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))


def _assembled(space: bytes, name: str, tags: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": _words(name),
        b"cprt": _words("CC0"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(_D50),
        **tags,
    }
    places: dict[bytes, int] = {}
    index, body = b"", b""
    start = _HEAD + 4 + _ENTRY * len(tags)
    for tag, data in tags.items():
        # Tags may share their data, as the three curves mostly do.
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        index += tag + struct.pack(">II", places[data], len(data))
    return _head(space, start + len(body)) + struct.pack(">I", len(tags)) + index + body


def _head(space: bytes, size: int) -> bytes:
    head = struct.pack(">I4xI4s4s4s", size, 0x04400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    return (head.ljust(68, b"\0") + _fixed(_D50)).ljust(_HEAD, b"\0")


def _words(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(data), 28) + data
