"""Damage of prints and film: its place, its kinds, and the certainty. No torch.

A network looks at the photo in parts (`damage_views.py`). Marked pixels form connected pieces; a
piece is kept if it is surely damaged somewhere and likely to be all over, since filling a hair or a
twig by mistake is worse than leaving a scratch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.damage_contents import Contents, features_of, heads_of
from ldrps_engine.analysis.damage_gaps import closed_gaps
from ldrps_engine.analysis.damage_network import MULTIPLE
from ldrps_engine.analysis.damage_pieces import (
    FILLED_FROM,
    MENDED_FROM,
    Pieces,
    believed_pieces,
)
from ldrps_engine.analysis.damage_unasked import unasked_pieces
from ldrps_engine.analysis.damage_views import VIEWS, likely_from_sides
from ldrps_engine.analysis.faces import Face
from ldrps_engine.analysis.resampling import means_of_squares, reduce_part, resize
from ldrps_engine.analysis.rims import with_rims
from ldrps_engine.analysis.samples import Values, display
from ldrps_engine.colour.masks import without_pinholes
from ldrps_engine.colour.working import beside_hidden
from ldrps_engine.photo import Part, Photo
from ldrps_engine.settings import Settings

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Most pixels of the copy searched for damage.
_MOST_PIXELS = 3_000_000
# The same if damage is only to be named: then it has to cover more than hairlines do.
_GLANCE = 600_000
# Factor of pixels from which a copy's worst place is examined before the whole copy.
_MUCH_LARGER = 4
# Sides of that place, relative to the copy's.
_PLACE = 0.4
# Probability below which damage is neither named nor examined more closely.
_REPORTED_FROM = MENDED_FROM / 2
# Share of a photo's pixel from which it belongs to damage found in a smaller copy.
_COVERED = 0.3


@dataclass(frozen=True)
class Damage:
    """Damaged places of a photo. Neutral: an empty mask, probability 0, no kinds."""

    seen: Mask
    """Mask (h, w) of the copy in which it was found, true where that is damaged."""
    probability: float
    """Probability of visible damage, 0 to 1."""
    kinds: tuple[str, ...]
    """Names out of KINDS, those with the most pixels first."""
    exactly: Callable[[], Mask] | None = field(default=None, compare=False, repr=False)
    """Makes the mask of the photo itself; None: the copy is the photo."""

    @cached_property
    def mask(self) -> Mask:
        """Mask (H, W) of the photo itself, rims included; made on request."""
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
        """Tell whether it is filled on request."""
        return self.probability >= MENDED_FROM

    @property
    def is_beyond_doubt(self) -> bool:
        """Tell whether it is filled unasked."""
        return self.probability >= FILLED_FROM


def damage_of(photo: Photo, rgb: Array, settings: Settings) -> Damage | None:
    """Look for damage in a photo by its working values (H, W, 3); None if that is turned off."""
    if not settings.looks_for_damage:
        return None
    visible, whole = None if photo.alpha is None else photo.alpha != 0, Contents(rgb)
    found = look_for_damage(
        rgb,
        visible,
        believed=settings.mends_damage,
        stains=settings.damage == "auto",
        reported_from=0.0 if settings.details_damage else _REPORTED_FROM,
        whole=whole,
    )
    asked = settings.mends_damage or settings.amounts.get("damage", 0.0) > 0
    # Elsewhere the diagnosis knows pages, and what is only named needs no second check.
    if found.seen.any() and (asked or found.is_beyond_doubt) and whole.is_graphic:
        return found.without_any
    return found


def look_for_damage(
    rgb: Values,
    visible: Mask | None = None,
    *,
    believed: bool = False,
    stains: bool = True,
    reported_from: float = _REPORTED_FROM,
    whole: Contents | None = None,
) -> Damage:
    """Find damage in an image (H, W, 1 or 3); what is not `visible` has none.

    `believed`: the user says that there is some, and less will do to be sure; else a photo is
    glanced at first, and most are not looked at closely: of a large one the worst place alone, if
    even that has too little damage for it to be named. Without `stains` none is found that is
    neither a line nor small nor at the edge: a white collar may be taken for one. Features of faces
    are left alone, for which faces are looked for where the probability is `reported_from` or more.
    `whole` has the image's contents, for callers who want to know of them as well.
    """
    copies = _Copies(rgb)
    sight = copies.sight(_MOST_PIXELS if believed else _GLANCE, visible)
    look = _Look(Contents(sight.rgb), whole or Contents(rgb), believed, stains, reported_from)
    pieces = look.chosen(sight)
    if believed or pieces.probability < _REPORTED_FROM:
        return _damage(rgb, visible, sight, pieces)
    closer = copies.sight(_MOST_PIXELS, visible)
    if closer.size == sight.size:
        return _damage(rgb, visible, sight, pieces)
    if math.prod(closer.size) >= _MUCH_LARGER * math.prod(sight.size):
        worst = look.chosen(closer, _worst_place(sight.likely, closer.size))
        if worst.probability < MENDED_FROM:
            return _damage(rgb, visible, closer, worst)
    return _damage(rgb, visible, closer, look.chosen(closer))


@dataclass(frozen=True)
class _Look:
    """Search for damage in copies of one photo; see `look_for_damage`."""

    contents: Contents
    """Contents of the smallest copy: faces are as good in it."""
    whole: Contents
    """Contents of the image itself, whose colours reveal its kind."""
    believed: bool
    stains: bool
    reported_from: float

    def chosen(self, sight: _Sight, place: Part | None = None) -> Pieces:
        """Choose pieces of likely damage, in one place or all over.

        Faces are searched for only if there are pieces: a glint in an eye and a tooth are bright
        and small, and must not be filled.
        """
        seen = sight if place is None else sight.part(place)

        def spared() -> Array | None:
            features = sight.spared(self.contents.faces)
            return features if features is None or place is None else features[place]

        if self.believed:
            likely = seen.from_sides()
            found = believed_pieces(seen.rgb, likely, stains=self.stains, spared=spared)
            return self._through_faces(found, seen.rgb)
        found = unasked_pieces(
            seen.rgb,
            seen.likely,
            # One place only tells whether the rest needs to be examined.
            sight.from_sides if place is None else lambda: seen.likely,
            stains=self.stains,
            spared=spared,
            is_print=lambda: self.whole.is_print,
            reported_from=self.reported_from,
        )
        if place is None:
            return self._through_faces(found, seen.rgb)
        mask = np.zeros(sight.size, bool)
        mask[place] = found.mask
        return replace(found, mask=mask)

    def _through_faces(self, found: Pieces, rgb: Array) -> Pieces:
        """Return pieces with what joins those on both sides of a face.

        Nothing else of a face is filled that is not certain.
        """
        if found.probability < MENDED_FROM or not found.mask.any():
            return found
        heads = heads_of(self.contents.faces, found.mask.shape)
        if heads is None:
            return found
        return replace(found, mask=found.mask | closed_gaps(rgb, found.mask, heads))


def _worst_place(likely: Array, size: tuple[int, ...]) -> Part:
    """Return the place, in a copy of some other size, with most of the likely damage."""
    sums = np.pad((likely > MENDED_FROM).astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows, columns = (max(1, int(side * _PLACE)) for side in likely.shape)
    count = sums[rows:, columns:] - sums[:-rows, columns:]
    count += sums[:-rows, :-columns] - sums[rows:, :-columns]
    corner = np.unravel_index(int(count.argmax()), count.shape)
    begins = (
        int(start) * larger // smaller // MULTIPLE * MULTIPLE
        for start, larger, smaller in zip(corner, size, likely.shape, strict=False)
    )
    top, left = begins
    return slice(top, top + int(size[0] * _PLACE)), slice(left, left + int(size[1] * _PLACE))


def _damage(rgb: Values, visible: Mask | None, sight: _Sight, pieces: Pieces) -> Damage:
    """Return pieces found in a copy as damage of the image itself."""

    def exactly() -> Mask:
        mask = _at_size(pieces.mask, (rgb.shape[0], rgb.shape[1]))
        mask = with_rims(display(rgb), mask, sight.rgb, pieces.mask)
        # A pixel of damage that is left out is taken for the picture, and the filling follows it.
        mask = without_pinholes(mask)
        return mask if visible is None else mask & visible

    return Damage(pieces.mask, pieces.probability, pieces.kinds(), exactly)


def _at_size(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask found in a smaller copy at another size."""
    if mask.shape == size:
        return mask
    if not mask.any():
        return np.zeros(size, bool)
    larger = resize(mask[..., None].astype(np.float32), size, smooth=True)
    return np.asarray(larger[..., 0] > _COVERED)


