"""Limits from which damage is believed, compared on cases that no other benchmark uses.

    python -m benchmarks.damage_limits PHOTOS [--skip N] [--count N] [--undamaged N] [--seed N]

The network looks once at each photo; then all limits choose from what it said. PSNR is that of the
pixels under the true mask, and of the whole photo, which what is filled in vain costs as well, by
Telea's method, which is quick. False is the share of undamaged photos' pixels that are filled for
users who ask for that. To be run after a training, since a network that has learnt more is surer;
what is best becomes `damage_pieces.BELIEVED`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.aged import METHODS
from benchmarks.borders import photos
from benchmarks.drawn.damage import KINDS, Floats, Mask, drawn
from benchmarks.report import PSNR_CEILING
from ldrps_engine.analysis.damage_pieces import (
    BELIEVED,
    MENDED_FROM,
    Limits,
    believed_pieces,
)
from ldrps_engine.analysis.damage_views import likely_from_sides
from training.metrics import psnr

Array = NDArray[np.float32]

_SKIPPED, _COUNT, _UNDAMAGED, _SEED = 40, 4, 8, 77
# Changes of what ships, one at a time.
_OTHERS = (
    {},
    *({"marked": value} for value in (0.3, 0.4, 0.6)),
    *({"surely": value} for value in (0.9, 0.95, 0.98)),
    *({"mean": value} for value in (0.3, 0.4, 0.6)),
    *({"colours": value} for value in (2.0, 4.0, 5.0)),
    *({"on_paper": value} for value in (0.5, 0.7)),
    *({"paper": value} for value in (3.0, 7.0)),
)
_VIEWS = 4
_HEAD = " marked  surely  mean  colours  on paper  paper    PSNR  whole    IoU  recall  false %"


@dataclass(frozen=True)
class Case:
    """One photo, damaged or not, and what the network says of it."""

    clean: Floats
    shown: Array
    mask: Mask

    @cached_property
    def likely(self) -> Array:
        """Probability (H, W) of damage."""
        return likely_from_sides(self.shown, _VIEWS)

    def found(self, limits: Limits) -> Mask:
        """Return what is filled on request."""
        pieces = believed_pieces(
            self.shown, self.likely, stains=True, spared=lambda: None, limits=limits
        )
        return pieces.mask if pieces.probability >= MENDED_FROM else np.zeros_like(self.mask)

    def psnr(self, mask: Mask) -> tuple[float, float]:
        """PSNR under the true mask and of the whole photo, once what is in `mask` is filled."""
        filled = np.clip(METHODS["Telea"](self.shown.astype(np.float64), mask), 0, 1)
        below = psnr(filled[self.mask][None], self.clean[self.mask][None])
        return min(below, PSNR_CEILING), min(psnr(filled, self.clean), PSNR_CEILING)


def cases(folder: Path, skip: int, count: int, seed: int) -> Iterator[Case]:
    """Damage of each kind over photos that nothing was learnt from."""
    rng = np.random.default_rng(seed)
    for _, pixels in islice(photos(folder, 25), skip, skip + count):
        for kind in KINDS:
            damaged, mask = drawn(pixels, kind, rng)
            yield Case(pixels, damaged.astype(np.float32), mask)


def undamaged(folder: Path, skip: int, count: int) -> Iterator[Case]:
    """Photos as they are."""
    for _, pixels in islice(photos(folder, 25), skip, skip + count):
        yield Case(pixels, pixels.astype(np.float32), np.zeros(pixels.shape[:2], bool))


def row(limits: Limits, damaged: Sequence[Case], good: Sequence[Case]) -> str:
    """One line of the table."""
    masks = [case.found(limits) for case in damaged]
    pairs = list(zip(damaged, masks, strict=True))
    figures = (
        *np.mean([case.psnr(mask) for case, mask in pairs], axis=0),
        np.mean([(mask & case.mask).sum() / (mask | case.mask).sum() for case, mask in pairs]),
        np.mean([(mask & case.mask).sum() / case.mask.sum() for case, mask in pairs]),
        100 * np.mean([case.found(limits).mean() for case in good]) if good else 0.0,
    )
    name = f"{limits.marked:7.2f}{limits.surely:8.2f}{limits.mean:6.2f}{limits.colours:9.1f}"
    name += f"{limits.on_paper:10.2f}{limits.paper:7.1f}"
    mark = "  as shipped" if limits == BELIEVED else ""
    return name + "{:8.2f}{:7.2f}{:7.3f}{:8.3f}{:9.3f}".format(*figures) + mark


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--skip", type=int, default=_SKIPPED, metavar="N", help="photos left out")
    parser.add_argument("--count", type=int, default=_COUNT, metavar="N", help="damaged photos")
    parser.add_argument("--undamaged", type=int, default=_UNDAMAGED, metavar="N")
    parser.add_argument("--seed", type=int, default=_SEED, metavar="N")
    options = parser.parse_args(argv)
    cv2.setNumThreads(1)
    damaged = list(cases(options.folder, options.skip, options.count, options.seed))
    good = list(undamaged(options.folder, options.skip + options.count, options.undamaged))
    true = np.mean([case.psnr(case.mask)[0] for case in damaged])
    print(f"{len(damaged)} damaged, {len(good)} undamaged; PSNR with the true mask: {true:.2f}")
    print(_HEAD, flush=True)
    for changed in _OTHERS:
        print(row(replace(BELIEVED, **changed), damaged, good), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
