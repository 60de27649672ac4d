"""Small pictures of work in progress."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.resampling import resize

_SIDE = 256
"""Long side of a preview at most, pixels."""


def preview(rgb: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shrink display values (h, w, 3) to uint8 of at most 256 pixels a side."""
    scale = min(1.0, _SIDE / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))
    return np.rint(np.clip(resize(rgb, size), 0, 1) * 255).astype(np.uint8)
