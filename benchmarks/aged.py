"""Damage drawn over good photos and filled with its true mask: by us, and by OpenCV.

    python -m benchmarks.aged PHOTOS [--casts [--slides]] [--count N] [--seed N] [--every N]
                              [--sheet FILE]

With `--casts`, casts and fading in place of damage, see `casts.py`. `PHOTOS` holds a `manifest.tsv`
as for training. Each kind of damage is drawn over each of N photos. PSNR is that of pixels under
the mask alone, the mean over all photos.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import casts
from benchmarks.borders import photos
from benchmarks.drawn.damage import KINDS, Floats, Mask, drawn
from benchmarks.drawn.fading import KINDS as CASTS
from benchmarks.drawn.fading import SLIDES
from ldrps_engine.restore import ModelCache
from ldrps_engine.transfer.filling import fill
from training.metrics import psnr

COUNT = 10
# Neighbourhood that OpenCV's methods look at, pixels.
_RADIUS = 5

Fill = Callable[[Floats, Mask], Floats]


@dataclass(frozen=True)
class Outcome:
    """One filling of one case."""

    kind: str
    method: str
    psnr: float
    """Under the mask alone."""
    seconds: float
    pixels: int


def _ours(damaged: Floats, mask: Mask) -> Floats:
    return fill(damaged.astype(np.float32), mask).astype(np.float64)


def _opencv(flag: int) -> Fill:
    def inpaint(damaged: Floats, mask: Mask) -> Floats:
        samples = np.rint(damaged * 255).astype(np.uint8)
        filled = cv2.inpaint(samples, mask.astype(np.uint8), _RADIUS, flag)
        return np.asarray(filled / 255.0)

    return inpaint


METHODS: dict[str, Fill] = {
    "ours": _ours,
    "Telea": _opencv(cv2.INPAINT_TELEA),
    "Navier-Stokes": _opencv(cv2.INPAINT_NS),
}


def outcomes(folder: Path, count: int, every: int, seed: int) -> Iterator[tuple[Outcome, Floats]]:
    """Every method on every case, with what it made; the damaged photo comes first, as `none`."""
    rng = np.random.default_rng(seed)
    for _, pixels in islice(photos(folder, every), count):
        for kind in KINDS:
            damaged, mask = drawn(pixels, kind, rng)
            yield _outcome(kind, "none", lambda image, _: image, (pixels, damaged, mask))
            for method, function in METHODS.items():
                yield _outcome(kind, method, function, (pixels, damaged, mask))


def _outcome(
    kind: str, method: str, function: Fill, case: tuple[Floats, Floats, Mask]
) -> tuple[Outcome, Floats]:
    pixels, damaged, mask = case
    before = time.process_time()
    filled = np.rint(np.clip(function(damaged, mask), 0, 1) * 255) / 255
    seconds = time.process_time() - before
    score = psnr(filled[mask][None], pixels[mask][None])
    return Outcome(kind, method, score, seconds, int(mask.sum())), filled


def table(found: Sequence[Outcome]) -> str:
    """Mean PSNR of each kind and method, and the time they took for a thousand pixels."""
    methods = ["none", *METHODS]
    lines = [f"{'PSNR under the mask':20}" + "".join(f"{method:>15}" for method in methods)]
    for kind in KINDS:
        means = [_mean(found, method, kind) for method in methods]
        lines.append(f"{kind:20}" + "".join(f"{mean:15.2f}" for mean in means))
    seconds = [_seconds(found, method) for method in methods]
    lines.append(f"{'CPU ms / 1000 px':20}" + "".join(f"{value:15.1f}" for value in seconds))
    return "\n".join(lines)


def _mean(found: Sequence[Outcome], method: str, kind: str) -> float:
    return float(
        np.mean([each.psnr for each in found if (each.method, each.kind) == (method, kind)])
    )


def _seconds(found: Sequence[Outcome], method: str) -> float:
    own = [each for each in found if each.method == method]
    return 1e6 * sum(each.seconds for each in own) / sum(each.pixels for each in own)


def _sheet(rows: Sequence[Sequence[Floats]], path: Path) -> None:
    """A row for each case, a column for each method."""
    height = max(image.shape[0] for row in rows for image in row)
    width = max(image.shape[1] for row in rows for image in row)
    sheet: NDArray[np.uint8] = np.zeros((len(rows) * height, len(rows[0]) * width, 3), np.uint8)
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            place = sheet[line * height :, column * width :]
            place[: image.shape[0], : image.shape[1]] = np.rint(image * 255)
    Image.fromarray(sheet).save(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, and write the sheet if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--casts", action="store_true", help="casts and fading in place of damage")
    slides = "of --casts, slides that have gone red alone"
    parser.add_argument("--slides", action="store_true", help=slides)
    only = "of --casts, the curves alone: quick"
    parser.add_argument("--without-prior", action="store_true", help=only)
    parser.add_argument("--count", type=int, metavar="N", help="photos (default: 10, casts: 20)")
    parser.add_argument("--seed", type=int, default=21, metavar="N")
    parser.add_argument(
        "--every", type=int, default=25, metavar="N", help="each Nth of the manifest"
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="every filling, as a picture")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return _casts(options) if options.casts else _damage(options)


def _damage(options: argparse.Namespace) -> int:
    count = options.count or COUNT
    pairs = list(outcomes(options.folder, count, options.every, options.seed))
    found, images = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    print(f"{len(found) // (len(METHODS) + 1)} cases, seed {options.seed}")
    print(table(found))
    _save(images, len(METHODS) + 1, options.sheet)
    return 0


def _casts(options: argparse.Namespace) -> int:
    count = options.count or casts.COUNT
    models = None if options.without_prior else ModelCache("cpu")
    kinds = SLIDES if options.slides else CASTS
    pairs = list(casts.outcomes(options.folder, count, options.every, options.seed, models, kinds))
    found, images = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    columns = len(casts.METHODS) + 3
    print(f"{len(found) // columns} cases, seed {options.seed}")
    print(casts.table(found))
    _save(images, columns, options.sheet)
    return 0


def _save(images: Sequence[Floats], columns: int, path: Path | None) -> None:
    if path:
        _sheet([images[start : start + columns] for start in range(0, len(images), columns)], path)


if __name__ == "__main__":
    sys.exit(main())
