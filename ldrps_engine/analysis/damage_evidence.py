"""Evidence of a print's own damage: where the picture is gone, the same paper shows. No torch.

The network judges each place by what it learnt from many prints. Once some damage of one print is
sure, its colours speak for other places that the network doubts, and against those that look
otherwise, as far as they are rarer in the rest of the photo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.masks import grown

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Steps in which distances to the damage's colour are counted.
_BINS = 64
_SMOOTH = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
# Pixels that each step is taken to have beforehand.
_PRIOR = 0.5
# Probability of damage below which a pixel is the picture's.
_UNDAMAGED = 0.05
# Pixels beside the damage that are neither.
_APART = 3


def like_what_is_sure(rgb: Array, likely: Array, sure: Mask, most: float = 3.0) -> Array:
    """Probability of damage (H, W), given its probability without colours and what is sure.

    A pixel's colour counts by its distance to the usual one of sure damage: the likelihood ratio
    of that distance there and in the undamaged rest. It adds no more than `most` to the log-odds,
    and takes no more away.
    """
    apart = rgb - np.median(rgb[sure], axis=0)
    steps = np.minimum(np.sqrt((apart * apart).mean(2)) * _BINS, _BINS - 1).astype(np.intp)
    picture = (likely < _UNDAMAGED) & ~grown(sure, _APART)
    ratio = np.log(_frequencies(steps[sure]) / _frequencies(steps[picture]))
    evidence = np.clip(ratio, -most, most).astype(np.float32)[steps]
    odds = np.log(np.maximum(likely, 1e-4) / np.maximum(1 - likely, 1e-4)) + evidence
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _frequencies(steps: NDArray[np.intp]) -> NDArray[np.float64]:
    """Relative frequency (_BINS,) of each step, smoothed."""
    counts = np.bincount(steps, minlength=_BINS).astype(np.float64)
    smooth = np.convolve(counts, _SMOOTH / _SMOOTH.sum(), "same") + _PRIOR
    return np.asarray(smooth / smooth.sum())
