"""Pieces of damage: a choice of the certain ones among all marks, and their kinds. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.components import Components
from ldrps_engine.analysis.damage_evidence import bare_paper, like_what_is_sure, sure_from
from ldrps_engine.colour.masks import grown, opened

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

KINDS = ("scratches", "cracks", "folds", "dust", "stains", "torn edges")
"""Kinds of damage in words for people, by the shape of what is marked."""

_LEAST_AREA = 3
# Share of a photo above which marks are damage without doubt: lamps and glints cover less.
_ENOUGH = 0.012
# Cells along each side of the photo, and the largest share of one that counts: glints are in few.
_CELLS, _MOST_OF_A_CELL = 6, 0.02
# Share of a photo, capped per cell in this way, above which it is surely damaged all over.
_ALL_OVER = 0.005
CONCENTRATED = 0.7
"""Greatest probability of damage in only a few places."""
# The same in pixels, if the user says that the photo is damaged.
_ENOUGH_BELIEVED = 30
# Share of a photo from which marks are taken for the picture itself.
_MOST_SHARE = 0.3
MENDED_FROM = 0.5
"""Probability of damage from which it is named, and filled on request."""
FILLED_FROM = CONCENTRATED + 0.005
"""Probability from which `auto` fills it unasked: it lies all over the photo."""
# Share of a piece on an object above which it is taken for that object.
_MOSTLY = 0.5
# Half-width above which part of a line counts as another object, such as a collar.
_WIDEST = 0.02
# The same for damage believed because of its colour, and its lower limit in pixels.
_WIDEST_ALIKE, _LEAST_WIDE = 0.005, 3
# Share of such parts from which a piece is not a line.
_MOSTLY_WIDE = 0.25
# Reach of a print's border from the edge, least share of the side that it covers, and of its
# bounding box that it fills: a torn edge is ragged. A scratch beside the edge is narrow.
_BESIDE, _ALONG, _FULL = 0.1, 0.5, 0.8
_LONG, _STRAIGHT = 9.0, 0.85
# Width of a scratch, size of a speck and reach of a tear, relative to the long side.
_NARROW, _SMALL, _TORN = 0.01, 0.02, 0.03


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Least probabilities of a piece of damage."""

    marked: float
    """Least of each of its pixels."""
    surely: float
    """Least of its most likely pixel; lower if the network is not certain of anything."""
    mean: float
    """Least mean of all of them."""
    colours: float = 3.0
    """Most that colours like those of certain damage add to the log-odds."""
    on_paper: float = 0.6
    """Least of each pixel if all certain damage shows bare paper."""
    paper: float = 5.0
    """Most that the colour of bare paper adds to the log-odds."""


_UNASKED = Limits(marked=0.5, surely=0.9, mean=0.8)
BELIEVED = Limits(marked=0.5, surely=0.97, mean=0.5)
"""Lower limits, if the user says that the photo is damaged; `benchmarks.damage_limits` compares
others."""


@dataclass(frozen=True)
class Pieces:
    """Connected pieces of damage, and the choice of those that are certain enough."""

    parts: Components
    kept: Mask
    """Flags (count,), true for pieces that are kept."""
    mask: Mask
    probability: float

    @classmethod
    def of(
        cls,
        likely: Array,
        *,
        believed: bool,
        stains: bool,
        spared: Callable[[], Array | None],
        limits: Limits | None = None,
        reported_from: float = 0.0,
    ) -> Pieces:
        """Choose pieces of probable damage, given its probability `likely` (H, W).

        Pieces mostly on `spared` places, ones in (H, W), are left out; `spared` is only called if
        damage is at least as probable as `reported_from`.
        """
        least = limits or (BELIEVED if believed else _UNASKED)
        marked = likely > least.marked
        parts = Components.of(marked)
        areas, means = parts.areas(), parts.means(likely)
        kept = areas >= _LEAST_AREA
        kept &= parts.maxima(likely) >= least.surely
        kept &= means >= least.mean
        if kept.any():
            kept = kept & ~_borders(parts, areas)
        mask = parts.chosen(kept)
        if not stains and kept.any():
            names = cls(parts, kept, mask, 0.0).names()
            kept = kept & (names != "stains")
            half = math.ceil(_WIDEST * max(mask.shape))
            wide = opened(parts.chosen(kept & (names != "torn edges")), half)
            kept = kept & (parts.means(wide.astype(np.float32)) < _MOSTLY_WIDE)
            mask = parts.chosen(kept) & ~grown(wide, 2 * half)
        sure = _probability(means, areas, kept, mask, believed=believed)
        if kept.any() and sure >= reported_from and (places := spared()) is not None:
            kept = kept & (parts.means(places) < _MOSTLY)
            mask &= parts.chosen(kept)
            sure = _probability(means, areas, kept, mask, believed=believed)
        if not sure:
            return cls(parts, np.zeros_like(kept), np.zeros_like(mask), 0.0)
        return cls(parts, kept, mask, sure)

    def kinds(self) -> tuple[str, ...]:
        """Kinds of the pieces, those with the most pixels first."""
        if not self.kept.any():
            return ()
        names, areas = self.names(), self.parts.areas()
        sums = {kind: int(areas[self.kept & (names == kind)].sum()) for kind in KINDS}
        return tuple(sorted((k for k in KINDS if sums[k]), key=lambda kind: -sums[kind]))

    def names(self) -> NDArray[np.str_]:
        """Kind of every piece, by its length, width and place."""
        labels, long = self.parts.labels, max(self.mask.shape)
        rows, columns = np.nonzero(labels >= 0)
        which, areas = labels[rows, columns], self.parts.areas()
        reach = np.hypot(_extent(which, rows, len(areas)), _extent(which, columns, len(areas)))
        inner = labels[1:-1, 1:-1]
        around = (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:])
        rim = np.ones(labels.shape, bool)
        rim[1:-1, 1:-1] = ~np.logical_and.reduce([inner == other for other in around])
        outline = np.bincount(labels[rim & (labels >= 0)], minlength=len(areas))
        width = 2 * areas / np.maximum(outline, 1)
        length = np.maximum(areas / width, reach)
        edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        at_edge = np.bincount(edge[edge >= 0], minlength=len(areas))
        drawn_out = length > _LONG * width
        straight = reach > _STRAIGHT * length
        return np.select(
            [
                (at_edge > _TORN * long) & (width > _NARROW * long),
                drawn_out & straight & (width > max(_NARROW * long, 6)),
                drawn_out & straight,
                drawn_out,
                reach < max(_SMALL * long, 10),
            ],
            ["torn edges", "folds", "scratches", "cracks", "dust"],
            "stains",
        )


