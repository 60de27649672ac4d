"""Damage of prints and film: its place, its kinds, and the certainty. No torch.

A network looks at the photo in parts (`damage_network.py`). What it marks is kept in connected
pieces: a piece has to be surely damaged somewhere and likely so all over, since a hair or a twig
that is taken for a scratch and filled is worse than a scratch that stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.damage_network import MULTIPLE, log_odds
from ldrps_engine.analysis.damage_pieces import (
    FILLED_FROM,
    MENDED_FROM,
    Pieces,
    believed_pieces,
    unasked_pieces,
)
from ldrps_engine.analysis.faces import Face, find_faces
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.analysis.resampling import reduce, resize
from ldrps_engine.analysis.rims import with_rims
from ldrps_engine.colour.working import beside_hidden
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

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
_SIDES = tuple(np.s_[::down, ::along] for down, along in ((1, 1), (1, -1), (-1, 1), (-1, -1)))
"""Views of a photo: as it is, in mirrors, and turned by both."""
_LEAST = 1e-4
"""Probability below which one view says no less to the others."""
_COVERED = 0.3
"""Share of a pixel of the photo from which it belongs to what was found in a smaller copy."""
_VIEW = 512
"""Long side, in pixels, of the copy that tells photos from pages, and shows faces."""


@dataclass(frozen=True)
class Damage:
    """Damaged places of a photo. Neutral: an empty mask, probability 0, no kinds."""

    seen: Mask
    """Mask (h, w) of the copy in which it was found, true where that is damaged."""
    probability: float
    """Probability of damage that is seen, 0 to 1."""
    kinds: tuple[str, ...]
    """Names out of KINDS, those with the most pixels first."""
    exactly: Callable[[], Mask] | None = field(default=None, compare=False, repr=False)
    """Makes the mask of the photo itself; None: the copy is the photo."""

    @cached_property
    def mask(self) -> Mask:
        """Mask (H, W) of the photo itself, rims included; made for whoever asks for it."""
        return self.exactly() if self.exactly else self.seen

    @property
    def without_any(self) -> Damage:
        """Undamaged photo of the same size."""
        nothing = np.zeros_like(self.seen)
        return Damage(nothing, 0.0, (), lambda: np.zeros_like(self.mask))

    @property
    def share(self) -> float:
        """Share of the pixels that are damaged; of the photo's own where it is sure that any are.

        Elsewhere the mask is hardly ever wanted, and a large photo's takes longer than the rest.
        """
        return float((self.mask if self.is_sure else self.seen).mean())

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
    found = look_for_damage(
        rgb, visible, believed=settings.mends_damage, stains=settings.damage == "auto"
    )
    asked = settings.mends_damage or settings.amounts.get("damage", 0.0) > 0
    # Elsewhere the diagnosis knows pages, and what is named alone need not be told from them twice.
    if found.seen.any() and (asked or found.is_beyond_doubt) and recognise(_small(rgb)).is_graphic:
        return found.without_any
    return found


def look_for_damage(
    rgb: Array, visible: Mask | None = None, *, believed: bool = False, stains: bool = True
) -> Damage:
    """Find damage in an image (H, W, 1 or 3) of display values; what is not `visible` has none.

    `believed`: the user says that there is some, and less will do to be sure; else a photo is
    glanced at first, and most are not looked at closely. Without `stains` none is found that is
    neither a line nor small nor at the edge: a white collar may be taken for one. Features of faces
    are left alone.
    """
    sight = _Sight(_copy(rgb, _MOST_PIXELS if believed else _GLANCE), visible)
    view = _View(sight.rgb)
    pieces = _chosen(sight, view, believed=believed, stains=stains)
    if not believed and pieces.probability >= MENDED_FROM / 2:
        closer = _copy(rgb, _MOST_PIXELS)
        if closer.shape != sight.rgb.shape:
            sight = _Sight(closer, visible)
            pieces = _chosen(sight, view, believed=believed, stains=stains)
    return _damage(rgb, visible, sight, pieces)


def _chosen(sight: _Sight, view: _View, *, believed: bool, stains: bool) -> Pieces:
    """Choose pieces of what is likely; faces are looked for where there are any.

    A glint in an eye and a tooth are bright and small, and are not to be filled.
    """

    def spared() -> Array | None:
        return sight.spared(view.faces)

    if believed:
        return believed_pieces(sight.rgb, sight.from_sides(), stains=stains, spared=spared)
    return unasked_pieces(sight.rgb, sight.once(), sight.from_sides, stains=stains, spared=spared)


def _damage(rgb: Array, visible: Mask | None, sight: _Sight, pieces: Pieces) -> Damage:
    """Return pieces that were found in a copy as damage of the image itself."""

    def exactly() -> Mask:
        mask = _at_size(pieces.mask, (rgb.shape[0], rgb.shape[1]))
        mask = with_rims(rgb, mask, sight.rgb, pieces.mask)
        return mask if visible is None else mask & visible

    return Damage(pieces.mask, pieces.probability, pieces.kinds(), exactly)


def _at_size(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask that was found in a smaller copy in another size."""
    if mask.shape == size:
        return mask
    if not mask.any():
        return np.zeros(size, bool)
    larger = resize(mask[..., None].astype(np.float32), size, smooth=True)
    return np.asarray(larger[..., 0] > _COVERED)


