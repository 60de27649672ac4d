"""Two networks that free a photo from noise: how often each is asked, and its share in the mean.

The bundled denoiser is given all that was measured. FFDNet knows white noise that nothing cuts off,
and no other; there it errs in other places, so that the mean of both is better than either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.noise_condition import whiteness
from ldrps_engine.priors.ffdnet import MOST_SIGMA

Array = NDArray[np.float32]

# Pixel budget over all evaluations of a photo; a single one may exceed it.
_MOST_EVALUATED = 24e6
_MOST_WAYS = 8
_SIGMAS = (15 / 255, 50 / 255, MOST_SIGMA)
# Share of FFDNet at these deviations of white noise. Strong noise is clipped in files, and FFDNet
# was trained on noise without clipping.
_SHARES = (0.7, 0.35, 0.0)
_LEAST_SHARE = 0.05
# Whiteness from which `fast` runs FFDNet too, and the number of pixels up to which it does.
_WORTH_A_SECOND, _QUICK_PIXELS = 0.7, 6e6
# Deviations of the noise between brightness and black or white: so near to them FFDNet has no
# share, and from so far its whole one.
_NO_ROOM, _ENOUGH_ROOM = 0.5, 2.0


@dataclass(frozen=True)
class Members:
    """Evaluations of one photo by each network. Neutral: one, by the bundled denoiser alone."""

    own: int = 1
    """Ways in which the photo is turned and mirrored for the bundled denoiser, 1 to 8."""
    second: int = 0
    """The same for FFDNet, which takes twice the time; 0 where it has no share."""
    share: float = 0.0
    """Share of FFDNet in the mean, 0 to 1."""

    @classmethod
    def of(cls, size: tuple[int, int], sigma: float, bands: Array, *, quick: bool) -> Members:
        """Choose for a photo of (height, width) pixels and its noise, see `KnownNoise`.

        As many evaluations as take no longer than one of 24 megapixels by the bundled denoiser; if
        it has to be `quick`, one by each network that gains by it. `sigma` is the deviation of the
        noise as the networks see it.
        """
        white = whiteness(bands)
        share = white * float(np.interp(sigma, _SIGMAS, _SHARES))
        if quick:
            few = white >= _WORTH_A_SECOND and size[0] * size[1] <= _QUICK_PIXELS
            return cls(1, 1, share) if few and share >= _LEAST_SHARE else cls()
        affordable = _MOST_EVALUATED / (size[0] * size[1])
        ways = int(2 ** np.clip(math.floor(math.log2(affordable)), 0, math.log2(_MOST_WAYS)))
        if ways < 4 or share < _LEAST_SHARE:
            return cls(ways)
        # Half of the time for each.
        return cls(ways // 2, ways // 4, share)

    def share_at(self, around: Array, sigma: Array) -> Tensor:
        """Share of FFDNet (1, 3, h, w) at each sample.

        `around` (h, w, 3) is brightness without noise and `sigma` the noise's deviation there.
        """
        room = np.minimum(around, 1 - around) / np.maximum(sigma, 1e-6)
        free = np.clip((room - _NO_ROOM) / (_ENOUGH_ROOM - _NO_ROOM), 0, 1)
        shares = np.asarray(self.share * free, np.float32)
        return torch.from_numpy(shares).permute(2, 0, 1)[None]


ALONE = Members()
"""One evaluation by the bundled denoiser."""