def believed_pieces(
    rgb: Array,
    likely: Array,
    *,
    stains: bool,
    spared: Callable[[], Array | None],
    limits: Limits = BELIEVED,
) -> Pieces:
    """Choose pieces of an image (H, W, 1 or 3) that is known to be damaged.

    The certain ones show what this damage looks like.
    """
    limits = replace(limits, surely=sure_from(likely, limits.surely))
    found = Pieces.of(likely, believed=True, stains=stains, spared=spared, limits=limits)
    if found.probability < MENDED_FROM or not found.mask.any():
        return found
    if (bare := bare_paper(rgb, found.mask)) is not None:
        # Nothing else can be damage then, and a little doubt is enough to leave wide parts out.
        limits = replace(limits, marked=limits.on_paper)
        alike = like_what_is_sure(rgb, likely, bare, limits.paper)
        less = like_what_is_sure(rgb, likely, bare, limits.colours)
    else:
        alike, less = like_what_is_sure(rgb, likely, found.mask, limits.colours), likely
        # Certain damage stays certain, even if a crack is grey and not white.
        alike = np.where(found.mask, np.maximum(alike, likely), alike)
    wide = _wide_parts(alike > limits.marked, found.mask)
    alike = np.where(wide, np.minimum(alike, less), alike)
    more = Pieces.of(alike, believed=True, stains=stains, spared=spared, limits=limits)
    return more if more.probability >= MENDED_FROM else found


def _probability(
    means: NDArray[np.float64], areas: NDArray[np.int64], kept: Mask, mask: Mask, *, believed: bool
) -> float:
    """Probability of damage of the pieces `kept`, marked by a `mask`; 0 for none."""
    total = int(areas[kept].sum())
    if not total or mask.mean() > _MOST_SHARE:
        return 0.0
    sure = float((means[kept] * areas[kept]).sum() / total)
    if believed:
        return sure * min(1.0, total / _ENOUGH_BELIEVED)
    concentrated = min(CONCENTRATED, sure * total / (_ENOUGH * mask.size))
    return max(concentrated, sure * min(1.0, _spread(mask) / _ALL_OVER))


def _wide_parts(marked: Mask, sure: Mask) -> Mask:
    """Mark parts (H, W) that are neither certain nor lines or specks.

    A bow in the hair may be as white as the paper.
    """
    parts = Components.of(marked & ~sure)
    wide = opened(marked, max(_LEAST_WIDE, math.ceil(_WIDEST_ALIKE * max(marked.shape))))
    return parts.chosen(parts.means(wide.astype(np.float32)) >= _MOSTLY_WIDE)


def _spread(mask: Mask) -> float:
    """Marked share of a mask (H, W), with a cap on what each cell can add."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    cells = rows * _CELLS // height * _CELLS + columns * _CELLS // width
    shares = np.bincount(cells, minlength=_CELLS * _CELLS) * (_CELLS * _CELLS / mask.size)
    return float(np.minimum(shares, _MOST_OF_A_CELL).mean())


def _borders(parts: Components, areas: NDArray[np.int64]) -> Mask:
    """Flags (count,), true for the print's own border: straight bands along its sides."""
    labels = parts.labels
    rows, columns = np.nonzero(labels >= 0)
    which, found = labels[rows, columns], np.zeros(len(areas), bool)
    down, across = (_ends(which, places, len(areas)) for places in (rows, columns))
    full = areas > _FULL * (np.ptp(down, axis=0) + 1) * (np.ptp(across, axis=0) + 1)
    for (first, last), (start, stop), size in (
        (down, across, labels.shape),
        (across, down, labels.shape[::-1]),
    ):
        along = stop - start + 1 > _ALONG * size[1]
        beside = (last < _BESIDE * size[0]) | (first >= (1 - _BESIDE) * size[0])
        found |= full & along & beside & (last - first + 1 > _NARROW * max(size))
    return found


def _ends(which: NDArray[np.int32], places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """First and last row or column (2, count) of each piece."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(low, which, places)
    np.maximum.at(high, which, places)
    return np.stack([low, high])


def _extent(which: NDArray[np.int32], places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Number of rows or columns that each piece spans."""
    first, last = _ends(which, places, count)
    return np.asarray(last - first + 1)
