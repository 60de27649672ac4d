"""Colours that a file states by numbers in the place of an ICC profile, as the profile they mean.

H.273's code points (AVIF and HEIF's `nclx`, PNG's `cICP`), gamma and chromaticities (PNG's `gAMA`
and `cHRM`, TIFF's tags), and EXIF's mark of Adobe RGB (DCF 2.0, 3.3.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ldrps_client.files.colour._profile import (
    XY,
    Primaries,
    colour_profile,
    grey_profile,
    parametric,
    sampled,
)
from ldrps_client.files.metadata._ifd import EXIF, INTEROPERABILITY, Directory
from ldrps_engine.colour import srgb

_D65, _C, _EQUAL = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3)
BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_ADOBE = Primaries((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), _D65)
_SMPTE = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
# H.273 (07/2024), table 2.
_PRIMARIES = {
    1: BT709,
    4: Primaries((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), _C),
    5: Primaries((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: _SMPTE,
    7: _SMPTE,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _EQUAL),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}


def _broken(alpha: float, exponent: float, slope: float, corner: float) -> bytes:
    """Invert the curve alpha L^exponent - (alpha - 1), which below `corner` is slope L."""
    offset = (alpha - 1) / alpha
    return parametric(1 / exponent, 1 / alpha, offset, 1 / slope, slope * corner)


SRGB_CURVE = _broken(srgb.SCALE, 1 / srgb.EXPONENT, srgb.SLOPE, srgb.STRAIGHT_LIGHT)
_BT709_CURVE = _broken(1.09929682680944, 0.45, 4.5, 0.018053968510807)
# H.273, table 3, except logarithms, DCI's, and HDR, which is refused.
_CURVES = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709_CURVE),
    4: parametric(2.2),
    5: parametric(2.8),
    7: _broken(1.1115, 0.45, 4.0, 0.0228),
    8: parametric(1.0),
    13: SRGB_CURVE,
}
_UNSPECIFIED, _SRGB = 2, (1, 13)
_TAKEN_FOR = ", so the photo is taken for sRGB"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """Meaning of a file's numbers about colours. Neutral: sRGB."""

    profile: bytes = b""
    """ICC profile that says the same; empty for sRGB, and where it is not known."""
    odd: str = ""
    """Reason why the numbers could not be used; empty if they could, or if there were none."""


def by_code_points(primaries: int, transfer: int, *, grey: bool) -> Stated:
    """Interpret H.273's colour primaries and transfer characteristics."""
    # Each number that is unspecified counts as sRGB's.
    space = 1 if primaries == _UNSPECIFIED else primaries
    curve = 13 if transfer == _UNSPECIFIED else transfer
    if (space, curve) == _SRGB or (grey and curve == 13):
        return Stated()
    if space not in _PRIMARIES or curve not in _CURVES:
        numbers = f"{primaries}/{transfer}"
        return Stated(odd=f"its colours are {numbers} of H.273, which we do not know{_TAKEN_FOR}")
    name = f"H.273 {space}/{curve}"
    if grey:
        return Stated(profile=grey_profile(name, _CURVES[curve]))
    # Matrix 0, full range: pixels have been converted to RGB by then.
    cicp = bytes([space, curve, 0, 1])
    return Stated(profile=colour_profile(name, _PRIMARIES[space], [_CURVES[curve]], cicp))


def nclx_of(properties: Sequence[tuple[bytes, bytes]]) -> tuple[int, int] | None:
    """Return primaries and transfer characteristics of `colr`'s `nclx` (ISO 14496-12, 12.1.5)."""
    for name, data in properties:
        if name == b"colr" and data[:4] == b"nclx" and len(data) >= 8:
            return int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
    return None


def by_nclx(numbers: tuple[int, int] | None, *, grey: bool) -> Stated:
    """Interpret code points, if there are any."""
    return by_code_points(*numbers, grey=grey) if numbers else Stated()


def by_gamma(gamma: float | None, primaries: Primaries | None, *, grey: bool) -> Stated:
    """Interpret a decoding exponent and chromaticities; None: those of sRGB."""
    if gamma is not None and not 0.1 <= gamma <= 10:
        return Stated(odd=f"its gamma is stated as {gamma:.3g}, which cannot be{_TAKEN_FOR}")
    curve = SRGB_CURVE if gamma is None else parametric(gamma)
    return by_curves([curve], primaries, grey=grey)


def by_curves(curves: Sequence[bytes], primaries: Primaries | None, *, grey: bool) -> Stated:
    """Interpret curves from values to light, and chromaticities; None: those of sRGB."""
    if grey:
        plain = curves[0] == SRGB_CURVE
        return Stated() if plain else Stated(profile=grey_profile("Stated grey", curves[0]))
    if primaries is None and all(curve == SRGB_CURVE for curve in curves):
        return Stated()
    try:
        return Stated(profile=colour_profile("Stated colours", primaries or BT709, curves))
    except ValueError as error:
        return Stated(odd=f"its colours are stated by numbers that cannot be, {error}{_TAKEN_FOR}")


def srgb_if_none() -> list[bytes]:
    """Return the curve of a file that states none."""
    return [SRGB_CURVE]


def by_table(entries: Sequence[int]) -> bytes:
    """Encode a curve given as light in 65535ths for every value that a sample can have."""
    return sampled(entries)


def chromaticities(numbers: Sequence[float]) -> Primaries:
    """Pair the white's, red's, green's and blue's x and y, in PNG's order."""
    pairs: list[XY] = [(numbers[at], numbers[at + 1]) for at in range(0, 8, 2)]
    white, red, green, blue = pairs
    return Primaries(red, green, blue, white)


def by_exif(directory: Directory | None, *, grey: bool) -> Stated:
    """Return Adobe RGB, where a camera's file says that it follows DCF's optional colour space."""
    inner = directory.children.get(EXIF) if directory else None
    inner = inner.children.get(INTEROPERABILITY) if inner else None
    index = inner.entries.get(1) if inner else None
    if grey or index is None or not index.data.startswith(b"R03"):
        return Stated()
    return Stated(profile=colour_profile("Adobe RGB (1998)", _ADOBE, [parametric(563 / 256)]))
