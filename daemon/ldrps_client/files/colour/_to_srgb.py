"""From a photo's own colour space to sRGB, for looking at and for measuring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import Photo


def to_srgb(photo: Photo) -> NDArray[np.float32]:
    """(H, W, 3) display-encoded sRGB, cut off at 0 and 1; alpha left out."""
    return np.clip(to_working(photo), 0.0, 1.0)
