"""JPEG's blocks over good photos: is the grid found after cropping, and what smoothing brings.

    python benchmarks/jpeg_blocks.py ../shared/photos [--count N] [--seed N]

Every 25th photo of the manifest is reduced, saved as JPEG at several qualities, in its own light
and in 6 % of it, cropped, and smoothed as far as a grid is found. PSNR and SSIM are those of the
photo as it was before it was saved.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import manifest
from ldrps_engine.analysis.blocks import find_blocks
from ldrps_engine.colour.srgb import to_display, to_linear
from ldrps_engine.transfer.deblocking import without_blocks
from training.camera import saved
from training.metrics import psnr, ssim

Array = NDArray[np.float32]

_QUALITIES = (10, 20, 30, 40, 60, 75)
_LIGHT = np.float32(0.06)
_CROP = (3, 5)
_EVERY = 25
_SIDE = 400
_REDUCED = 1.5


def measure(rgb: Array, quality: int) -> tuple[bool, Array]:
    """Judge one photo: (whether its grid is found, PSNR and SSIM before and after)."""
    down, right = _CROP
    clean = rgb[down:, right:]
    blocky = saved(rgb, quality)[down:, right:]
    blocks = find_blocks(blocky)
    found = (blocks.top, blocks.left) == (-down % 8, -right % 8) and blocks.strength > 0
    after = without_blocks(blocky, blocks) if blocks.strength else blocky
    truth = clean.astype(np.float64)
    pairs = [(image.clip(0, 1).astype(np.float64), truth) for image in (blocky, after)]
    return found, np.array([f(*pair) for f in (psnr, ssim) for pair in pairs], np.float32)


def main() -> int:
    """Print a line for each quality and light."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder with a manifest.tsv")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    files = [row["file"] for row in manifest(given.photos)[::_EVERY]]
    some = np.random.default_rng(given.seed).permutation(files)[: given.count]
    photos = []
    for file in some:
        with Image.open(given.photos / file) as image:
            small = image.convert("RGB")
            # Most of them were JPEGs before: what blocks they have is taken away by reducing.
            side = min(_SIDE, int(max(small.size) / _REDUCED))
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
            photos.append(np.divide(np.asarray(small), 255, dtype=np.float32))
    for light, name in ((np.float32(1), "as it is"), (_LIGHT, "6 % of light")):
        for quality in _QUALITIES:
            lit = [to_display(to_linear(rgb) * light) for rgb in photos]
            found, figures = zip(*(measure(rgb, quality) for rgb in lit), strict=True)
            before, after, rough, smooth = np.mean(figures, axis=0)
            print(
                f"{name}, quality {quality}: grid found in {sum(found)} of {len(found)}, "
                f"{before:.2f} -> {after:.2f} dB, SSIM {rough:.4f} -> {smooth:.4f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
