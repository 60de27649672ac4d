"""Noise as cameras make it, over good photos: how near its measured level is, and what is touched.

    python benchmarks/camera_noise.py ../shared/photos [--count N] [--plain] [--seed N] [--good N]

Every 25th photo of the manifest, which nothing is fitted on, is taken again by a camera drawn by
chance (training/camera.py: Poisson and Gaussian noise in light, mosaic, white balance, tone curve,
resizing, JPEG). Its true deviation is that of some shots of the same view. For `--good` photos as
they are it prints how many would be touched for noise, blocks or hot pixels.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import manifest
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.analysis.known import Known
from training.camera import Camera

Array = NDArray[np.float32]

_SHOTS = 6
_BINS = 8
_LEAST_SHARE = 0.02
# So near to black and white noise is cut off.
_ENDS = 0.04
_EVERY = 25
_SIDE, _LARGE = 512, 1024
_STRONGEST = 45 / 255


def errors_by_brightness(shots: Array, known: Known) -> Array:
    """Logarithm of measured over true deviation for each channel and eighth of brightness.

    `shots` (N, H, W, 3) are of one view, the first is the one that was measured.
    """
    mean, variance = shots.mean(0), shots.var(0, ddof=1)
    measured = known.noise.at(mean) ** 2
    found = []
    for channel in range(mean.shape[-1]):
        values = mean[..., channel]
        inside = (values > _ENDS) & (values < 1 - _ENDS)
        place = np.where(inside, (values * _BINS).astype(int), -1)
        for k in range(_BINS):
            here = place == k
            if here.mean() > _LEAST_SHARE:
                of = measured[..., channel][here].mean() / variance[..., channel][here].mean()
                found.append(np.log(of) / 2)
    return np.array(found, np.float32)


def measure(rgb: Array, camera: Camera, rng: np.random.Generator) -> tuple[float, Array, Known]:
    """(true sigma, errors by brightness, what is known) of a photo taken again."""
    shots = np.stack([camera.take(rgb, rng) for _ in range(_SHOTS)])
    known, _ = Known.of(shots[0])
    sigma = float(np.sqrt(shots.var(0, ddof=1).mean()))
    return sigma, errors_by_brightness(shots, known), known


def _photos(
    folder: Path, count: int, rng: np.random.Generator, side: int
) -> list[tuple[str, Array]]:
    files = [row["file"] for row in manifest(folder)[::_EVERY]]
    files = [file for file in files if not file.startswith("research")]
    found = []
    for file in rng.permutation(files)[:count]:
        with Image.open(folder / file) as image:
            small = image.convert("RGB")
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
            found.append((str(file), np.divide(np.asarray(small), 255, dtype=np.float32)))
    return found


def _levels(folder: Path, count: int, rng: np.random.Generator, *, plain: bool) -> None:
    rows = []
    for file, rgb in _photos(folder, count, rng, _SIDE):
        camera = Camera.drawn(rng)
        if plain:
            camera = replace(camera, demosaiced=False, shrunk=1.0, quality=0)
        sigma, errors, known = measure(rgb, camera, rng)
        while sigma > _STRONGEST:
            camera = replace(camera, shot=camera.shot / 4, read=camera.read / 2)
            sigma, errors, known = measure(rgb, camera, rng)
        if not errors.size:
            continue
        rms, shape = float(np.sqrt((errors**2).mean())), float(errors.std())
        rows.append((sigma * 255, known.noise.sigma * 255, rms, shape))
        print(
            f"{file}: sigma {rows[-1][0]:.1f}, measured {rows[-1][1]:.1f}, by brightness {rms:.0%}"
        )
    table = np.array(rows)
    for name, part in (("all", table), ("sigma from 4.5", table[table[:, 0] >= 4.5])):
        if len(part):
            print(
                f"{name}: {len(part)} photos; error by brightness, mean {part[:, 2].mean():.0%}, "
                f"median {np.median(part[:, 2]):.0%}; of the shape alone {part[:, 3].mean():.0%}, "
                f"median {np.median(part[:, 3]):.0%}"
            )


def _touched(folder: Path, count: int, rng: np.random.Generator) -> None:
    touched = {"noise": 0, "JPEG blocks": 0, "hot pixels": 0}
    photos = _photos(folder, count, rng, _LARGE)
    for file, rgb in photos:
        found = diagnose(rgb)
        called = (found.is_noisy, found.has_blocks, found.hot_pixels > 0)
        for name, holds in zip(touched, called, strict=True):
            touched[name] += holds
        if any(called):
            print(f"{file}: {found.words()}")
    print(
        f"{len(photos)} good photos, touched for "
        + ", ".join(f"{k}: {v}" for k, v in touched.items())
    )


def main() -> int:
    """Print a line for each photo and a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder with a manifest.tsv")
    parser.add_argument("--count", type=int, default=40, help="photos to take again")
    parser.add_argument("--good", type=int, default=0, help="photos to diagnose as they are")
    parser.add_argument("--plain", action="store_true", help="no mosaic, resizing or JPEG")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    if given.count:
        _levels(given.photos, given.count, rng, plain=given.plain)
    if given.good:
        _touched(given.photos, given.good, rng)
    return 0


if __name__ == "__main__":
    sys.exit(main())
