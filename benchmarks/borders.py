"""Photos with borders drawn around them: is the picture found, and is it diagnosed as without?

    python benchmarks/borders.py PHOTOS [--photos N] [--every N] [--jpeg Q] [--restore N]
                                 [--sheet PNG]

`PHOTOS` holds a `manifest.tsv` as for training; every 25th of its photos is taken, which is none
that anything was fitted on. White, black and paper, 1 to 25 % of the long side, around a noisy, a
dark, a hazy and a faded version of each. Then the photos as they are: `--sheet` shows those in
which a frame is found, to judge whether there is one.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import KINDS, LONG_SIDE, Kind, manifest
from benchmarks.diagnosis import main_call
from benchmarks.errors import BenchmarkError
from benchmarks.sets import Floats
from ldrps_engine.analysis.diagnosis import Diagnosis, diagnose
from ldrps_engine.analysis.frame import find_frame
from ldrps_engine.analysis.inset import Inset
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.errors import LdrpsError
from ldrps_engine.photo import Photo
from training.metrics import psnr

COLOURS = {"white": (0.97, 0.97, 0.97), "black": (0.02, 0.02, 0.02), "paper": (0.95, 0.925, 0.86)}
SHARES = (0.01, 0.03, 0.1, 0.25)
"""Shares of the photo's long side."""
FIGURES = {"noisy": "noise_sigma", "dark": "darkness", "hazy": "haze", "faded": "haze"}
_NEAR = 0.1
_LEAST_SIDE = 160
_GRAIN, _SHADING = 2 / 255, 4 / 255


@dataclass(frozen=True, kw_only=True)
class Bordered:
    """A degraded photo and the same with a border."""

    kind: str
    colour: str
    share: float
    inside: Photo
    outside: Photo
    where: Rectangle


@dataclass(frozen=True)
class Outcome:
    """Outcome of one border."""

    of: Bordered
    exact: bool
    """The picture's rectangle is right to the pixel."""
    same: bool
    """Finding and strength are as without the border."""
    psnr: float | None
    """PSNR of the restored picture against that without border; None if not restored."""


