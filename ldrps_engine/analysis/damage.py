"""Damage of prints and film: its place, its kinds, and the certainty. No torch.

A network looks at the photo in parts (`damage_network.py`). What it marks is kept in connected
pieces: a piece has to be surely damaged somewhere and likely so all over, since a hair or a twig
that is taken for a scratch and filled is worse than a scratch that stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.components import Components
from ldrps_engine.analysis.damage_network import MULTIPLE, log_odds
from ldrps_engine.analysis.faces import Face, find_faces
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.resampling import reduce, resize
from ldrps_engine.analysis.rims import grown, opened, with_rims
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

KINDS = ("scratches", "cracks", "folds", "dust", "stains", "torn edges")
"""Kinds of damage in words for people, by the shape of what is marked."""

_MOST_PIXELS = 3_000_000
"""Most pixels of the copy on which damage is looked for."""
_SIDE, _OVERLAP = 1024, 64
"""Parts that are looked at, and what of their surroundings is seen with them, pixels."""
_GLANCE = 600_000
"""The same where damage is only named, for which it has to cover more than hairlines do."""
_ENOUGH_LOOKED_AT = 1_000_000
"""Pixels that tell the strength of noise."""
_NOISE = 0.04
"""Standard deviation up to which noise does not disturb; a noisier photo is looked at reduced."""
_LEAST_SIDE = 48
"""Short side below which no photo is reduced, pixels."""
_MARKED, _MARKED_BELIEVED = 0.5, 0.3
_SURELY = 0.9
"""Probability that a piece reaches somewhere."""
_LEAST_AREA = 3
_MEAN, _MEAN_BELIEVED = 0.8, 0.5
"""Mean probability of a piece; less will do where the user says that the photo is damaged."""
MENDED_FROM = 0.5
"""Probability of damage from which it is named, and filled for whoever wants that."""
FILLED_FROM = 0.75
"""Probability from which `auto` fills it unasked: it lies all over the photo."""
_ENOUGH = 0.012
"""Share of a photo that is damage no doubt: lamps and glints that look like it are less."""
_CELLS, _MOST_OF_A_CELL = 6, 0.02
"""Cells in a row over the photo, and the share of one that counts: glints are in few of them."""
_ALL_OVER = 0.006
"""Share of a photo, counted in this way, that is no doubt damage of all of it."""
_CONCENTRATED = 0.7
"""Greatest probability of damage that is in a few places."""
_ENOUGH_BELIEVED = 30
"""The same in pixels, where the user says that the photo is damaged."""
_MOST_SHARE = 0.3
"""Share of a photo from which the marks are the picture itself."""
_VIEW = 512
"""Long side, in pixels, of the copy that tells photos from pages."""
_MOSTLY = 0.5
"""Share of a piece from which it is taken for what it lies on."""
_WIDEST = 0.02
"""Half of the width from which part of a line is something that it runs into, such as a collar."""
_MOSTLY_WIDE = 0.25
"""Share of such parts from which there is no line."""
_LONG, _STRAIGHT = 9.0, 0.85
_NARROW, _SMALL, _TORN = 0.01, 0.02, 0.03
"""Width of a scratch, size of a speck and reach of a tear, relative to the long side."""


@dataclass(frozen=True)
class Damage:
    """Damaged places of a photo. Neutral: an empty mask, probability 0, no kinds."""

    mask: Mask
    """Mask (H, W), true where it is damaged."""
    probability: float
    """Probability of damage that is seen, 0 to 1."""
    kinds: tuple[str, ...]
    """Names out of KINDS, those with the most pixels first."""

    @property
    def share(self) -> float:
        """Share of the photo's pixels that are damaged."""
        return float(self.mask.mean())

    @property
    def is_sure(self) -> bool:
        """Tell whether it is filled for whoever wants that."""
        return self.probability >= MENDED_FROM

    @property
    def is_beyond_doubt(self) -> bool:
        """Tell whether it is filled unasked."""
        return self.probability >= FILLED_FROM


def damage_of(photo: Photo, rgb: Array, settings: Settings) -> Damage | None:
    """Look for damage in a photo by its working values (H, W, 3); None where nobody is to look."""
    if not settings.looks_for_damage:
        return None
    visible = None if photo.alpha is None else photo.alpha != 0
    stains = settings.damage == "auto"
    return look_for_damage(rgb, visible, believed=settings.mends_damage, stains=stains)


