"""Seconds of CPU that the diagnosis of a large photo takes once it is decoded.

OMP_NUM_THREADS=1 python -m benchmarks.diagnosis_time PHOTO --megapixels 24 --noise 0 2 6 25

The photo is enlarged to the size asked for, white noise is added, and all of it is kept as 8 bits.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ldrps_engine.analysis.inset import diagnose_photo
from ldrps_engine.photo import Photo

_SMALL = (slice(0, 64), slice(0, 64))


def enlarged(path: Path, megapixels: float, noise: float) -> Photo:
    """Enlarge a photo to so many megapixels, with noise of so many 8-bit steps."""
    picture = Image.open(path).convert("RGB")
    scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
    size = round(picture.width * scale), round(picture.height * scale)
    samples = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    if noise:
        drawn = np.random.default_rng(0).standard_normal(samples.shape, dtype=np.float32)
        drawn *= np.float32(noise)
        drawn += samples
        samples = np.rint(np.clip(drawn, 0, 255, out=drawn)).astype(np.uint8)
    return Photo.from_samples(samples)


def seconds(photo: Photo) -> tuple[float, str]:
    """Seconds of CPU of one diagnosis, all threads together, and what it says."""
    diagnose_photo(photo.part(_SMALL))  # models are read once in a process
    began = time.process_time()
    found = diagnose_photo(photo)
    return time.process_time() - began, found.words()


def main() -> int:
    """Print one line for each level of noise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis_time")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 2.0, 6.0, 25.0])
    chosen = parser.parse_args()
    for noise in chosen.noise:
        photo = enlarged(chosen.photo, chosen.megapixels, noise)
        spent, words = seconds(photo)
        print(f"{photo.width}x{photo.height}, noise {noise:g}: {spent:.2f} CPU seconds ({words})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
