"""The bundled scene expert: the network with its weights, and scenes made of photos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from ldrps_engine.analysis.encoder import Seen
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.priors.scene_statistics import SIDE, Views, chroma_of, tone_of, views_of
from ldrps_engine.priors.scene_unet import Estimate, Features, Scene, SceneUNet

Array = NDArray[np.float32]

MODEL = Path(__file__).parent.parent / "models/semantic/scene.safetensors"

_MULTIPLE = 16
# Times its short side is a scene's long side at the most; longer photos are squeezed.
_LONGEST = 3
# Noise level of tone that is known.
_KNOWN = 0.03


@cache
def load_scene_expert() -> SceneUNet:
    """Read the bundled weights for inference in single precision, once in a process."""
    network = SceneUNet()
    network.load_state_dict({k: v.float() for k, v in load_file(MODEL).items()})
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class LostColour:
    """A scene whose chroma is lost, and the network that knows such scenes."""

    network: SceneUNet
    scene: Scene

    @classmethod
    def of(cls, rgb: Array, seen: Seen, network: SceneUNet | None = None) -> LostColour:
        """Make the scene of a photo (H, W, 3) of display values and of what the encoder saw."""
        small = torch.from_numpy(np.clip(resize(rgb, scene_size(*rgb.shape[:2])), 0, 1))
        image = small.permute(2, 0, 1)[None].float()
        tone, chroma = tone_of(image), torch.zeros_like(chroma_of(image))
        scene = Scene(
            views=views_of(image),
            features=_features(seen),
            tone=tone,
            tone_level=torch.full_like(tone[:, :1], _KNOWN),
            chroma=chroma,
            chroma_level=torch.full_like(chroma[:, :1], torch.inf),
            luma_known=torch.ones(1),
            hue_known=torch.zeros(1),
        )
        return cls(network or load_scene_expert(), scene)

    @torch.no_grad()
    def estimate(self, chroma: Tensor, level: Tensor) -> Tensor:
        """Return the posterior mean (N, 2, h, w) of chroma of which there is `chroma` at `level`.

        `level` (N, 1, h, w) is the standard deviation of its noise; infinite where it is lost.
        """
        estimate: Estimate = self.network(_repeated(self.scene, chroma, level))
        return estimate.chroma


def scene_size(height: int, width: int) -> tuple[int, int]:
    """Size (h, w) of the scene of a photo: 64 pixels on its short side, multiples of 16."""
    short = min(height, width)
    h, w = (
        min(_LONGEST * SIDE, max(SIDE, round(side * SIDE / short / _MULTIPLE) * _MULTIPLE))
        for side in (height, width)
    )
    return h, w


def chroma_size(height: int, width: int) -> tuple[int, int]:
    """Size (h, w) of the chroma of a photo's scene: half of the scene's."""
    h, w = scene_size(height, width)
    return h // 2, w // 2


def _features(seen: Seen) -> Features:
    maps = (
        torch.from_numpy(np.ascontiguousarray(v)).permute(2, 0, 1)[None].float()
        for v in (seen.fine, seen.coarse)
    )
    fine, coarse = maps
    pooled, logits = (torch.from_numpy(v)[None].float() for v in (seen.pooled, seen.logits))
    return Features(fine, coarse, pooled, logits)


def _repeated(scene: Scene, chroma: Tensor, level: Tensor) -> Scene:
    """The scene once for each of several chromas (N, 2, h, w)."""
    count = len(chroma)

    def again(value: Tensor) -> Tensor:
        return value.expand(count, *[-1] * (value.ndim - 1))

    return Scene(
        views=Views(*(again(value) for value in vars(scene.views).values())),
        features=Features(*(again(value) for value in vars(scene.features).values())),
        tone=again(scene.tone),
        tone_level=again(scene.tone_level),
        chroma=chroma,
        chroma_level=level.expand(count, -1, -1, -1),
        luma_known=again(scene.luma_known),
        hue_known=again(scene.hue_known),
    )
