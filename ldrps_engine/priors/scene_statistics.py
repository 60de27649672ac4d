"""Views and statistics that the scene expert sees and speaks of, as batches of tensors.

A scene is looked at with 64 pixels on its short side. Two kinds of things are made of it:

- *views* that light, haze and colour leave as they are: luma with its tones normalised, luma with
  its local contrast normalised, and the chroma of the photo with normalised tones;
- *groups* of what a degradation changes: **tone** (for each cell of 4 x 4 pixels the log of its
  light, the log of its local contrast and its dark channel) and **chroma** (Cb and Cr).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ldrps_engine.priors import srgb
from ldrps_engine.priors.srgb import ycc

SIDE = 64
"""Pixels on the short side of a scene."""
CELL = 4
"""Pixels on a side of the cells that tone is estimated for."""

TONE_MEAN, TONE_STD = (-1.93, -2.33, 0.28), (1.3, 0.74, 0.24)
"""Mean and standard deviation of tone's three quantities over good photos."""
CHROMA_STD = 0.08
"""Standard deviation of Cb and Cr, in display values, over good photos."""
GLOBALS = 6
"""Quantities of the whole scene: log mean light, means of log contrast and of the dark channel, its
80th percentile, mean luma and mean saturation."""
GLOBAL_MEAN = (-1.53, -2.33, 0.28, 0.42, 0.46, 0.08)
GLOBAL_STD = (0.64, 0.43, 0.16, 0.23, 0.15, 0.054)

_DARKEST = 1e-3
_FLAT = 0.01
_WINDOW = 13
_ENDS = (0.01, 0.99)
_MEDIAN = 0.45
_LEAST_RANGE = 0.02


@dataclass(frozen=True)
class Views:
    """Views of N scenes that no smooth change of light, haze or colour alters much."""

    luma: Tensor
    """(N, 1, h, w) in [0, 1], tones normalised over the scene."""
    local: Tensor
    """(N, 1, h, w), about -3 to 3: luma less its local mean, in units of its local deviation."""
    chroma: Tensor
    """(N, 2, h / 2, w / 2): Cb and Cr of the scene with normalised tones."""


def views_of(rgb: Tensor) -> Views:
    """Return the views of scenes (N, 3, h, w) of display values in [0, 1]."""
    luma = ycc(rgb)[:, :1]
    normal = normalised_tones(rgb)
    mean, deviation = _local(luma)
    local = ((luma - mean) / (deviation + _FLAT / 2)).clamp(-3, 3)
    converted = ycc(normal)
    return Views(normalised_tones(luma), local, functional.avg_pool2d(converted[:, 1:], 2))


def normalised_tones(image: Tensor) -> Tensor:
    """Stretch luma's ends to 0 and 1 and move its median to 0.45, all channels (N, C, h, w) alike.

    A single channel is taken for the luma itself.
    """
    luma = image if image.shape[1] == 1 else ycc(image)[:, :1]
    ends = torch.tensor(_ENDS, device=image.device)
    low, high = torch.quantile(luma.flatten(1), ends, dim=1)[..., None, None, None]
    span = (high - low).clamp(min=_LEAST_RANGE)
    unit = ((luma - low) / span).clamp(0, 1)
    median = unit.flatten(1).median(1).values.clamp(0.1, 0.9)
    power = math.log(_MEDIAN) / median.log()
    moved: Tensor = ((image - low) / span).clamp(1e-4, 1) ** power[:, None, None, None]
    return moved


def tone_of(rgb: Tensor) -> Tensor:
    """Tone (N, 3, h / 4, w / 4) in units of its deviation, of display values (N, 3, h, w)."""
    light = luminance(rgb)
    level = (functional.avg_pool2d(light, CELL) + _DARKEST).log()
    luma = ycc(rgb)[:, :1]
    contrast = (functional.avg_pool2d(_local(luma)[1], CELL) + _FLAT).log()
    dark = -functional.max_pool2d(-rgb.amin(1, keepdim=True), CELL)
    return _unit(torch.cat([level, contrast, dark], 1), TONE_MEAN, TONE_STD)


def globals_of(rgb: Tensor) -> Tensor:
    """Quantities of the whole scene (N, 6) in units of their deviation."""
    tone = tone_of(rgb)
    level = (luminance(rgb).mean((1, 2, 3)) + _DARKEST).log()
    contrast = tone[:, 1].mean((1, 2)) * TONE_STD[1] + TONE_MEAN[1]
    dark = tone[:, 2].flatten(1) * TONE_STD[2] + TONE_MEAN[2]
    luma = ycc(rgb)
    saturation = luma[:, 1:].square().sum(1).sqrt().mean((1, 2))
    most = dark.sort(1).values[:, int(0.8 * (dark.shape[1] - 1))]
    rows = [level, contrast, dark.mean(1), most, luma[:, 0].mean((1, 2)), saturation]
    found = torch.stack(rows, 1)
    return (found - torch.tensor(GLOBAL_MEAN).to(found)) / torch.tensor(GLOBAL_STD).to(found)


def chroma_of(rgb: Tensor) -> Tensor:
    """Chroma (N, 2, h / 2, w / 2) in units of its deviation."""
    return functional.avg_pool2d(ycc(rgb)[:, 1:], 2) / CHROMA_STD


def luminance(rgb: Tensor) -> Tensor:
    """Linear light (N, 1, h, w) of display values, sRGB's curve and primaries."""
    return srgb.luminance(srgb.srgb_to_linear(rgb.clamp(0, 1)))


def _local(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation in a window of 13 pixels around each."""

    def box(values: Tensor) -> Tensor:
        padded = functional.pad(values, [_WINDOW // 2] * 4, mode="reflect")
        return functional.avg_pool2d(padded, _WINDOW, 1)

    mean = box(luma)
    return mean, (box(luma.square()) - mean.square()).clamp(min=1e-8).sqrt()


def _unit(values: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    shape = (1, -1, 1, 1)
    centre = torch.tensor(mean).to(values).reshape(shape)
    return (values - centre) / torch.tensor(std).to(values).reshape(shape)
