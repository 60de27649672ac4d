"""Colours of a description as noisy observations of the chroma that a photo has lost.

What is missing is a noise level, for each place: a thing that is said to be red has the chroma of
red there, as certainly as the thing itself was found, and everything else stays lost. The scene
expert takes it from there, as it takes chroma of any noise level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.places import FOUND, Places
from ldrps_engine.captioning.colour_words import ColourWish, colour_wishes
from ldrps_engine.priors.scene_expert import chroma_size
from ldrps_engine.priors.scene_statistics import CHROMA_STD

Array = NDArray[np.float32]

# Noise of a colour where its thing surely is, in standard deviations of chroma over photos.
_LEVEL = 0.4
# Least share of a place that a thing must have there for its colour to be known.
_LEAST = 0.25


@dataclass(frozen=True)
class Hint:
    """An observation of a scene's chroma. Neutral: infinite levels."""

    chroma: Tensor
    """(1, 2, h, w) in standard deviations of chroma over good photos."""
    level: Tensor
    """(1, 1, h, w) standard deviation of its noise, infinite where nothing is said."""

    def joined(self, chroma: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Join it with another observation of the same chroma, by how sure each of them is."""
        own, other = self.level**-2, level**-2
        total = own + other
        return (own * self.chroma + other * chroma) / total, total**-0.5


@dataclass(frozen=True)
class Steering:
    """Colours that a description asks for. Neutral: no hint."""

    hint: Hint | None
    """None where nothing of it was found."""
    remarks: tuple[str, ...]
    """Sentences for the user: what could not be found."""

    @classmethod
    def of(cls, description: str | None, luma: Array) -> Steering:
        """Look for the things of a description in the luma (H, W) of a photo's display values."""
        wishes = colour_wishes(description or "")
        if not wishes:
            return cls(None, ())
        places = Places(luma)
        found = [wish for wish in wishes if _is_found(wish, places)]
        missing = (wish for wish in wishes if wish not in found)
        hint = _hint(found, places, luma.shape) if found else None
        return cls(hint, tuple(map(_not_found, missing)))


def _is_found(wish: ColourWish, places: Places) -> bool:
    return bool(wish.classes) and places.probability(wish.classes) >= FOUND


def _hint(wishes: list[ColourWish], places: Places, shape: tuple[int, ...]) -> Hint:
    """Assign each cell the colour of the object that covers most of it."""
    size = chroma_size(*shape[:2])
    maps = np.stack([places.map(wish.classes, size) for wish in wishes])
    chroma = np.stack([wish.chroma for wish in wishes])[maps.argmax(0)] / CHROMA_STD
    share = maps.max(0)
    level = np.where(share > _LEAST, _LEVEL / np.maximum(share, _LEAST), np.inf)
    return Hint(
        torch.from_numpy(chroma).float().permute(2, 0, 1)[None],
        torch.from_numpy(level).float()[None, None],
    )


def _not_found(wish: ColourWish) -> str:
    if not wish.thing:
        return f"the description's '{wish.text}' stands with no thing that is known and is not used"
    return f"no {wish.thing} was found in the photo, so '{wish.text}' gives no colour to anything"
