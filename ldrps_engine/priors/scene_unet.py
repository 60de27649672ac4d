"""The scene expert's network: what a good photo of such a scene looks like.

A U-Net over a scene of about 64 pixels, with self-attention at its coarsest level, conditioned
by the semantic encoder's maps and pooled features. What a photo has lost is a noise level: tone and
chroma are groups with noise levels of their own, for each pixel, from nothing (known) to infinite
(lost). One evaluation gives the posterior mean of both groups and how sure it is of tone. The
preconditioning is that of Karras et al., "Elucidating the design space of diffusion-based
generative models" (NeurIPS 2022), section 5, with a data deviation of 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldrps_engine.analysis.encoder import COARSE, FINE, POOLED
from ldrps_engine.priors.scene_statistics import GLOBALS, Views

_HEAD = 32
_GROUPS = 8
_LOG_VARIANCE = (-5.0, 2.0)
_INPUTS = 4 + 4 + 2 + 3 + 2 + 5


@dataclass(frozen=True)
class Features:
    """Features that the encoder finds in N views."""

    fine: Tensor
    """(N, 112, h / 16, w / 16): local, about parts of objects."""
    coarse: Tensor
    """(N, 320, h / 32, w / 32): about objects and places."""
    pooled: Tensor
    """(N, 1280): the whole view."""
    logits: Tensor
    """(N, 1000): log-odds of the ImageNet-1k classes."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """N scenes of which some groups are noisy or lost."""

    views: Views
    features: Features
    tone: Tensor
    """(N, 3, h / 4, w / 4) noisy tone; of no account where its level is infinite."""
    tone_level: Tensor
    """(N, 1, h / 4, w / 4) standard deviation of tone's noise, 0 to infinity."""
    chroma: Tensor
    """(N, 2, h / 2, w / 2) noisy chroma."""
    chroma_level: Tensor
    """(N, 1, h / 2, w / 2) standard deviation of its noise."""
    luma_known: Tensor
    """(N,) 1 where the view of normalised luma holds, 0 where haze or the like has changed it."""
    hue_known: Tensor
    """(N,) 1 where the view's chroma holds, 0 where the photo has no colour or a wrong one."""

    def without_semantics(self) -> Scene:
        """The same with nothing said of what the scene is."""
        nothing = {k: torch.zeros_like(v) for k, v in vars(self.features).items()}
        return replace(self, features=Features(**nothing))


@dataclass(frozen=True)
class Estimate:
    """Statistics that N good photos of such scenes have."""

    tone: Tensor
    """(N, 3, h / 4, w / 4) posterior mean."""
    tone_deviation: Tensor
    """(N, 3, h / 4, w / 4) how far off that may be."""
    chroma: Tensor
    """(N, 2, h / 2, w / 2) posterior mean."""
    whole: Tensor
    """(N, 6) quantities of the whole scene, see `scene_statistics.globals_of`."""
    whole_deviation: Tensor
    """(N, 6) how far off those may be."""


