"""Error of the first guess on photos that were hazed here, by the source of the photos.

    python benchmarks/haze.py ../shared/photos --source BSDS500 --source Flickr8k --count 60

For judging constants on other photos than the test sets.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import manifest
from benchmarks.errors import BenchmarkError
from benchmarks.sets import DERIVED, DERIVED_SEED, Floats, to_samples
from ldrps_engine.analysis.degradation import first_guess
from ldrps_engine.analysis.diagnosis import diagnose
from training.metrics import psnr, ssim

_SIDE = 384


def measure(photo: Path) -> tuple[float, float]:
    """PSNR and SSIM of the first guess that recipe `haze` makes of a photo hazed here."""
    with Image.open(photo) as image:
        small = image.convert("RGB")
        small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        clear: Floats = np.asarray(small) / 255.0
    rng = np.random.default_rng([DERIVED_SEED, zlib.crc32(photo.name.encode())])
    hazy = (to_samples(DERIVED["haze"](clear, rng)) / 255).astype(np.float32)
    guess = first_guess(hazy, diagnose(hazy, "haze"), "haze")
    undone = np.clip(guess.invert(hazy), 0, 1).astype(np.float64)
    return psnr(undone, clear), ssim(undone, clear)


def main() -> int:
    """Print a line for each source."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder with a manifest.tsv")
    parser.add_argument("--source", action="append", required=True, help="how its name begins")
    parser.add_argument("--count", type=int, default=60, help="photos of each source")
    given = parser.parse_args()
    rows = manifest(given.photos)
    for source in given.source:
        files = [row["file"] for row in rows if row["source"].startswith(source)]
        if not files:
            raise BenchmarkError(f"{given.photos} has no source that begins with {source}")
        some = np.random.default_rng(DERIVED_SEED).permutation(files)[: given.count]
        found = np.mean([measure(given.photos / file) for file in some], axis=0)
        print(f"{source}: {len(some)} photos, {found[0]:.2f} dB, SSIM {found[1]:.4f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(str(error))
