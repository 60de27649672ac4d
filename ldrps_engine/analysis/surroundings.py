"""Surroundings of a photo's subject, by the semantic encoder's own classes. No torch.

Haze in a room differs from haze over land, and nothing at arm's length lies in haze.
"""

from __future__ import annotations

import numpy as np

from ldrps_engine.analysis.encoder import Seen

# ImageNet-1k classes, from 0: rooms and shops, and objects found only in rooms.
_ROOMS = (406, 415, 424, 454, 467, 509, 582, 598, 624, 743, 762, 788, 854, 860)
_FURNITURE = (
    *(421, 423, 431, 435, 453, 493, 495, 516, 520, 526, 532, 553, 564, 648, 736, 750, 765, 789),
    *(794, 799, 804, 831, 857, 861, 876, 894, 896, 905),
)
_APPLIANCES = (
    *(409, 508, 527, 534, 545, 548, 579, 619, 651, 664, 713, 742, 753, 760, 782, 811, 827, 846),
    *(851, 859, 881, 882, 897),
)
# Objects photographed at arm's length: insects and spiders, clothes, linen, food, what the sea
# leaves on the shore; tools and other objects held in a hand.
_INSECTS = tuple(range(300, 327))
_CLOTHES = (
    *(399, 411, 433, 445, 451, 452, 457, 459, 464, 465, 474, 496, 502, 514, 529, 552, 568, 578),
    *(601, 608, 610, 614, 617, 630, 636, 638, 639, 655, 658, 689, 697, 735, 748, 770, 774, 775),
    *(793, 806, 808, 824, 834, 841, 842, 869, 885, 887, 906, 911),
)
_LINEN = (434, 533, 591, 700, 728, 797, 999)
_SHORE = (*range(107, 127), 327, 328, 329)
_FOOD = tuple(range(923, 970))
_HELD_IN_HAND = (
    *(418, 473, 507, 512, 531, 549, 563, 587, 593, 604, 605, 622, 623, 626, 629, 633, 644, 647),
    *(666, 673, 677, 695, 696, 709, 710, 711, 714, 719, 720, 722, 749, 761, 767, 769, 772, 773),
    *(783, 784, 798, 826, 828, 836, 837, 844, 845, 855, 893, 902, 910),
)

_ROOM = (*_ROOMS, *_FURNITURE, *_APPLIANCES)
_REACH = (*_INSECTS, *_CLOTHES, *_LINEN, *_FOOD, *_SHORE)
# Total probability of the rooms' classes from which there may be a room, and surely is one. Of ten
# hazy landscapes none has more than 0.07.
_INDOORS = (0.1, 0.4)
# The same for objects within reach. Of 86 photos with haze none has more than 0.02.
_NEAR = (0.1, 0.5)


def indoors(seen: Seen) -> float:
    """Return the certainty, 0 to 1, that a photo shows the inside of a building."""
    return _certainty(seen, _ROOM, _INDOORS)


def within_reach(seen: Seen) -> float:
    """Return the certainty, 0 to 1, that a photo is of an object at arm's length."""
    return _certainty(seen, _REACH, _NEAR)


def in_hand(seen: Seen) -> float:
    """Return the certainty, 0 to 1, that a photo is of a tool or another object held in a hand."""
    return _certainty(seen, _HELD_IN_HAND, _NEAR)


def _certainty(seen: Seen, classes: tuple[int, ...], bounds: tuple[float, float]) -> float:
    shares = np.exp(seen.logits - seen.logits.max())
    together = float(shares[list(classes)].sum() / shares.sum())
    low, high = bounds
    return float(np.clip((together - low) / (high - low), 0, 1))
