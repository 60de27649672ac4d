"""Darkness and mist that belong to a photo, and are not faults. No torch.

A starry sky is dark and full of points of light; low key has nothing in its shadows that more light
would reveal; fog hides everything behind it in most places, while near objects are clear or nothing
has a colour. An under-exposed photo has lamps here and there, and objects in its shadows; through
haze objects are still visible, and where it hides most of them it is equally thick near and far.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.expectation import CELL
from ldrps_engine.analysis.resampling import resize, squares
from ldrps_engine.analysis.samples import Values, display
from ldrps_engine.analysis.view import view_size
from ldrps_engine.colour.srgb import YCC, luminance, to_linear

Array = NDArray[np.float32]

# Pixels around a star within which the sky is dark again.
_POINT = 4
# Difference of a star from its sky, share of it left around the star, and brightest sky: display
# values.
_BRIGHTER, _ROUND, _NIGHT = 0.1, 0.4, 0.35
_SIDE = 512
# Number of fields along a side that are searched for stars.
_FIELDS = 10
# Share of fields with a star: lamps of a town are in a third of them at most.
_STARRY = 0.5
# Share of the points of light that are isolated: 0.4 to 0.52 in four drawn skies, 0.06 at most in
# lamp-lit and large photos, whose many bright details are side by side.
_ALONE = 0.2
# Light below which a place lies in shadow, and below which it is clipped.
_DARK, _CLIPPED = 0.05, 1e-3
_MOSTLY = 0.5
# Relative contrast of shadows with nothing in them; those of 27 under-exposed photos have 0.17 and
# more, those of low key 0.06.
_NOTHING = 0.1
# Optical depth of the median place in fog, and its contrast (display values) without the air. Of 22
# hazy photos none is thicker than 0.54. Even haze over a mostly plain photo leaves as little.
_THICK, _BLANK = 0.62, 0.035
# Quantiles of the depth, and the far over the near one in fog: dense, even haze over 14 plain ones
# has 1.95 at the most, fog that is drawn by distance over 19 has 2.1 to 3.1, but for three.
_NEAR, _FAR, _DEEPENS = 0.05, 0.95, 2.05
# Chroma that the most colourful place would have without the air, less the usual one: in drawn fog
# over woods 0.045 at the most, under even haze over a photo 0.055 at the least.
_COLOURLESS = 0.05


def is_starry(rgb: Values) -> bool:
    """Tell whether a dark image (H, W, C) is a night sky full of stars.

    Half of its fields then have a point of light that stands alone in the dark, and so does a fifth
    of all points. Large photos are reduced to the brightest of each few pixels: no star is too
    small, but many a detail of what is lit by lamps becomes a point.
    """
    # Twice as fast as the maximum over the last axis.
    bright = _brightest(reduce(np.maximum, np.moveaxis(rgb, -1, 0)))
    height, width = bright.shape
    padded = np.pad(bright, _POINT, mode="edge")

    def moved(y: int, x: int) -> Array:
        return padded[_POINT + y : _POINT + y + height, _POINT + x : _POINT + x + width]

    peak = bright > _BRIGHTER
    for y, x in _ring(1):
        peak &= bright >= moved(y, x)
    rows, columns = np.nonzero(peak)
    around = np.stack([padded[rows + _POINT + y, columns + _POINT + x] for y, x in _ring(_POINT)])
    sky = np.median(around, axis=0)
    above = bright[rows, columns] - sky
    point = above > _BRIGHTER
    star = point & (around.max(0) - sky < _ROUND * above) & (sky < _NIGHT)
    fields = rows[star] * _FIELDS // height * _FIELDS + columns[star] * _FIELDS // width
    everywhere = len(np.unique(fields)) >= _STARRY * _FIELDS**2
    return everywhere and bool(star.sum() >= _ALONE * point.sum())


def _ring(radius: int) -> list[tuple[int, int]]:
    """Return the places that far from a pixel, in the larger of rows and columns."""
    span = range(-radius, radius + 1)
    return [(y, x) for y in span for x in span if max(abs(y), abs(x)) == radius]


def _brightest(values: Values) -> Array:
    side = max(1, max(values.shape) // _SIDE)
    return np.asarray(squares(display(values), side).max((1, 3)))


def is_low_key(rgb: Array) -> bool:
    """Tell whether most of a dark image (H, W, 3) is shadow with nothing in it."""
    view = resize(rgb, view_size(*rgb.shape[:2]), smooth=True)
    cells = squares(np.maximum(luminance(to_linear(np.clip(view, 0, 1))), 0), CELL)
    light, contrast = cells.mean((1, 3)), cells.std((1, 3))
    dark = (light < _DARK) & (light > _CLIPPED)
    if dark.mean() < _MOSTLY:
        return False
    return float(np.median(contrast[dark] / light[dark])) < _NOTHING


def is_fog(rgb: Array, depth: Array) -> bool:
    """Tell whether an image (H, W, 3) seen through air of `depth` (h, w) shows fog itself.

    An image smaller than the analysed size is blank for that reason, and is not judged.
    """
    if max(rgb.shape[:2]) < max(view_size(*rgb.shape[:2])):
        return False
    view = resize(rgb, view_size(*rgb.shape[:2]), smooth=True)
    cells, thickness = squares(view @ YCC.T, CELL), float(np.median(depth))
    contrast = float(np.median(cells[..., 0].std((1, 3)))) * np.exp(thickness)
    if thickness <= _THICK or contrast >= _BLANK:
        return False
    near, far = np.quantile(depth, (_NEAR, _FAR))
    chroma = cells[..., 1:].mean((1, 3))
    colours = np.hypot(*np.moveaxis(chroma - np.median(chroma, axis=(0, 1)), -1, 0))
    return bool(far > _DEEPENS * near or colours.max() * np.exp(thickness) < _COLOURLESS)
