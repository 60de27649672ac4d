"""Damage that nobody has spoken of: filled only where it can hardly be anything else. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.damage_pieces import (
    CONCENTRATED,
    FILLED_FROM,
    Pieces,
    believed_pieces,
)
from ldrps_engine.colour.masks import grown, opened

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# The same where nothing else suggests an old print, since twigs, spray, drops, snow and masts are
# bright and thin too. 5 of 734 good photos reach this; none passes the checks below as well. Of 37
# photos with drawn damage, six in seven pass both.
_FILLED_ELSEWHERE = 0.9
# Share of each side that is the photo's rim, and least share of the damage inside the rim:
# otherwise it is a line that frames the picture.
_RIM, _LEAST_INSIDE = 0.1, 0.4
# Conditions for filling there: least number of pieces, greatest median distance of their pixels
# from the median colour (the paper's), least value of that colour, and greatest share of the photo.
# Words have one colour, but are larger, and a line that frames a picture is grey.
_SEVERAL, _EVEN, _BARE, _MOST_PAPER = 2, 0.035, 0.75, 0.1
# Dots of cloth: more than so many, of so even a size (deviation over mean), and most of what is
# marked. Dots on an umbrella and light through a screen have 0.24 to 0.36; of 60 damaged photos
# none has less than this, and eight, all of dust, have less than 0.6.
_SPOTS, _EVEN_SIZE, _MOST_SPOTS = 40, 0.4, 0.6
# Least value of paper in every channel, and half-width of strokes on it.
_PAPER, _STROKE = 0.9, 0.012


def unasked_pieces(
    rgb: Array,
    likely: Array,
    closely: Callable[[], Array],
    *,
    stains: bool,
    spared: Callable[[], Array | None],
    is_print: Callable[[], bool],
    reported_from: float = 0.0,
) -> Pieces:
    """Choose pieces of an image not known to be damaged: all of them if it is damaged all over.

    Stains are evidence of a damaged print, even if they themselves are left: its other damage then
    needs less certainty, if it is likely when examined `closely`. Damage of an image that is no old
    print, by `is_print`, has to show the same paper everywhere. Strokes on paper, spots of one size
    and `spared` places are no damage; the first and the last are not searched for if the damage is
    less probable than `reported_from`.
    """

    @cache
    def besides() -> Array:
        places, strokes = spared(), _strokes(rgb)
        return strokes if places is None else np.maximum(places, strokes)

    def pieces(*, stains: bool) -> Pieces:
        return Pieces.of(
            likely, believed=False, stains=stains, spared=besides, reported_from=reported_from
        )

    found = pieces(stains=stains)
    whole = found if stains else pieces(stains=True)
    probability = max(whole.probability, found.probability)
    if probability < FILLED_FROM:
        return found
    named = replace(found, probability=min(found.probability, CONCENTRATED))
    known = is_print()
    if not known and probability < _FILLED_ELSEWHERE:
        return named
    every = believed_pieces(rgb, closely(), stains=False, spared=besides)
    filled = every if every.mask.any() else found
    # Wide parts that are left may have been all there was.
    if not filled.mask.any() or _is_pattern(filled):
        return named
    if not known and (whole.kept.sum() < _SEVERAL or not _shows_paper(rgb, filled.mask)):
        return named
    return replace(filled, probability=probability)


def _is_pattern(pieces: Pieces) -> bool:
    """Tell whether pieces are spots of one size: dots of cloth, light through a screen."""
    areas = pieces.parts.areas()
    spots = areas[pieces.kept & (pieces.names() == "dust")]
    if len(spots) <= _SPOTS or spots.sum() < _MOST_SPOTS * areas[pieces.kept].sum():
        return False
    return bool(spots.std() < _EVEN_SIZE * spots.mean())


def _shows_paper(rgb: Array, mask: Mask) -> bool:
    """Tell whether all masked pixels have one bright colour, as if a print has lost emulsion."""
    rim = [math.ceil(_RIM * side) for side in mask.shape]
    inside = mask[rim[0] : -rim[0], rim[1] : -rim[1]].sum()
    if mask.mean() > _MOST_PAPER or inside < _LEAST_INSIDE * mask.sum():
        return False
    shown = rgb[mask]
    paper = np.median(shown, axis=0)
    apart = np.abs(shown - paper).mean(1)
    return bool(paper.mean() > _BARE and np.median(apart) < _EVEN)


def _strokes(rgb: Array) -> Array:
    """Ones (H, W) on narrow things between places as white as paper: ink, wires."""
    dark = rgb.min(2) < _PAPER
    wide = opened(dark, max(2, math.ceil(_STROKE * max(dark.shape))))
    return np.asarray(dark & ~grown(wide, 1), np.float32)
