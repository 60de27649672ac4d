"""The recogniser as a torch module: `ldrps_engine.analysis.recognition` is the same in numpy.

It looks at a scene of about 64 pixels beside the semantic encoder's features, which say what the
scene is whatever its light. A lamp, a window or a bright sky does not speak for the rest: the
answers are maps, and probabilities that have looked at the maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.encoder import COARSE, FINE, POOLED
from ldrps_engine.analysis.recognition import FINDINGS, QUANTILES
from ldrps_engine.priors.scene_unet import Features
from ldrps_engine.priors.scene_statistics import luminance, views_of

_COLOUR = 4 * len(QUANTILES)
_INPUTS = 12 + 4 + 4 + 4 + 4
_GROUPS = 8


@dataclass(frozen=True)
class Recognised:
    """What N scenes suffer from."""

    logits: Tensor
    """(N, findings) log-odds in `FINDINGS`' order."""
    gain: Tensor
    """(N, 1, h / 4, w / 4) natural log of the light that is missing."""
    depth: Tensor
    """(N, 1, h / 4, w / 4) optical depth of haze."""


class Recogniser(nn.Module):
    """The network. Scenes (N, 3, h, w) are display values, sides multiples of 16."""

    def __init__(self, fine: int = 32, width: int = 96, coarse: int = 128) -> None:
        super().__init__()
        self.head = nn.Conv2d(_INPUTS, fine, 3, padding=1)
        self.first = _Block(fine)
        self.down = nn.Conv2d(fine, width, 2, 2)
        self.features = nn.Conv2d(FINE, width, 1)
        self.second = nn.Sequential(_Block(width), _Block(width))
        self.deeper = nn.Conv2d(width, coarse, 2, 2)
        self.far = nn.Conv2d(COARSE, coarse, 1)
        self.third = nn.Sequential(_Block(coarse), _Block(coarse))
        self.whole = nn.Sequential(
            nn.Linear(POOLED + _COLOUR + 2 * coarse, coarse), nn.SiLU(), nn.Dropout(0.1)
        )
        self.told = nn.Linear(coarse, width)
        self.back = nn.Conv2d(coarse, width, 1)
        self.fourth = _Block(width)
        self.maps = nn.Conv2d(width, 2, 3, padding=1)
        self.findings = nn.Sequential(
            nn.Linear(coarse + 2 * width + 8, coarse),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(coarse, len(FINDINGS)),
        )

    def forward(self, image: Tensor, features: Features) -> Recognised:
        """Return maps and log-odds."""
        hidden = self.first(self.head(_looked_at(image)))
        hidden = self.down(hidden)
        hidden = self.second(hidden + self.features(_at(features.fine, hidden)))
        deep = self.deeper(hidden)
        deep = self.third(deep + self.far(_at(features.coarse, deep)))
        whole = torch.cat([deep.mean((2, 3)), deep.amax((2, 3))], 1)
        whole = self.whole(torch.cat([features.pooled, quantiles(image).to(deep), whole], 1))
        hidden = hidden + _at(self.back(deep), hidden) + self.told(whole)[:, :, None, None]
        hidden = self.fourth(hidden)
        maps = self.maps(hidden).float()
        gain, depth = functional.softplus(maps - 2).split(1, 1)
        seen = torch.cat([_spread(gain), _spread(depth)], 1).to(hidden)
        pooled = [whole, hidden.mean((2, 3)), hidden.amax((2, 3)), seen]
        return Recognised(self.findings(torch.cat(pooled, 1)).float(), gain, depth)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        inner = functional.silu(self.first(self.norm(hidden)))
        return torch.as_tensor(hidden + self.second(inner))


def _looked_at(image: Tensor) -> Tensor:
    """(N, 28, h / 2, w / 2): colours, log light, darkest channel, and views without exposure."""
    views = views_of(image)
    light = ((luminance(image) + 1e-3).log() + 2) / 1.5
    dark = (image.amin(1, keepdim=True) - 0.25) * 4
    planes = [(image - 0.45) * 4, light, dark, (views.luma - 0.45) * 4, views.local]
    return torch.cat([functional.pixel_unshuffle(plane, 2) for plane in planes], 1)


def quantiles(image: Tensor) -> Tensor:
    """(N, 36): quantiles of the three channels and of the log of light."""
    light = ((luminance(image) + 1e-3).log() + 2) / 1.5
    planes = torch.cat([(image - 0.45) * 4, light], 1).flatten(2)
    found = torch.quantile(planes.float(), torch.tensor(QUANTILES, device=image.device), dim=2)
    return found.permute(1, 2, 0).flatten(1)


def _spread(values: Tensor) -> Tensor:
    flat = values.flatten(1)
    points = torch.tensor([0.1, 0.5, 0.9], device=values.device)
    return torch.cat([flat.mean(1, keepdim=True), torch.quantile(flat, points, dim=1).T], 1)


def _at(values: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(values, size=like.shape[-2:], mode="bilinear")