@dataclass(frozen=True)
class _Sight:
    """A copy of an image, to be searched."""

    size: tuple[int, int]
    """Height and width of the copy."""
    make: Callable[[Part], Array]
    """Makes a place (h, w, 1 or 3) of the copy: nobody may want to see the rest."""
    visible: Mask | None
    """Mask of the image itself, true where it is seen; None: all of it."""

    @cached_property
    def rgb(self) -> Array:
        """The whole copy (h, w, 1 or 3)."""
        return self.make((slice(0, self.size[0]), slice(0, self.size[1])))

    @cached_property
    def likely(self) -> Array:
        """Probability (h, w) of damage, from a single network evaluation."""
        return self._looked(1)

    def part(self, place: Part) -> _Sight:
        """Return part of the copy as a copy of its own."""
        seen, rgb = self._seen, self.make(place)
        size = (rgb.shape[0], rgb.shape[1])
        return _Sight(size, rgb.__getitem__, None if seen is None else seen[place])

    def from_sides(self) -> Array:
        """Average over mirrored and rotated copies; costs no more than one large copy."""
        height, width = self.size
        return self._looked(max(1, min(VIEWS, _MOST_PIXELS // (height * width))))

    def _looked(self, views: int) -> Array:
        likely = likely_from_sides(np.clip(self.rgb, 0, 1), views)
        return likely if self._seen is None else likely * self._seen

    def spared(self, faces: tuple[Face, ...]) -> Array | None:
        """Ones (h, w) where lines and specks are no damage; None if there is no such place.

        These are the features of `faces`, and remains of a mount beside invisible parts.
        """
        features, seen = features_of(faces, self.size), self._seen
        if seen is None:
            return features
        edge = beside_hidden(seen).astype(np.float32)
        return edge if features is None else np.maximum(features, edge)

    @cached_property
    def _seen(self) -> Mask | None:
        return None if self.visible is None else _reduced(self.visible, self.size)


class _Copies:
    """Smaller copies of an image."""

    def __init__(self, rgb: Values) -> None:
        self._rgb = rgb

    def sight(self, most: int, visible: Mask | None) -> _Sight:
        """Return one of at most this many pixels."""
        height, width = self._rgb.shape[:2]
        scale = min(1.0, math.sqrt(most / (height * width)))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if scale == 1:
            return _Sight(size, lambda place: display(self._rgb[place]), visible)
        # Only for large ones: halving twice is a little less sharp.
        large = height * width >= 4 * _MOST_PIXELS

        def make(place: Part) -> Array:
            whole = self._halves if large else self._rgb
            return reduce_part(whole, size, place, smooth=True)

        return _Sight(size, make, visible)

    @cached_property
    def _halves(self) -> Array:
        """The image at half its size, of which smaller copies are made sooner."""
        return means_of_squares(self._rgb, 2)


def _reduced(visible: Mask, size: tuple[int, int]) -> Mask:
    if visible.shape == size:
        return visible
    return resize(visible[..., None].astype(np.float32), size, smooth=True)[..., 0] > 0.5
