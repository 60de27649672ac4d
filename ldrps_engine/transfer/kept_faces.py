"""Faces that keep their features: the model may change the brightness and contrast of a whole one.

The field that transfers the pilot's tones to the photo varies over a face, and with it a model
that has seen few faces could move a shadow, an eye or a mouth. Each face gets one line instead,
from the photo's own luma, undone by what was measured, to the pilot's; colours stay the pilot's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.faces import Face
from ldrps_engine.colour.srgb import YCC
from ldrps_engine.photo import Part

Array = NDArray[np.float32]

# Distances from the middle up to which a face is kept, and from which nothing is; 1: outline.
_WHOLE, _GONE = 0.9, 1.7
# Least and greatest slope of the line.
_GAIN = (0.5, 2.0)
# Variance of luma below which a slope means nothing.
_FEW = 1e-4


@dataclass(frozen=True)
class KeptFace:
    """One face, and the line by which its luma goes to the pilot's."""

    face: Face
    gain: float
    offset: float

    @classmethod
    def of(cls, face: Face, measured: Array, restored: Array) -> KeptFace | None:
        """Fit the line to two pictures of the photo (h, w, 3); None for a face too small to see."""
        size = measured.shape[0], measured.shape[1]
        share = share_of(face, size, (slice(0, size[0]), slice(0, size[1])))
        if share is None or share.sum() < 1:
            return None
        share /= share.sum()
        own, other = measured @ YCC[0], restored @ YCC[0]
        means = float((share * own).sum()), float((share * other).sum())
        variance = float((share * (own - means[0]) ** 2).sum())
        common = float((share * (own - means[0]) * (other - means[1])).sum())
        gain = float(np.clip(common / variance, *_GAIN)) if variance > _FEW else 1.0
        return cls(face, gain, means[1] - gain * means[0])

    def keep(self, measured: Array, restored: Array, size: tuple[int, int], where: Part) -> Array:
        """Return a restored part (h, w, 3) of a photo of (height, width) `size` with its face."""
        share = share_of(self.face, size, where)
        if share is None:
            return restored
        wanted = self.gain * (measured @ YCC[0]) + self.offset
        return np.asarray(restored + (share * (wanted - restored @ YCC[0]))[..., None], np.float32)


def share_of(face: Face, size: tuple[int, int], where: Part) -> Array | None:
    """Share (h, w) of a face in the pixels of a part, 0 to 1; None where there is none of it."""
    rows, columns = (
        np.asarray((np.arange(of.start, of.stop) + 0.5) / max(size), np.float32) for of in where
    )
    distance = face.distance(rows[:, None], columns[None])
    if distance.min() >= _GONE:
        return None
    share = np.clip((_GONE - distance) / (_GONE - _WHOLE), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
