"""Conversion from a photo's own colour space to sRGB, for display and for measurement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import Photo


def to_srgb(photo: Photo) -> NDArray[np.float32]:
    """Convert to display-encoded sRGB (H, W, 3), clipped to 0 to 1; alpha left out."""
    return np.clip(to_working(photo), 0.0, 1.0)