def samples(pixels: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """8 bits."""
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def bordered(
    pixels: Floats, colour: str, share: float, rng: np.random.Generator
) -> tuple[Floats, Rectangle]:
    """A photo with a border, its sides up to a fifth wider or narrower than `share`."""
    height, width = pixels.shape[:2]
    depth = share * max(height, width)
    top, bottom, left, right = (max(1, round(depth * rng.uniform(0.8, 1.2))) for _ in range(4))
    size = height + top + bottom, width + left + right
    whole = np.tile(np.array(COLOURS[colour]), (*size, 1))
    if colour == "paper":
        whole += rng.normal(0, _GRAIN, (*size, 1))
        whole += np.linspace(-_SHADING, _SHADING, size[1])[:, None]
    where = Rectangle(left, top, width, height)
    whole[where.part] = pixels
    return whole, where


def photos(folder: Path, every: int) -> Iterator[tuple[str, Floats]]:
    """Each `every`th photo of the manifest that has colours and is large enough."""
    for row in manifest(folder)[::every]:
        with Image.open(folder / row["file"]) as image:
            if image.mode != "RGB" or min(image.size) < _LEAST_SIDE:
                continue
            image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
            pixels = np.asarray(image) / 255.0
        if np.percentile(np.ptp(pixels, axis=2), 99) > 0.1:
            yield row["file"], pixels


def _kinds() -> dict[str, Kind]:
    """The first, which is the plain one, of each kind."""
    return {
        kind.truth: kind for kind in reversed(KINDS) if kind.truth in FIGURES and not kind.sigma
    }


def cases(folder: Path, count: int, every: int, jpeg: int | None) -> Iterator[Bordered]:
    """All borders around all versions of the first `count` photos without a frame."""
    rng = np.random.default_rng(18)
    taken = 0
    for _, pixels in photos(folder, every):
        if find_frame(Photo.from_samples(samples(pixels))):
            continue
        for truth, kind in _kinds().items():
            strength = kind.strengths[len(kind.strengths) // 2]
            inside = np.clip(kind.degrade(pixels, strength, rng), 0, 1)
            for colour in COLOURS:
                for share in SHARES:
                    whole, where = bordered(inside, colour, share, rng)
                    outside = _stored(whole, jpeg)
                    alone = np.ascontiguousarray(outside[where.part])
                    yield Bordered(
                        kind=truth,
                        colour=colour,
                        share=share,
                        inside=Photo.from_samples(alone),
                        outside=Photo.from_samples(outside),
                        where=where,
                    )
        taken += 1
        if taken == count:
            return
    raise BenchmarkError(f"{folder} holds fewer than {count} photos that can be used")


def _stored(pixels: Floats, jpeg: int | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    if jpeg is None:
        return samples(pixels)
    file = io.BytesIO()
    Image.fromarray(samples(pixels)).save(file, "JPEG", quality=jpeg)
    return np.asarray(Image.open(file))


def judge(case: Bordered, known: dict[bytes, Diagnosis]) -> tuple[bool, bool]:
    """(the rectangle is right to the pixel, finding and strength are as without the border)."""
    inset = Inset.of(case.outside)
    if inset.frame is not None and inset.frame.mask is None and inset.frame.rectangle == case.where:
        # The same pixels are measured.
        return True, True
    without, found = (_measured(photo, known) for photo in (case.inside, inset.picture))
    one, other = (float(getattr(of, FIGURES[case.kind])) for of in (without, found))
    near = abs(one - other) <= _NEAR * max(one, other)
    return False, main_call(without) == main_call(found) and near


def _measured(photo: Photo, known: dict[bytes, Diagnosis]) -> Diagnosis:
    """Diagnose a photo, or look it up."""
    key = photo.to_samples().tobytes()
    if key not in known:
        known[key] = diagnose(photo.pixels)
    return known[key]


def run(options: argparse.Namespace) -> list[Outcome]:
    """Judge every case; restore the first few of each kind."""
    known: dict[bytes, Diagnosis] = {}
    outcomes: list[Outcome] = []
    restored: dict[str, int] = {}
    for case in cases(options.folder, options.photos, options.every, options.jpeg):
        exact, same = judge(case, known)
        ratio = None
        if restored.setdefault(case.kind, 0) < options.restore:
            restored[case.kind] += 1
            ratio = _agreement(case)
        outcomes.append(Outcome(case, exact, same, ratio))
    return outcomes


def _agreement(case: Bordered) -> float:
    """PSNR of what is restored inside, against what is restored of the photo alone."""
    from ldrps_engine.restore import ModelCache, restore
    from ldrps_engine.settings import Settings

    models, settings = ModelCache("cpu"), Settings(recipe="fast")
    alone, whole = (restore(of, settings, models).photo for of in (case.inside, case.outside))
    ratio = psnr(alone.pixels, whole.pixels[case.where.part])
    before, after = case.outside.to_samples().copy(), whole.to_samples().copy()
    before[case.where.part] = after[case.where.part] = 0
    if not np.array_equal(before, after):
        raise BenchmarkError(f"a {case.colour} border around a {case.kind} photo was changed")
    return ratio


def table(outcomes: list[Outcome]) -> str:
    """A row for each kind and colour, in Markdown."""
    lines = ["| photo | border | right to the pixel | as without border |", "|---|---|---|---|"]
    for kind in FIGURES:
        for colour in COLOURS:
            own = [o for o in outcomes if (o.of.kind, o.of.colour) == (kind, colour)]
            exact, same = sum(o.exact for o in own), sum(o.same for o in own)
            lines.append(f"| {kind} | {colour} | {exact} of {len(own)} | {same} of {len(own)} |")
    return "\n".join(lines)


def frames_found(folder: Path, every: int) -> tuple[int, list[tuple[str, Photo]]]:
    """(photos looked at, those of them in which a frame is found), as they are."""
    looked, found = 0, []
    for row in manifest(folder)[::every]:
        with Image.open(folder / row["file"]) as image:
            photo = Photo.from_samples(np.asarray(image.convert("RGB")))
        looked += 1
        if find_frame(photo):
            found.append((row["file"], photo))
    return looked, found


def draw(found: list[tuple[str, Photo]], side: int = 240) -> Image.Image:
    """The photos in which a frame is found, with the rectangle in magenta."""
    columns = 6
    sheet = Image.new("RGB", (columns * side, max(1, -(-len(found) // columns)) * side), "grey")
    for k, (_, photo) in enumerate(found):
        samples = photo.to_samples().copy()
        frame = find_frame(photo)
        if frame:
            box = frame.rectangle
            samples[box.rows, [box.left, box.left + box.width - 1]] = (255, 0, 255)
            samples[[box.top, box.top + box.height - 1], box.columns] = (255, 0, 255)
            if frame.mask is not None:
                samples[box.part][~frame.mask] = (255, 0, 255)
        cell = Image.fromarray(samples)
        cell.thumbnail((side - 8, side - 8))
        sheet.paste(cell, (k % columns * side + 4, k // columns * side + 4))
    return sheet


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 2 where the folder cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=20, metavar="N", help="draw borders around N")
    parser.add_argument("--every", type=int, default=25, metavar="N", help="take each Nth photo")
    parser.add_argument("--jpeg", type=int, metavar="Q", help="save as JPEG of this quality first")
    parser.add_argument(
        "--restore", type=int, default=0, metavar="N", help="restore N of each kind"
    )
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="what is found without drawing")
    options = parser.parse_args(arguments)
    try:
        outcomes = run(options)
        looked, found = frames_found(options.folder, options.every)
    except (BenchmarkError, LdrpsError) as error:
        print(f"borders: {error}", file=sys.stderr)
        return 2
    print(table(outcomes))
    ratios = [o.psnr for o in outcomes if o.psnr is not None]
    if ratios:
        print(
            f"\nrestored: {len(ratios)}, least PSNR inside {min(ratios):.1f} dB, borders unchanged"
        )
    print(f"\nphotos as they are: {looked}, with a frame: {len(found)}")
    print("\n".join(name for name, _ in found))
    if options.sheet:
        draw(found).save(options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
