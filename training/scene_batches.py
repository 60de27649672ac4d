"""Scenes for the scene expert to learn from: crops of good photos with groups noisy or lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldrps_engine.priors.placement import arithmetic
from ldrps_engine.priors.scene_statistics import (
    SIDE,
    Views,
    chroma_of,
    globals_of,
    normalised_tones,
    tone_of,
    views_of,
)
from ldrps_engine.priors.scene_unet import Features, Scene
from ldrps_engine.priors.srgb import grey_of, ycc
from training.encoder import SemanticEncoder

_INFINITE = float("inf")
_ZOOM, _ASPECT = (0.6, 1.0), (0.85, 1.18)
# Share of each feature's channels that is lost. What tells one photo from all others, and so lets
# its colours be learnt by heart, loses the most.
_THINNED = {"fine": 0.1, "coarse": 0.25, "pooled": 0.5}
_WITHOUT_POOLED = 0.5
_TONE_SIZE, _CHROMA_SIZE = SIDE // 4, SIDE // 2


@dataclass(frozen=True)
class Batch:
    """Scenes with some groups noisy or lost, and what they were."""

    scene: Scene
    tone: Tensor
    chroma: Tensor
    whole: Tensor


class Degrader:
    """Draws which groups are known, noisy or lost. Nothing is degraded but by noise levels.

    Without `augmented` the crops and the encoder's features stay as they are: to judge with.
    """

    def __init__(self, generator: torch.Generator, *, augmented: bool = True) -> None:
        self._generator = generator
        self._augmented = augmented

    def batch(self, crops: Tensor, encoder: SemanticEncoder, drop_semantics: float) -> Batch:
        """Make a batch of crops (N, 3, 160, 160) of display values."""
        count = len(crops)
        if self._augmented:
            crops = self._redrawn(crops)
        seen = self._disturbed(crops)
        views = views_of(_shrunk(seen))
        device = encoder.stem.weight.device
        with arithmetic(device):
            features = encoder(normalised_tones(ycc(seen)[:, :1]).to(device))
        kept = (1 - self._chance(count, drop_semantics)).to(device)
        features = self._thinned(features) if self._augmented else features
        features = Features(*(v.float() * _along(kept, v) for v in vars(features).values()))
        clean = _shrunk(crops)
        chroma = chroma_of(clean)
        kind = torch.rand(count, generator=self._generator)
        colouring, lighting = kind < 0.5, (kind >= 0.5) & (kind < 0.75)
        # The dark channel of a photo that has lost its colours tells nothing of them.
        tone = torch.where(_along(colouring, clean), tone_of(grey_of(clean)), tone_of(clean))
        tone_level = self._tone_level(count, colouring, lighting)
        chroma_level = self._chroma_level(count, lighting)
        luma_known = 1 - self._chance(count, 0.35) * (~colouring)
        hue_known = self._chance(count, 0.65) * (~colouring)
        scene = Scene(
            views=views,
            features=features,
            tone=_noised(tone, tone_level, self._smooth(tone.shape)),
            tone_level=tone_level,
            chroma=_noised(chroma, chroma_level, self._normal(chroma.shape)),
            chroma_level=chroma_level,
            luma_known=luma_known.float(),
            hue_known=hue_known.float(),
        )
        return Batch(scene, tone, chroma, globals_of(clean))

    def _redrawn(self, crops: Tensor) -> Tensor:
        """Crop the crops again, and mirror half of them: no scene is seen twice the same."""
        count = len(crops)
        width = self._uniform(count, *_ZOOM)
        height = (width * self._uniform(count, *_ASPECT)).clamp(*_ZOOM)
        across = (1 - width) * self._uniform(count, -1, 1)
        down = (1 - height) * self._uniform(count, -1, 1)
        mirrored = 1 - 2 * self._chance(count, 0.5)
        nothing = torch.zeros(count)
        rows = [width * mirrored, nothing, across, nothing, height, down]
        places = functional.affine_grid(
            torch.stack(rows, 1).reshape(count, 2, 3), list(crops.shape), align_corners=False
        )
        return functional.grid_sample(crops, places, "bilinear", "reflection", align_corners=False)

    def _thinned(self, features: Features) -> Features:
        """Lose some channels of each feature, so that none is leant on alone."""
        changed = {}
        for name, share in _THINNED.items():
            value: Tensor = getattr(features, name).float()
            channels = (*value.shape[:2], *[1] * (value.ndim - 2))
            kept = (torch.rand(channels, generator=self._generator) >= share).to(value)
            changed[name] = value * kept / (1 - share)
        without = self._chance(len(changed["pooled"]), _WITHOUT_POOLED).to(changed["pooled"])
        changed["pooled"] = changed["pooled"] * (1 - without[:, None])
        return replace(features, **changed)

    def _disturbed(self, crops: Tensor) -> Tensor:
        """Change what the views look at by a tone curve, a cast and noise.

        Conditioning augmentation (Ho et al., "Cascaded diffusion models", JMLR 2022): a photo that
        is to be restored never gives views as clean as those of a good one.
        """
        count = len(crops)
        power = (0.3 * self._normal((count, 1, 1, 1))).exp()
        cast = (0.06 * self._normal((count, 3, 1, 1))).exp()
        seen = (crops.clamp(min=1e-4) ** power) * cast
        strength = 0.06 * torch.rand((count, 1, 1, 1), generator=self._generator)
        return (seen + strength * self._normal(crops.shape)).clamp(0, 1)

    def _tone_level(self, count: int, colouring: Tensor, lighting: Tensor) -> Tensor:
        drawn = torch.exp(self._uniform(count, math.log(0.03), math.log(3.0)))
        drawn = torch.where(self._chance(count, 0.5).bool(), torch.full_like(drawn, 9e9), drawn)
        drawn = torch.where(lighting, torch.full_like(drawn, 9e9), drawn)
        drawn = torch.where(colouring, torch.full_like(drawn, 0.03), drawn)
        level = drawn.reshape(-1, 1, 1, 1).expand(-1, 1, _TONE_SIZE, _TONE_SIZE).clone()
        self._lose_places(level, 0.15 * (~colouring))
        return torch.where(level > 1e9, torch.full_like(level, _INFINITE), level)

    def _chroma_level(self, count: int, lighting: Tensor) -> Tensor:
        drawn = torch.exp(1.3 * self._normal((count,)) - 0.4).clamp(0.02, 9.0)
        lost = self._chance(count, 0.5).bool() | (lighting & self._chance(count, 0.8).bool())
        drawn = torch.where(lost, torch.full_like(drawn, 9e9), drawn)
        level = drawn.reshape(-1, 1, 1, 1).expand(-1, 1, _CHROMA_SIZE, _CHROMA_SIZE).clone()
        self._lose_places(level, torch.full((count,), 0.1))
        return torch.where(level > 1e9, torch.full_like(level, _INFINITE), level)

    def _lose_places(self, level: Tensor, share: Tensor) -> None:
        """Let the level be infinite over some places of this share of the scenes, in place."""
        blobs = functional.interpolate(self._normal((len(level), 1, 4, 4)), level.shape[-2:])
        hit = torch.rand(len(level), generator=self._generator) < share
        level[hit[:, None, None, None] & (blobs > 0.4)] = 9e9

    def _smooth(self, shape: torch.Size) -> Tensor:
        """Noise of unit deviation as errors of light and haze are: mostly of the whole scene."""
        whole = self._normal((*shape[:2], 1, 1))
        rough = functional.interpolate(self._normal((*shape[:2], 4, 4)), shape[-2:], mode="bicubic")
        return 0.7 * whole + 0.6 * rough + 0.4 * self._normal(shape)

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator)

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=self._generator)

    def _chance(self, count: int, share: float) -> Tensor:
        return (torch.rand(count, generator=self._generator) < share).float()


def as_tensor(pixels: NDArray[np.uint8], indices: NDArray[np.int64]) -> Tensor:
    """Return crops of a pack as display values (N, 3, 160, 160)."""
    crops = np.stack([pixels[i] for i in indices])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255


def _shrunk(crops: Tensor) -> Tensor:
    return functional.interpolate(crops, size=(SIDE, SIDE), mode="bilinear", antialias=True)


def _along(values: Tensor, like: Tensor) -> Tensor:
    """One value for each scene, shaped to be multiplied with its feature."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _noised(values: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    return values + torch.where(level.isinf(), torch.zeros_like(level), level) * noise


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return the batch with all of its tensors on a device."""

    def there(value: object) -> object:
        if isinstance(value, Tensor):
            return value.to(device, non_blocking=True)
        if isinstance(value, (Views, Features, Scene)):
            parts = {f.name: there(getattr(value, f.name)) for f in fields(value)}
            return type(value)(**parts)  # type: ignore[arg-type]
        return value

    return Batch(*(there(getattr(batch, f.name)) for f in fields(batch)))  # type: ignore[arg-type]
