"""Colours for a photo that has none, sampled by the scene expert.

Chroma is a group of its own whose noise is infinite while light is known. One evaluation gives its
posterior mean, which is muted where many colours would do. A sample starts there, with noise of
moderate strength, and commits to one of them on its way down (Karras et al., "Elucidating the
design space of diffusion-based generative models", NeurIPS 2022, deterministic sampler). Chroma
then comes up to the photo's size along the edges of luma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ldrps_engine.analysis.encoder import Seen, encode
from ldrps_engine.analysis.guided_filter import box
from ldrps_engine.analysis.monochrome import grey_of, with_chroma
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.view import normalised_luma, view_size
from ldrps_engine.diffusion.steering import Hint
from ldrps_engine.priors.scene_expert import LostColour
from ldrps_engine.priors.scene_statistics import CHROMA_STD

Array = NDArray[np.float32]

# Variance of luma below which chroma is smoothed over (He, Sun and Tang's epsilon).
_EDGES = 1e-3


@dataclass(frozen=True, kw_only=True)
class Colouring:
    """Options of sampling colours. Neutral: `commitment` 0, the posterior mean."""

    commitment: float = 0.35
    """Noise that a sample starts with, in standard deviations of chroma over good photos."""
    steps: int = 5
    """Evaluations on the way down from there."""
    last: float = 0.05
    """Noise of the last of them."""

    @classmethod
    def of(cls, seed: int) -> Colouring:
        """Return the most likely colours for seed 0, and a sample around them for any other."""
        return cls() if seed else cls(commitment=0)


def colour(
    rgb: Array, seed: int, how: Colouring, seen: Seen | None = None, hint: Hint | None = None
) -> Array:
    """Return a photo (H, W, 3) of display values with colours, of which it has none.

    `seen` is what the semantic encoder saw of it, `hint` what is said of its colours. The same seed
    gives the same colours.
    """
    grey = grey_of(rgb)
    if seen is None:
        view = np.clip(resize(grey, view_size(*grey.shape[:2]), smooth=True), 0, 1)
        seen = encode(normalised_luma(view))
    chroma = sample_chroma(LostColour.of(grey, seen), seed, how, hint)
    return np.clip(with_chroma(grey[..., 0], along_edges(grey[..., 0], chroma)), 0, 1)


def sample_chroma(lost: LostColour, seed: int, how: Colouring, hint: Hint | None = None) -> Array:
    """Sample chroma (h, w, 2) in display values, at the scene's scale."""
    hint = hint or Hint(lost.scene.chroma, lost.scene.chroma_level)
    chroma = lost.estimate(hint.chroma, hint.level)
    if how.commitment > 0 and how.steps > 0:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(chroma.shape, generator=generator)
        chroma = chroma + how.commitment * noise
        levels = np.geomspace(how.commitment, how.last, how.steps).tolist()
        for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
            at = torch.full_like(lost.scene.chroma_level, level)
            clean = lost.estimate(*hint.joined(chroma, at))
            chroma = clean + (chroma - clean) * (following / level)
    return np.asarray(chroma[0].permute(1, 2, 0).numpy() * CHROMA_STD, np.float32)


def along_edges(luma: Array, chroma: Array) -> Array:
    """Bring chroma (h, w, 2) to the size of luma (H, W), along its edges.

    Guided upsampling: He and Sun, "Fast guided filter" (arXiv:1505.00996).
    """
    size = luma.shape
    small = resize(luma[..., None], chroma.shape[:2])[..., 0]
    mean, square = box(small, 1), box(small * small, 1)
    out = np.empty((*size, 2), np.float32)
    for channel in range(2):
        values = chroma[..., channel]
        mean_value = box(values, 1)
        slope = (box(small * values, 1) - mean * mean_value) / (square - mean**2 + _EDGES)
        lines = np.stack([box(slope, 1), box(mean_value - slope * mean, 1)], -1)
        full = resize(np.asarray(lines, np.float32), size, smooth=True)
        out[..., channel] = full[..., 0] * luma + full[..., 1]
    return out
