"""Blocks of JPEG: where their grid lies, how high the steps between them are, how coarse it was.

The grid is found by steps that are higher at every eighth place than next to it, in rows and in
columns, wherever the photo was cropped since (Wang, Sheikh and Bovik, "No-reference perceptual
quality assessment of JPEG compressed images", ICIP 2002); the quality by coefficients of the grid's
blocks, which are multiples of one step (Fan and de Queiroz, "Identification of bitmap compression
history", IEEE TIP 2003). No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_spectrum import ORDER, PATCH, dct_matrix
from ldrps_engine.analysis.samples import Values, in_steps
from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]
Table = NDArray[np.int64]

# Standard errors by which the grid stands out, in rows and in columns: alone, and supported by
# coefficients.
_SURE, _LIKELY = 6.0, 1.0
_MOST_STEP = 6.0
_FLAT_SHARE = 0.2
_MOST_PIXELS = 4_000_000
_LEAST_SIDE = 40
_LOW = ORDER <= 4
_QUALITIES = range(4, 97)
_MOST_BLOCKS = 20_000
_LEAST_COUNT = 150
_PERIODIC = 0.3
_NEARLY = 0.9
# Standard deviation of blocks' means, in quantisation steps, from which these tell that step.
_LEAST_DEVIATION_OF_DC = 1.5
# Height of steps in flat parts over the quantisation step of the mean: two errors, each even.
_STEP_OF_DC = 0.06
# Anything higher belongs to the scene.
_MOST_OF_DC = 0.09

_ANNEX_K: dict[str, list[int]] = {
    "luma": [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ],
    "chroma": [
        *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
        *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
        *[99] * 32,
    ],
}


@dataclass(frozen=True)
class Blocks:
    """The grid of a photo's blocks. Neutral: strength 0."""

    strength: float = 0.0
    """Steps between blocks in flat parts, root mean square in 8-bit steps of luminance."""
    top: int = 0
    """Row of the photo, 0 to 7, at which the first whole block begins."""
    left: int = 0
    """The same for columns."""
    quality: int = 100
    """Quality of libjpeg's tables, as far as it can be read from the steps."""
    whole_chroma: bool = False
    """True where chroma was compressed at full size, instead of half."""


