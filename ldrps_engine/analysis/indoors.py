"""Certainty that a photo was taken in a room, from what the semantic encoder sees. No torch."""

from __future__ import annotations

import numpy as np

from ldrps_engine.analysis.encoder import Seen

# ImageNet-1k classes, from 0: rooms and shops, and what stands in a room and nowhere else.
_ROOMS = (406, 415, 424, 454, 467, 509, 582, 598, 624, 743, 762, 788, 854, 860)
_FURNITURE = (
    *(421, 423, 431, 435, 453, 493, 495, 516, 520, 526, 532, 553, 564, 648, 736, 750, 765, 789),
    *(794, 799, 804, 831, 857, 861, 876, 894, 896, 905),
)
_APPLIANCES = (
    *(409, 508, 527, 534, 545, 548, 579, 619, 651, 664, 713, 742, 753, 760, 782, 811, 827, 846),
    *(851, 859, 881, 882, 897),
)
_LIKELY, _SURELY = 0.1, 0.4
"""Probability of these classes together from which on there is a room, and surely. Of ten hazy
landscapes none has more than 0.07."""


def indoors(seen: Seen) -> float:
    """Return how surely, 0 to 1, a photo shows the inside of a building."""
    shares = np.exp(seen.logits - seen.logits.max())
    inside = float(shares[[*_ROOMS, *_FURNITURE, *_APPLIANCES]].sum() / shares.sum())
    return float(np.clip((inside - _LIKELY) / (_SURELY - _LIKELY), 0, 1))