def look_for_damage(
    rgb: Array, visible: Mask | None = None, *, believed: bool = False, stains: bool = True
) -> Damage:
    """Find damage as `find_damage` does; pages, screenshots and drawings have none.

    Unless it is `believed`, a large photo is glanced at first, and most are not looked at closely.
    """
    glance = not believed and rgb.shape[0] * rgb.shape[1] > _GLANCE
    view = _View(rgb)

    def look(most: int) -> Damage:
        return find_damage(
            rgb, visible, believed=believed, stains=stains, most=most, faces=view.faces
        )

    found = look(_GLANCE if glance else _MOST_PIXELS)
    if not found.probability:
        return found
    if glance and found.probability >= MENDED_FROM / 2:
        found = look(_MOST_PIXELS)
    if recognise(view.rgb).is_graphic:
        return Damage(np.zeros_like(found.mask), 0.0, ())
    return found


class _View:
    """A small copy of a photo, made once somebody looks at it."""

    def __init__(self, rgb: Array) -> None:
        self._whole = rgb

    @cached_property
    def rgb(self) -> Array:
        """The copy (h, w, 3)."""
        height, width, channels = self._whole.shape
        scale = min(1.0, _VIEW / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        view = np.clip(self._whole if scale == 1 else reduce(self._whole, size), 0, 1)
        return view if channels == 3 else np.repeat(view, 3, axis=2)

    @cached_property
    def _faces(self) -> tuple[Face, ...]:
        return find_faces(self.rgb)

    def faces(self) -> tuple[Face, ...]:
        """Return the faces in it."""
        return self._faces


def find_damage(
    rgb: Array,
    visible: Mask | None = None,
    *,
    believed: bool = False,
    stains: bool = True,
    most: int = _MOST_PIXELS,
    faces: Callable[[], tuple[Face, ...]] = tuple,
) -> Damage:
    """Find damage in an image (H, W, 1 or 3) of display values; what is not `visible` has none.

    `believed`: the user says that there is some, and less will do to be sure. Without `stains` none
    is found that is neither a line nor small nor at the edge: a white collar may be taken for one.
    It is looked for on a copy of at most so many pixels. `faces` is asked for where there is any: a
    glint in an eye and a tooth are bright and small, and are not to be filled.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, math.sqrt(most / (height * width)))
    if (noise := _noise(rgb)) * scale > _NOISE:
        # Where noise is strong its grains look like dust, and hide what is finer than they are.
        scale = max(_NOISE / noise, min(scale, _LEAST_SIDE / min(height, width)))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    seen = rgb if scale == 1 else reduce(rgb, size, smooth=True)
    likely = probabilities(np.clip(seen, 0, 1))
    if visible is not None:
        likely *= _reduced(visible, size)
    found = _Pieces.of(likely, believed=believed, stains=stains, faces=faces)
    if not believed:
        found = _all_of_a_damaged_print(likely, found, faces)
    mask = found.mask
    if not mask.any():
        mask = np.zeros((height, width), bool)
    elif scale < 1:
        mask = (
            resize(mask[..., None].astype(np.float32), (height, width), smooth=True)[..., 0] > 0.3
        )
    mask = with_rims(rgb, mask, seen, found.mask)
    if visible is not None:
        mask = mask & visible
    return Damage(mask, found.probability, found.kinds())


def _noise(rgb: Array) -> float:
    """Standard deviation of white noise, from the differences of neighbours in small squares."""
    every = max(1, rgb.shape[0] * rgb.shape[1] // _ENOUGH_LOOKED_AT)
    below = rgb[1::every].mean(2)
    above = rgb[::every][: len(below)].mean(2)
    apart = (below - above)[:, 1:] - (below - above)[:, :-1]
    return float(np.median(np.abs(apart))) / (2 * 0.6745) * math.sqrt(rgb.shape[2])


def probabilities(rgb: Array) -> Array:
    """Probability (H, W) that each pixel of an image in [0, 1] is damaged, found in parts."""
    height, width = rgb.shape[:2]
    colours = rgb if rgb.shape[2] == 3 else np.repeat(rgb, 3, axis=2)
    likely = np.empty((height, width), np.float32)
    for rows, kept_rows in _spans(height):
        for columns, kept_columns in _spans(width):
            part = colours[rows, columns]
            edges = [(0, -side % MULTIPLE) for side in part.shape[:2]]
            padded = np.pad(part, (*edges, (0, 0)), mode="symmetric")
            odds = log_odds(padded)[: part.shape[0], : part.shape[1]]
            inner = (
                slice(kept_rows.start - rows.start, kept_rows.stop - rows.start),
                slice(kept_columns.start - columns.start, kept_columns.stop - columns.start),
            )
            likely[kept_rows, kept_columns] = 1 / (1 + np.exp(-np.clip(odds[inner], -30, 30)))
    return likely


def _spans(length: int) -> Iterator[tuple[slice, slice]]:
    count = max(1, -(-length // _SIDE))
    for k in range(count):
        start, stop = length * k // count, length * (k + 1) // count
        # Parts begin where pairs of pixels do: what is found does not depend on how it is cut.
        outer = max(0, start - _OVERLAP) // MULTIPLE * MULTIPLE
        yield slice(outer, min(length, stop + _OVERLAP)), slice(start, stop)


def _reduced(visible: Mask, size: tuple[int, int]) -> Mask:
    if visible.shape == size:
        return visible
    return resize(visible[..., None].astype(np.float32), size, smooth=True)[..., 0] > 0.5


@dataclass(frozen=True)
class _Pieces:
    """Connected pieces of damage that are sure enough, out of all that were marked."""

    parts: Components
    kept: Mask
    """Flags (count,) of the pieces that are kept."""
    mask: Mask
    probability: float

    @classmethod
    def of(
        cls,
        likely: Array,
        *,
        believed: bool,
        stains: bool,
        faces: Callable[[], tuple[Face, ...]],
    ) -> _Pieces:
        """Choose pieces of what is probably damaged, with `likely` (H, W)."""
        marked = likely > (_MARKED_BELIEVED if believed else _MARKED)
        parts = Components.of(marked)
        areas, means = parts.areas(), parts.means(likely)
        kept = areas >= _LEAST_AREA
        kept &= parts.maxima(likely) >= _SURELY
        kept &= means >= (_MEAN_BELIEVED if believed else _MEAN)
        mask = parts.chosen(kept)
        if not stains and kept.any():
            names = cls(parts, kept, mask, 0.0)._names()
            kept = kept & (names != "stains")
            half = math.ceil(_WIDEST * max(mask.shape))
            wide = opened(parts.chosen(kept & (names != "torn edges")), half)
            kept = kept & (parts.means(wide.astype(np.float32)) < _MOSTLY_WIDE)
            mask = parts.chosen(kept) & ~grown(wide, 2 * half)
        if kept.any() and (features := _features(faces(), likely.shape)) is not None:
            kept = kept & (parts.means(features) < _MOSTLY)
            mask &= parts.chosen(kept)
        total = int(areas[kept].sum())
        if not total or mask.mean() > _MOST_SHARE:
            return cls(parts, np.zeros_like(kept), np.zeros_like(mask), 0.0)
        sure = float((means[kept] * areas[kept]).sum() / total)
        if believed:
            return cls(parts, kept, mask, sure * min(1.0, total / _ENOUGH_BELIEVED))
        concentrated = min(_CONCENTRATED, sure * total / (_ENOUGH * likely.size))
        spread = sure * min(1.0, _spread(mask) / _ALL_OVER)
        return cls(parts, kept, mask, max(concentrated, spread))

    def kinds(self) -> tuple[str, ...]:
        """Kinds of the pieces, those with the most pixels first."""
        if not self.kept.any():
            return ()
        names, areas = self._names(), self.parts.areas()
        sums = {kind: int(areas[self.kept & (names == kind)].sum()) for kind in KINDS}
        return tuple(sorted((k for k in KINDS if sums[k]), key=lambda kind: -sums[kind]))

    def _names(self) -> NDArray[np.str_]:
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


def _all_of_a_damaged_print(
    likely: Array, found: _Pieces, faces: Callable[[], tuple[Face, ...]]
) -> _Pieces:
    """Return all damage of a print that is damaged all over, and what was `found` of any other.

    Stains speak for such a print, also where they themselves are left; its other damage is believed
    sooner.
    """
    whole = _Pieces.of(likely, believed=False, stains=True, faces=faces)
    probability = max(whole.probability, found.probability)
    if probability < FILLED_FROM:
        return found
    every = _Pieces.of(likely, believed=True, stains=False, faces=faces)
    return replace(every, probability=probability) if every.probability else found


def _spread(mask: Mask) -> float:
    """Share of a mask (H, W) that is marked, no part of the photo counting for much."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    cells = rows * _CELLS // height * _CELLS + columns * _CELLS // width
    shares = np.bincount(cells, minlength=_CELLS * _CELLS) * (_CELLS * _CELLS / mask.size)
    return float(np.minimum(shares, _MOST_OF_A_CELL).mean())


def _features(faces: tuple[Face, ...], size: tuple[int, ...]) -> Array | None:
    """Ones (H, W) on eyes, noses and mouths; None where there are none."""
    if not faces:
        return None
    rows, columns = (
        np.asarray((np.arange(side) + 0.5) / max(size), np.float32) for side in size[:2]
    )
    on = [face.has_feature_at(rows[:, None], columns[None]) for face in faces]
    return np.asarray(np.logical_or.reduce(on), np.float32)


def _extent(which: NDArray[np.int32], places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Rows or columns that each piece reaches over."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(low, which, places)
    np.maximum.at(high, which, places)
    return np.asarray(high - low + 1)