def quantisation(quality: int, kind: str) -> Table:
    """Steps (64,) of ITU-T T.81's example table `luma` or `chroma`, scaled as libjpeg does."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((np.array(_ANNEX_K[kind]) * scale + 50) // 100, 1, 255), np.int64)


def find_blocks(rgb: Values) -> Blocks:
    """Find the grid in an image (H, W, 3) or (H, W, 1)."""
    middle = _middle(rgb)
    luma = _weighted(middle, YCC[0])
    if min(luma.shape) < _LEAST_SIDE:
        return Blocks()
    (left, across), (top, down) = _phase(luma), _phase(luma.T)
    if min(across, down) < _LIKELY:
        return Blocks()
    strength = float(np.hypot(_step(luma, left), _step(luma.T, top)) / np.sqrt(2))
    quality = _quality(luma[top:, left:])
    whole = False
    if quality is None:
        if min(across, down) < _SURE:
            return Blocks()
        quality = _likely_quality(strength)
    elif middle.shape[2] == 3:
        found = _coefficients(_weighted(middle, YCC[1])[top:, left:] + np.float32(128))
        whole = _periodic(found, quality, "chroma") > _PERIODIC
    most = _MOST_OF_DC * float(quantisation(quality, "luma")[0])
    return Blocks(min(strength, most), top, left, quality, whole)


def _middle(rgb: Values) -> Values:
    """The middle of a large photo, cut at a multiple of eight; smaller photos unchanged."""
    height, width = rgb.shape[:2]
    if height * width <= _MOST_PIXELS:
        return rgb
    share = np.sqrt(_MOST_PIXELS / (height * width)) / 2
    y, x = (int(side * (0.5 - share)) // PATCH * PATCH for side in (height, width))
    return rgb[y : height - y, x : width - x]


def _weighted(rgb: Values, weights: Array) -> Array:
    """Luminance or chroma of JPEG in 8-bit steps, (H, W)."""
    values = in_steps(rgb)
    return np.asarray(values @ weights if rgb.shape[2] == 3 else values[..., 0])


def _phase(luma: Array) -> tuple[int, float]:
    """Column at which blocks begin, and the standard errors by which it stands out."""
    steps = np.abs(np.diff(luma, axis=1))
    excess = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
    columns = np.clip(excess, -_MOST_STEP, _MOST_STEP).mean(0)
    # Column k of these is the step between the photo's columns k + 1 and k + 2.
    place = (np.arange(len(columns)) + 2) % PATCH
    means = np.array([columns[place == k].mean() for k in range(PATCH)])
    best = int(means.argmax())
    rest = columns[place != best]
    error = max(float(rest.std()), 1e-3) / np.sqrt((place == best).sum())
    return best, float((means[best] - np.sort(means)[-2]) / error)


def _step(luma: Array, begin: int) -> float:
    """Root mean square height of the steps at the grid's columns, in flat parts."""
    steps = np.square(np.diff(luma, axis=1))
    at = np.arange(begin - 1 if begin > 3 else begin + PATCH - 1, steps.shape[1] - 3, PATCH)
    # The values that select flat parts must not be the ones compared with them.
    around = (steps[:, at - 3] + steps[:, at - 2] + steps[:, at + 2] + steps[:, at + 3]) / 4
    beside = (steps[:, at - 1] + steps[:, at + 1]) / 2
    flat = around <= np.quantile(around, _FLAT_SHARE)
    return float(np.sqrt(max(float((steps[:, at] - beside)[flat].mean()), 0)))


def _coefficients(plane: Array) -> Array:
    """Low frequencies of the grid's blocks of (H, W), (blocks, frequencies)."""
    rows, columns = (side // PATCH for side in plane.shape)
    cut = plane[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH)
    blocks = cut.swapaxes(1, 2).reshape(-1, PATCH, PATCH)
    blocks = blocks[:: max(1, len(blocks) // _MOST_BLOCKS)] - np.float32(128)
    return np.asarray((dct_matrix(PATCH) @ blocks @ dct_matrix(PATCH).T)[:, _LOW])


def _quality(luma: Array) -> int | None:
    """Quality whose steps divide the blocks' coefficients; None if none does."""
    found = _coefficients(luma)
    scores = np.array([_periodic(found, quality, "luma") for quality in _QUALITIES])
    if scores.max() < _PERIODIC:
        return None
    # Multiples of a step are multiples of its half as well.
    return _QUALITIES[int(np.flatnonzero(scores >= _NEARLY * scores.max())[0])]


def _likely_quality(strength: float) -> int:
    """Quality by the height of steps alone."""
    scale = 100 * max(strength, 1e-3) / _STEP_OF_DC / _ANNEX_K["luma"][0]
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return int(np.clip(quality, _QUALITIES[0], _QUALITIES[-1]))


def _periodic(coefficients: Array, quality: int, kind: str) -> float:
    """Nearness of coefficients (blocks, low frequencies) to multiples of a table's steps."""
    steps = quantisation(quality, kind).reshape(PATCH, PATCH)[_LOW].astype(np.float32)
    ratio = coefficients / steps
    clear = (np.abs(ratio) > 0.6) & (steps > 1)
    # Means of a dark or hazy photo's blocks are nearly the same, and lie near a multiple of some
    # large step by chance.
    clear[:, 0] &= ratio[:, 0].std() > _LEAST_DEVIATION_OF_DC
    if clear.sum() < _LEAST_COUNT:
        return 0.0
    return float(np.cos(2 * np.pi * ratio[clear]).mean())
