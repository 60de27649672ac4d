"""Colours that the scene expert gives to photos without them, by the source of the photos.

    python benchmarks/colours.py --set kodak24=DIR --photos ../shared/photos --source BSDS500 \
        --lpips FILE

DIR holds reference/, or photos. For judging weights of the expert on other photos than the test
sets, without the rest of the engine: decibels more than left grey, LPIPS, and how colourful the
photos are compared with what they were.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import manifest
from benchmarks.errors import BenchmarkError
from benchmarks.sets import DERIVED_SEED, to_samples
from benchmarks.sheet import Cell, contact_sheet
from ldrps_engine.analysis.monochrome import grey_of, is_monochrome
from ldrps_engine.diffusion.colouring import Colouring, colour
from training.metrics import Lpips, colourfulness, psnr

Floats = NDArray[np.float32]

# Pixels on the short side at the most.
_SIDE = 256


@dataclass(frozen=True)
class Coloured:
    """A photo, and what it becomes without its colours and with those given to it."""

    name: str
    reference: Floats
    grey: Floats
    given: Floats

    @property
    def gain(self) -> float:
        """Decibels more than left grey."""
        return psnr(self.given, self.reference) - psnr(self.grey, self.reference)


def coloured(photo: Path, seed: int) -> Coloured | None:
    """Take a photo's colours away, and give it others; None for one that has none."""
    with Image.open(photo) as image:
        small = image.convert("RGB")
    scale = _SIDE / min(small.size)
    if scale < 1:
        width, height = (round(side * scale) for side in small.size)
        small = small.resize((width, height), Image.Resampling.LANCZOS)
    reference = np.asarray(np.asarray(small) / 255, np.float32)
    if is_monochrome(reference):
        return None
    grey = _rounded(grey_of(reference))
    return Coloured(photo.name, reference, grey, _rounded(colour(grey, seed, Colouring.of(seed))))


def _rounded(values: Floats) -> Floats:
    return np.asarray(to_samples(values.astype(np.float64)) / 255, np.float32)


def summary(kind: str, done: list[Coloured], distance: Lpips | None) -> str:
    """Return the means over photos of one kind, as a line."""
    gain = np.mean([photo.gain for photo in done])
    worst = min(photo.gain for photo in done)
    share = sum(colourfulness(p.given) for p in done) / sum(
        colourfulness(p.reference) for p in done
    )
    apart = np.mean([distance(p.given, p.reference) for p in done]) if distance else None
    said = "" if apart is None else f", LPIPS {apart:.4f}"
    return (
        f"{kind}: {len(done)} photos, {gain:+.2f} dB over grey, the worst {worst:+.1f}"
        f"{said}, {share:.0%} as colourful"
    )


def kinds(given: argparse.Namespace) -> Iterator[tuple[str, list[Path]]]:
    """Yield names of kinds, and their photos in the order in which they are taken."""
    for text in given.set:
        name, equals, folder = text.partition("=")
        inner = Path(folder) / "reference"
        files = sorted(
            f for f in (inner if inner.is_dir() else Path(folder)).glob("*") if f.is_file()
        )
        if not (equals and files):
            raise BenchmarkError(f"--set {text} names no photos; give NAME=DIR")
        yield name, files
    rows = manifest(given.photos) if given.source else []
    for source in given.source:
        names = [row["file"] for row in rows if row["source"].startswith(source)]
        if not names:
            raise BenchmarkError(f"{given.photos} has no source that begins with {source}")
        order = np.random.default_rng(DERIVED_SEED).permutation(names)
        yield source, [given.photos / name for name in order]


def main() -> int:
    """Print a line for each kind of photos, and one for the mean of all kinds."""
    given = _parser().parse_args()
    if not (given.set or (given.source and given.photos)):
        raise BenchmarkError("no photos were named; use --set NAME=DIR, or --photos and --source")
    distance = Lpips(given.lpips) if given.lpips else None
    gains = []
    for kind, files in kinds(given):
        done: list[Coloured] = []
        for file in files:
            if len(done) < given.count and (photo := coloured(file, given.seed)):
                done.append(photo)
        if not done:
            raise BenchmarkError(f"{kind} has no photo with colours; name another folder")
        print(summary(kind, done, distance), flush=True)
        gains.append(np.mean([photo.gain for photo in done]))
        if given.sheets:
            _save_sheet(given.sheets / f"{kind}.png", done)
    print(f"mean of {len(gains)} kinds: {np.mean(gains):+.3f} dB over grey")
    return 0


def _save_sheet(path: Path, done: list[Coloured]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        [
            Cell(to_samples(photo.given.astype(np.float64)), f"{photo.gain:+.1f} dB"),
            Cell(to_samples(photo.reference.astype(np.float64)), photo.name),
        ]
        for photo in done
    ]
    contact_sheet(["given", "reference"], rows).save(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--set", action="append", default=[], metavar="NAME=DIR", help="a set; repeatable")
    add("--photos", type=Path, help="folder with a manifest.tsv")
    add("--source", action="append", default=[], help="how the name of a source begins; repeatable")
    add("--count", type=int, default=30, help="photos of each kind at the most")
    add("--seed", type=int, default=0, help="0: the most likely colours; others: a sample")
    add("--lpips", type=Path, metavar="WEIGHTS", help="LPIPS weights for AlexNet (safetensors)")
    add("--sheets", type=Path, metavar="DIR", help="save a contact sheet for each kind")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(str(error))