@dataclass(frozen=True)
class _Sight:
    """A copy of an image, to be looked at."""

    rgb: Array
    """The copy (h, w, 1 or 3)."""
    visible: Mask | None
    """Mask of the image itself, true where it is seen; None: all of it."""

    def once(self) -> Array:
        """Probability (h, w) of damage, at one look."""
        return self._looked(1)

    def from_sides(self) -> Array:
        """Return the same of a small copy from several sides, in a large one's time."""
        height, width = self.rgb.shape[:2]
        return self._looked(max(1, min(len(_SIDES), _MOST_PIXELS // (height * width))))

    def _looked(self, views: int) -> Array:
        likely = likely_from_sides(np.clip(self.rgb, 0, 1), views)
        return likely if self._seen is None else likely * self._seen

    def spared(self, faces: tuple[Face, ...]) -> Array | None:
        """Ones (h, w) where lines and specks are no damage; None where there is no such place.

        They are features of `faces`, and the last of a mount beside what is not seen.
        """
        features, seen = _features(faces, self.rgb.shape), self._seen
        if seen is None:
            return features
        edge = beside_hidden(seen).astype(np.float32)
        return edge if features is None else np.maximum(features, edge)

    @cached_property
    def _seen(self) -> Mask | None:
        height, width = self.rgb.shape[:2]
        return None if self.visible is None else _reduced(self.visible, (height, width))


def _copy(rgb: Array, most: int) -> Array:
    """Return an image of at most so many pixels; reduced further where its noise would disturb."""
    height, width = rgb.shape[:2]
    scale = min(1.0, math.sqrt(most / (height * width)))
    if (noise := _noise(rgb)) * scale > _NOISE:
        # Where noise is strong its grains look like dust, and hide what is finer than they are.
        scale = max(_NOISE / noise, min(scale, _LEAST_SIDE / min(height, width)))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return rgb if scale == 1 else reduce(rgb, size, smooth=True)


class _View:
    """A small copy of a photo, made once somebody looks for faces in it."""

    def __init__(self, whole: Array) -> None:
        self._whole = whole

    @cached_property
    def faces(self) -> tuple[Face, ...]:
        """Faces in it."""
        return find_faces(_small(self._whole))


def _features(faces: tuple[Face, ...], size: tuple[int, ...]) -> Array | None:
    """Ones (H, W) on eyes, noses and mouths; None where there are none."""
    if not faces:
        return None
    rows, columns = (
        np.asarray((np.arange(side) + 0.5) / max(size[:2]), np.float32) for side in size[:2]
    )
    on = [face.has_feature_at(rows[:, None], columns[None]) for face in faces]
    return np.asarray(np.logical_or.reduce(on), np.float32)


def _small(rgb: Array) -> Array:
    """Reduce an image (H, W, 1 or 3) to a copy (h, w, 3) in [0, 1]."""
    height, width, channels = rgb.shape
    scale = min(1.0, _VIEW / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    view = np.clip(rgb if scale == 1 else reduce(rgb, size), 0, 1)
    return view if channels == 3 else np.repeat(view, 3, axis=2)


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


def likely_from_sides(rgb: Array, views: int) -> Array:
    """Probability (H, W) of damage in an image in [0, 1], by the mean of so many views of it.

    What the network takes for damage by mistake is often none in a mirror.
    """
    if views == 1:
        return probabilities(rgb)
    odds = np.zeros(rgb.shape[:2], np.float32)
    for turn in _SIDES[:views]:
        seen = np.clip(probabilities(np.ascontiguousarray(rgb[turn]))[turn], _LEAST, 1 - _LEAST)
        odds += np.log(seen / (1 - seen))
    return np.asarray(1 / (1 + np.exp(-odds / views)), np.float32)


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
