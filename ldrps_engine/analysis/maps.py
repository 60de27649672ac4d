"""Maps of findings: the places in a photo with missing light, haze, strong noise, or damage.

No torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_level import Noise
from ldrps_engine.analysis.recognition import Recognition
from ldrps_engine.settings import MAPS

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Standard deviation of noise shown as white in a map.
_WHITE_NOISE = 32 / 255


def finding_maps(
    seen: Recognition, noise: Noise, rgb: Array, damage: Mask | None = None
) -> dict[str, Array]:
    """Return a map (h, w, 1) from 0 to 1 for each of MAPS, each in a size of its own.

    They show the estimate in each place, even if the photo as a whole has no such fault: the share
    of the light that is missing there, the share of haze in the light, and the standard deviation
    of the noise in 32 eight-bit steps. `rgb` is (h, w, 3), the photo made smaller. `damage` (H, W)
    is true where it is damaged; None: no known damage.
    """
    level = noise.sigma / noise.relative_rms * noise.level.relative(rgb).mean(-1) / _WHITE_NOISE
    damaged = np.zeros((1, 1), bool) if damage is None else damage
    found = (1 - np.exp(-seen.gain), 1 - np.exp(-seen.depth), level, damaged)
    shown = (np.clip(values, 0, 1).astype(np.float32)[..., None] for values in found)
    return dict(zip(MAPS, shown, strict=True))
