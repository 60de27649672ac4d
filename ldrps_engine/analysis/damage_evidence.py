"""Evidence of a print's own damage: where the picture is gone, the same paper shows. No torch.

The network judges each place by what it learnt from many prints. Once some damage of one print is
certain, its colours are evidence for other places that the network doubts, and against those that
look different, the more so the rarer the colours are in the rest of the photo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.masks import grown

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Bins of the histogram of distances to the damage's colour.
_BINS = 64
_SMOOTH = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
# Pixels that each bin holds before counting.
_PRIOR = 0.5
# Probability of damage below which a pixel belongs to the picture.
_UNDAMAGED = 0.05
# Pixels next to the damage that count as neither.
_APART = 3
# Greatest median distance of certain damage from its median colour at which it shows bare paper,
# and greatest distance at which a pixel does.
_BARE, _PAPER = 0.06, 0.3
# Least value of paper: dark beams that are taken for damage have one colour, too, and white damage
# beside them would be dropped for its own.
_BRIGHT = 0.5
# Number of pixels that show how certain the network is of a photo, and the least probability that
# they must reach.
_SUREST, _SURE = 30, 0.9
# Log-odds by which pieces may be less certain, the lower limit, and the limit if nothing is
# certain.
_LESS, _LEAST, _UNSURE = 1.0, 0.8, 0.95


def sure_from(likely: Array, most: float) -> float:
    """Probability that a piece must reach, in a photo with `likely` (H, W); at most `most`.

    In a soft or compressed scan the network is less certain everywhere, of damage and of objects.
    """
    count = min(_SUREST, likely.size)
    top = float(np.partition(likely, likely.size - count, axis=None)[likely.size - count])
    if top < _SURE:
        return min(_UNSURE, most)
    odds = np.log(top / max(1 - top, 1e-6)) - _LESS
    return float(np.clip(1 / (1 + np.exp(-odds)), _LEAST, most))


def bare_paper(rgb: Array, sure: Mask) -> Mask | None:
    """Mark certain damage (H, W) that shows bare paper; None unless most has one bright colour."""
    paper = np.median(rgb[sure], axis=0)
    apart = rgb[sure] - paper
    distance = np.sqrt((apart * apart).mean(1))
    if np.median(distance) >= _BARE or paper.mean() < _BRIGHT:
        return None
    bare = sure.copy()
    bare[sure] = distance < _PAPER
    return bare


def like_what_is_sure(rgb: Array, likely: Array, sure: Mask, most: float = 3.0) -> Array:
    """Probability of damage (H, W), given its probability without colours and the certain part.

    A pixel's colour counts by its distance to the median colour of certain damage: the likelihood
    ratio of that distance there and in the undamaged rest. It changes the log-odds by at most
    `most`, up or down.
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
