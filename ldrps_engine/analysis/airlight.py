"""Check of recognised haze against the light that it would have added. No torch.

Air between the camera and an object adds its own light (Koschmieder's law), so nothing seen through
haze is darker than that light. White walls, snow and high key look like haze to a judge of tones,
but a black shoe among them shows that there is none. Clear ground before a hazy distance is no
contradiction: depth is judged place by place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.expectation import CELL
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.analysis.samples import highest, lowest

Array = NDArray[np.float32]

# Quantile of the brightest channel taken as the air's light, which is seldom brighter.
_AIR = 0.99
# Quantile of a cell's darkest channel, so that neither noise nor ringing counts as an object.
_DARKEST = 0.03
# Least airlight, in display values, whose absence is visible: rounding and noise hide less.
_SEEN = 0.05
# Share of that airlight that must be present: depth is known roughly, and air may be dim.
_SURELY = 0.6


def contradiction(view: Array, depth: Array) -> float:
    """Return the share, 0 to 1, of cells with something darker than their haze allows.

    `view` is (h, w, 3) display values, `depth` (h / 16, w / 16) the optical depth of the haze.
    Airlight added in linear light would have brightened dark objects more than in display values.
    """
    air = float(np.quantile(highest(view), _AIR))
    cells = squares(lowest(view), CELL).transpose(0, 2, 1, 3)
    darkest = np.quantile(cells.reshape(*cells.shape[:2], -1), _DARKEST, axis=-1)
    added = air * (1 - np.exp(-depth))
    return float(((darkest < _SURELY * added) & (added > _SEEN)).mean())
