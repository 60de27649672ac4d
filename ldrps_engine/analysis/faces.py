"""Faces of people in a photo: where they are, and where their features are. No torch.

A network looks at the photo at two sizes (`face_network.py`): at the smaller one it sees faces that
fill the photo, at the larger one those of a group. It finds most faces that are at least a
thirtieth of the photo's long side, from the front or from the side; it misses some that are
downcast, covered or very dark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.face_network import MULTIPLE, STRIDE, look_for_faces
from ldrps_engine.analysis.resampling import reduce

Array = NDArray[np.float32]

# Long sides of the two copies, pixels.
_SIDES = (192, 320)
# Certainty from which it is a face: fruit and flowers have less.
_SURE = 0.55
# Overlap, of the union, from which two are the same face.
_SAME = 0.3
# Points that are features: eyes, tip of the nose, mouth; those behind are ears.
_POINTS = 4
# Outline of a face relative to the box, which ends at the brows' upper edge and the cheeks.
_GROWN = 1.15
# Radius around a feature, relative to the box.
_FEATURE = 0.16


@dataclass(frozen=True)
class Face:
    """One face. Lengths are relative to the photo's long side, from its top left corner."""

    certainty: float
    """0 to 1."""
    middle: tuple[float, float]
    """Row and column."""
    size: tuple[float, float]
    """Height and width of the box around it."""
    features: tuple[tuple[float, float], ...]
    """Rows and columns of the eyes, the tip of the nose, and the mouth."""

    def distance(self, rows: Array, columns: Array) -> Array:
        """Return how far points lie from the middle: 1 is the face's outline, an ellipse."""
        down = (rows - self.middle[0]) / (_GROWN * self.size[0] / 2)
        across = (columns - self.middle[1]) / (_GROWN * self.size[1] / 2)
        return np.asarray(np.hypot(down, across), np.float32)

    def has_feature_at(self, rows: Array, columns: Array) -> NDArray[np.bool_]:
        """Tell for points whether they lie on an eye, the nose or the mouth."""
        near = _FEATURE * max(self.size)
        found = [np.hypot(rows - row, columns - column) < near for row, column in self.features]
        return np.asarray(np.logical_or.reduce(found), bool)


def find_faces(view: Array) -> tuple[Face, ...]:
    """Find faces in an image (H, W, 1 or 3) of display values, the most certain first."""
    found = [face for side in _SIDES for face in _seen_at(view, side)]
    kept: list[Face] = []
    for face in sorted(found, key=lambda one: -one.certainty):
        if all(_overlap(face, other) < _SAME for other in kept):
            kept.append(face)
    return tuple(kept)


def kept_words(
    faces: tuple[Face, ...], *, published: bool, damage_found: bool = False
) -> tuple[str, ...]:
    """Say in a sentence that faces were kept; with the published method they are not.

    `damage_found`: detected damage is filled, which may leave some of it on a face.
    """
    if not faces:
        return ()
    if published:
        return ("recipe paper works as published and may redraw faces; other recipes keep them",)
    which = "a face was kept as it is"
    if len(faces) > 1:
        which = f"{len(faces)} faces were kept as they are"
    left = "; damage there that was too uncertain to be filled can be marked with a mask of damage"
    return (f"{which}, apart from light, colour, noise and damage{left if damage_found else ''}",)


def _seen_at(view: Array, side: int) -> list[Face]:
    """Every place predicted to be the middle of a face, at this long side."""
    scale = side / max(view.shape[:2])
    size = max(1, round(view.shape[0] * scale)), max(1, round(view.shape[1] * scale))
    seen = np.clip(reduce(view, size, smooth=True), 0, 1)
    if seen.shape[2] == 1:
        seen = np.repeat(seen, 3, axis=2)
    edges = [(0, -length % MULTIPLE) for length in size]
    odds, values = look_for_faces(np.pad(seen, (*edges, (0, 0))))
    places = np.argwhere(odds > math.log(_SURE / (1 - _SURE)))
    return [_face(odds[tuple(place)], values[tuple(place)], place, side) for place in places]


def _face(odds: float, values: Array, place: NDArray[np.int64], side: int) -> Face:
    anchor = (place[::-1] + 0.5) * STRIDE
    points = values.reshape(-1, 2)
    columns, rows = np.concatenate([points[:1] + anchor, points[2:] + anchor]).T / side
    width, height = points[1] / side
    return Face(
        certainty=float(1 / (1 + np.exp(-odds))),
        middle=(float(rows[0]), float(columns[0])),
        size=(float(height), float(width)),
        features=tuple(
            (float(row), float(column))
            for row, column in zip(rows[1 : 1 + _POINTS], columns[1 : 1 + _POINTS], strict=True)
        ),
    )


def _overlap(one: Face, other: Face) -> float:
    """Overlap of two faces' boxes, as a share of their union."""
    common = 1.0
    for axis in (0, 1):
        half = one.size[axis] / 2, other.size[axis] / 2
        low = max(one.middle[axis] - half[0], other.middle[axis] - half[1])
        high = min(one.middle[axis] + half[0], other.middle[axis] + half[1])
        common *= max(0.0, high - low)
    areas = one.size[0] * one.size[1] + other.size[0] * other.size[1]
    return common / (areas - common)
