"""Location of objects in a photo, by the semantic encoder's own classes. No torch.

The encoder's classifier is linear on a mean over places, so it can be asked of each place alone
(class activation maps; Zhou et al., "Learning deep features for discriminative localization", CVPR
2016). It marks the parts by which an object is recognised; a random walk over similar places fills
the object and stops at its edges (Ahn and Kwak, "Learning pixel-level semantic affinity with
image-level supervision", CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.encoder import Seen, class_shares, encode
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.view import normalised_luma, view_size

Array = NDArray[np.float32]

FOUND = 0.4
"""Probability, in some place, from which an object counts as found."""

# Scale of the view, relative to the encoder's usual one: there, an object of a fifth of the photo
# is one place.
_LARGER = 2
# Distances in cells, luma and features (cosines) over which places are alike, one deviation.
_REACH, _LUMA, _FEATURES = 5.0, 0.07, 0.35
_WALK, _STEPS = 0.9, 24
# Edge of an object, as a share of the walk's value in its middle, and the edge's softness.
_MIDDLE, _SOFT = 0.45, 0.07
_TOP = 0.99


class Places:
    """Places of things in one photo."""

    def __init__(self, luma: Array) -> None:
        """Look at luma (H, W) of display values in [0, 1]."""
        height, width = (_LARGER * side for side in view_size(*luma.shape))
        view = resize(np.repeat(luma[..., None], 3, 2), (height, width), smooth=True)
        self._luma = luma
        self._seen: Seen = encode(normalised_luma(np.clip(view, 0, 1)))

    def probability(self, classes: Sequence[int]) -> float:
        """Return the probability, 0 to 1, of these classes in their likeliest place."""
        return float(self._marked(classes).max())

    def map(self, classes: Sequence[int], size: tuple[int, int]) -> Array:
        """Return the degree, 0 to 1, to which each of (h, w) places belongs to the object."""
        marked = resize(self._marked(classes)[..., None], size, smooth=True)[..., 0]
        alike = self._alike(size)
        start = np.clip(marked, 0, 1).ravel()
        walked = start
        for _ in range(_STEPS):
            walked = _WALK * (alike @ walked) + (1 - _WALK) * start
        top = max(float(np.quantile(walked, _TOP)), 1e-6)
        inside = 1 / (1 + np.exp(-(walked / top - _MIDDLE) / _SOFT))
        return np.asarray(start.max() * inside.reshape(size), np.float32)

    def _marked(self, classes: Sequence[int]) -> Array:
        return np.asarray(class_shares(self._seen)[..., list(classes)].sum(-1), np.float32)

    def _alike(self, size: tuple[int, int]) -> Array:
        """Probabilities (N, N) of a step from each place of a grid to each other one."""
        luma = resize(self._luma[..., None], size, smooth=True).reshape(-1, 1)
        fine = resize(self._seen.fine, size, smooth=True).reshape(luma.size, -1)
        fine = (fine - fine.mean(0)) / (fine.std(0) + 1e-3)
        fine /= np.linalg.norm(fine, axis=1, keepdims=True) + 1e-6
        rows, columns = np.divmod(np.arange(luma.size, dtype=np.float32), size[1])
        where = np.stack([rows, columns], 1) / _REACH
        at = np.concatenate([where, luma / _LUMA, fine / (_FEATURES * np.sqrt(2))], 1)
        at = at.astype(np.float32)
        squares = (at**2).sum(1)
        chances = np.exp(-0.5 * np.maximum(squares[:, None] + squares - 2 * at @ at.T, 0))
        return np.asarray(chances / chances.sum(1, keepdims=True), np.float32)