class SceneUNet(nn.Module):
    """The network. Scenes have sides that are multiples of 16 pixels."""

    def __init__(self, widths: tuple[int, int, int] = (48, 128, 192), embedded: int = 256) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.known = nn.Linear(4, embedded)
        self.pooled = nn.Linear(POOLED, embedded)
        self.embed = nn.Sequential(nn.SiLU(), nn.Linear(embedded, embedded), nn.SiLU())
        self.head = nn.Conv2d(_INPUTS, fine, 3, padding=1)
        self.fine_features = nn.Conv2d(FINE, middle, 1)
        self.coarse_features = nn.Conv2d(COARSE, coarse, 1)
        self.down = nn.ModuleList([nn.Conv2d(fine, middle, 2, 2), nn.Conv2d(middle, coarse, 2, 2)])
        self.up = nn.ModuleList([nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)])
        self.encode = nn.ModuleList(_Block(w, embedded) for w in (fine, middle, coarse, coarse))
        self.decode = nn.ModuleList(_Block(w, embedded) for w in (coarse, middle, middle, fine))
        self.attend = nn.ModuleList(_Attention(coarse) for _ in range(2))
        self.tone = _out(middle, 6)
        self.chroma = _out(fine, 2)
        self.whole = nn.Sequential(
            nn.Linear(2 * coarse + embedded, embedded), nn.SiLU(), nn.Linear(embedded, 2 * GLOBALS)
        )

    def forward(self, scene: Scene) -> Estimate:
        """Return the posterior mean of both groups."""
        embedded = self._embedded(scene)
        level, tone_in = _scaled(scene.tone, scene.tone_level)
        chroma_rate, chroma_in = _scaled(scene.chroma, scene.chroma_level)
        size = scene.chroma.shape[-2:]
        hidden = self.head(self._inputs(scene, size, tone_in, level, chroma_in, chroma_rate))
        first = self.encode[0](hidden, embedded)
        middle = self.down[0](first)
        middle = middle + self.fine_features(_at(scene.features.fine, middle))
        second = self.encode[1](middle, embedded)
        hidden = self.down[1](second)
        hidden = hidden + self.coarse_features(_at(scene.features.coarse, hidden))
        hidden = self.attend[0](self.encode[2](hidden, embedded))
        hidden = self.attend[1](self.encode[3](hidden, embedded))
        hidden = self.decode[0](hidden, embedded)
        whole = self.whole(torch.cat([hidden.mean((2, 3)), hidden.amax((2, 3)), embedded], 1))
        hidden = _at(self.up[0](hidden), second) + second
        hidden = self.decode[1](hidden, embedded)
        hidden = self.decode[2](hidden, embedded)
        tone_and_doubt = self.tone(hidden).float()
        hidden = self.decode[3](_at(self.up[1](hidden), first) + first, embedded)
        return self._estimate(scene, tone_and_doubt, self.chroma(hidden).float(), whole.float())

    def _embedded(self, scene: Scene) -> Tensor:
        features = scene.features
        # Zeros stand for features that were left out; flags tell the network, lest it read them
        # as a scene.
        said = (features.coarse.abs().sum((1, 2, 3)) > 0).to(features.pooled)
        lost = torch.isinf(scene.tone_level).to(said).mean((1, 2, 3))
        known = torch.stack([scene.luma_known, scene.hue_known, said, lost], 1).to(said)
        return torch.as_tensor(self.embed(self.known(known) + self.pooled(features.pooled)))

    def _inputs(
        self,
        scene: Scene,
        size: torch.Size,
        tone: Tensor,
        level: Tensor,
        chroma: Tensor,
        chroma_rate: Tensor,
    ) -> Tensor:
        """All that is looked at, (N, 20, h / 2, w / 2)."""
        luma_known = scene.luma_known[:, None, None, None]
        hue_known = scene.hue_known[:, None, None, None]
        # Brought to about zero mean and unit deviation, as the other inputs are.
        luma = functional.pixel_unshuffle((scene.views.luma - 0.45) * 3 * luma_known, 2)
        local = functional.pixel_unshuffle(scene.views.local, 2)
        hue = scene.views.chroma * 6 * hue_known
        # Nearest: between two levels of noise, one of which may mean that all is lost, lies no
        # third.
        rough = functional.interpolate(torch.cat([tone, level], 1), size=size, mode="nearest")
        flat = torch.ones_like(chroma_rate)
        flags = [chroma_rate, flat, luma_known * flat, hue_known * flat]
        return torch.cat([luma, local, hue, rough, chroma, *flags], 1)

    @staticmethod
    def _estimate(scene: Scene, tone_and_doubt: Tensor, chroma: Tensor, whole: Tensor) -> Estimate:
        keep, change = _preconditioning(scene.tone_level)
        tone = keep * scene.tone.nan_to_num() + change * tone_and_doubt[:, :3]
        # Logarithms of variances are learnt, clamped so that no place is believed without bound.
        deviation = change * (0.5 * tone_and_doubt[:, 3:].clamp(*_LOG_VARIANCE)).exp()
        keep, change = _preconditioning(scene.chroma_level)
        coloured = keep * scene.chroma.nan_to_num() + change * chroma
        sure = (0.5 * whole[:, GLOBALS:].clamp(*_LOG_VARIANCE)).exp()
        return Estimate(tone, deviation, coloured, whole[:, :GLOBALS], sure)


class _Block(nn.Module):
    """Residual block of two convolutions, modulated in between."""

    def __init__(self, width: int, embedded: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, width) for _ in range(2))
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(embedded, 2 * width)
        _silence(self.second)
        _silence(self.modulate)

    def forward(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        gain, shift = self.modulate(embedded)[:, :, None, None].chunk(2, 1)
        inner = self.first(functional.silu(self.norms[0](hidden)))
        inner = self.norms[1](inner) * (1 + gain) + shift
        return torch.as_tensor(hidden + self.second(functional.silu(inner)))


class _Attention(nn.Module):
    """Self-attention over all places, and a small network for each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._heads = width // _HEAD
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.project = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        _silence(self.out)

    def forward(self, hidden: Tensor) -> Tensor:
        count, _, height, width = hidden.shape
        query, key, value = (
            part.reshape(count, self._heads, _HEAD, height * width).transpose(2, 3)
            for part in self.project(self.norm(hidden)).chunk(3, 1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        mixed = mixed.transpose(2, 3).reshape(count, -1, height, width)
        return torch.as_tensor(hidden + self.out(mixed))


def _out(width: int, channels: int) -> nn.Sequential:
    last = nn.Conv2d(width, channels, 3, padding=1)
    _silence(last)
    return nn.Sequential(nn.GroupNorm(_GROUPS, width), nn.SiLU(), last)


def _silence(layer: nn.Conv2d | nn.Linear) -> None:
    """Let a layer answer nothing, until it learns to."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _scaled(values: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """The level as a number from 0 to 1 (infinite), and the values at unit deviation."""
    rate = torch.where(level.isinf(), torch.ones_like(level), level / (1 + level**2).sqrt())
    share = (1 - rate.square()).clamp(min=0).sqrt()
    return rate, torch.where(level.isinf(), torch.zeros_like(values), values * share)


def _preconditioning(level: Tensor) -> tuple[Tensor, Tensor]:
    """c_skip and c_out of EDM for a data deviation of 1; 0 and 1 for what is lost."""
    keep = 1 / (1 + level.square())
    change = torch.where(level.isinf(), torch.ones_like(level), level / (1 + level**2).sqrt())
    return keep, change


def _at(values: Tensor, like: Tensor) -> Tensor:
    """Bilinear resizing to the size of another."""
    return functional.interpolate(values, size=like.shape[-2:], mode="bilinear")


def loss_scale(level: Tensor) -> Tensor:
    """Weight of the squared error of an estimate at a noise level: 1 / c_out squared."""
    rate = torch.where(level.isinf(), torch.ones_like(level), level.square() / (1 + level**2))
    return 1 / rate.clamp(min=math.exp(_LOG_VARIANCE[0]))
