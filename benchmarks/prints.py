"""Old prints: how much damage `auto` finds and fills, and in how many prints without any it errs.

    python -m benchmarks.prints PHOTOS [--count N] [--undamaged N] [--seed N]

PHOTOS holds a `manifest.tsv`. Prints are drawn from photos that nothing was trained on
(`drawn/prints.py`): damaged ones from every 25th row, undamaged ones from the tier `research`.
Recall is the share of visibly damaged pixels that are filled. PSNR is that of the scan without its
damage, once what was found is filled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.arguments import positive
from benchmarks.borders import photos
from benchmarks.drawn.prints import Floats, Mask, Print, drawn_print
from benchmarks.harm import pool
from benchmarks.labelled import EVERY
from ldrps_engine.analysis.damage import look_for_damage
from ldrps_engine.colour.srgb import LUMA
from ldrps_engine.transfer.filling import fill
from training.metrics import psnr

# Difference from which damage is seen.
_SEEN = 0.04
_LEAST_SIDE = 240


@dataclass(frozen=True)
class Found:
    """Damage found and filled in one print."""

    mask: Mask
    """(H, W), what is filled; empty where nothing is."""
    recall: float
    """NaN if nothing of the damage is seen."""
    iou: float
    psnr: float


def found(scan: Print, *, asked: bool) -> Found:
    """Look for damage, and fill it."""
    rgb = scan.damaged.astype(np.float32)
    damage = look_for_damage(rgb, believed=asked, stains=asked)
    filled = damage.is_sure if asked else damage.is_beyond_doubt
    mask = damage.mask if filled else np.zeros_like(scan.mask)
    seen = scan.mask & (np.abs(scan.damaged - scan.undamaged).max(2) > _SEEN)
    recall = float((mask & seen).sum() / seen.sum()) if seen.any() else np.nan
    either = (mask | scan.mask).sum()
    iou = float((mask & scan.mask).sum() / either) if either else np.nan
    mended = fill(rgb, mask).astype(np.float64) if mask.any() else scan.damaged
    return Found(mask, recall, iou, psnr(mended, scan.undamaged))


def prints(folder: Path, count: int, seed: int) -> Iterator[Print]:
    """Draw damaged prints."""
    for number, (_, pixels) in enumerate(islice(photos(folder, EVERY), count)):
        yield drawn_print(pixels, np.random.default_rng((seed, number)))


def undamaged(folder: Path, count: int, seed: int, *, drawn: bool) -> Iterator[Floats]:
    """Make prints without damage: `drawn` as the damaged ones are, or sharp photos made grey.

    Small sharp photos have more that is thin and bright.
    """
    made = 0
    for name in pool(folder, ("research",), seed):
        if made == count:
            return
        with Image.open(folder / name) as opened:
            pixels = np.asarray(opened.convert("RGB"), np.float64) / 255
        if min(pixels.shape[:2]) < _LEAST_SIDE:
            continue
        if drawn:
            yield drawn_print(pixels, np.random.default_rng((seed, 1, made))).undamaged
        else:
            yield np.repeat((pixels @ np.asarray(LUMA))[..., None], 3, axis=2)
        made += 1


def _filled(good: Iterator[Floats]) -> str:
    shares = []
    for pixels in good:
        damage = look_for_damage(pixels.astype(np.float32), stains=False)
        shares.append(float(damage.mask.mean()) if damage.is_beyond_doubt else 0.0)
    touched = sum(share > 0 for share in shares)
    return f"{touched} of {len(shares)} filled unasked, {100 * np.mean(shares):.4f} % of pixels"


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is found in damaged prints, and in undamaged ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=positive, default=100)
    parser.add_argument("--undamaged", type=positive, default=300)
    parser.add_argument("--seed", type=int, default=51)
    options = parser.parse_args(argv)
    made = list(prints(options.folder, options.count, options.seed))
    before = np.mean([psnr(scan.damaged, scan.undamaged) for scan in made])
    print(f"{len(made)} damaged prints, seed {options.seed}: {before:.2f} dB as they are")
    for asked in (False, True):
        each = [found(scan, asked=asked) for scan in made]
        filled = np.mean([one.mask.any() for one in each])
        recall, iou = (
            np.nanmean([getattr(one, name) for one in each]) for name in ("recall", "iou")
        )
        after = np.mean([one.psnr for one in each])
        print(
            f"{'asked for' if asked else 'unasked':10} {100 * filled:.0f} % filled, recall "
            f"{recall:.3f}, IoU {iou:.3f}, {after:.2f} dB"
        )
    for drawn in (True, False):
        good = undamaged(options.folder, options.undamaged, options.seed, drawn=drawn)
        print(f"undamaged, {'drawn alike' if drawn else 'sharp and grey'}: {_filled(good)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
