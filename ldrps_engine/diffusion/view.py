"""The working view: the photo at the prior's size, aspect ratio kept, padded to its grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.resampling import resize
from ldrps_engine.priors.base import LatentPrior

Array = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """Place of the photo in the view. Sizes are (height, width) in pixels."""

    photo: tuple[int, int]
    """Size of the photo."""
    scaled: tuple[int, int]
    """Size of the photo in the view."""
    padded: tuple[int, int]
    """Size of the view: `scaled`, mirrored at the right and lower edge to the prior's grid."""

    @classmethod
    def fit(
        cls, height: int, width: int, long_side: int, multiple: int, most_enlarged: float = 2.0
    ) -> View:
        """Shrink a large photo to `long_side`, enlarge a small one up to `most_enlarged` times."""
        scale = min(most_enlarged, long_side / max(height, width))
        scaled = max(1, round(height * scale)), max(1, round(width * scale))
        padded = tuple(-(-side // multiple) * multiple for side in scaled)
        return cls((height, width), scaled, (padded[0], padded[1]))

    @classmethod
    def of(cls, prior: LatentPrior, rgb: Array) -> View:
        """Fit a photo (H, W, 3) to the size that a prior works best at."""
        height, width = rgb.shape[:2]
        return cls.fit(height, width, prior.view, prior.multiple, prior.most_enlarged)

    @property
    def scale(self) -> float:
        """Pixels of the view per pixel of the photo."""
        return self.scaled[1] / self.photo[1]

    def to_model(self, rgb: Array) -> Tensor:
        """(H, W, 3) of the photo to (1, 3, h, w) of the view."""
        padded = self.pad(resize(rgb, self.scaled))
        return torch.from_numpy(padded).permute(2, 0, 1)[None].contiguous()

    def pad(self, scaled: Array) -> Array:
        """(h, w, C) at the view's scale, mirrored to the prior's grid."""
        grow = [(0, self.padded[k] - self.scaled[k]) for k in (0, 1)]
        # A side shorter than the padding cannot be mirrored in one go; symmetric repeats.
        return np.pad(scaled, (*grow, (0, 0)), mode="symmetric")

    def from_model(self, image: Tensor) -> Array:
        """(1, 3, h, w) of the view to (h', w', 3) without the padding, at the view's scale."""
        inside = image[0, :, : self.scaled[0], : self.scaled[1]]
        return np.ascontiguousarray(inside.detach().float().cpu().permute(1, 2, 0).numpy())
