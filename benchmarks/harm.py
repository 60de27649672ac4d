"""Do no harm: how many good photos, and pictures that are none, `auto` would touch, and for what.

    python -m benchmarks.harm PHOTOS [--pool POOL ...] [--seed N] [--skip N] [--count N]
                              [--no-photos] [--sheet FILE] [--json FILE]

PHOTOS holds a `manifest.tsv`. `held-out` are every 25th of its rows, which nothing was trained on;
`research` is a tier that may be measured with and never trained on. `harm_truth.tsv` says of some
of them, looked at one by one, that they need what is done: such are counted apart. `--sheet` shows
what is touched, as a whole and where it changes most, before and after.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import no_photos
from benchmarks.cases import manifest
from benchmarks.errors import BenchmarkError
from benchmarks.labelled import EVERY, read
from benchmarks.sets import Samples
from benchmarks.sheet import Cell, contact_sheet
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.inset import diagnose_photo
from ldrps_engine.analysis.resampling import squares
from ldrps_engine.errors import LdrpsError
from ldrps_engine.photo import Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings

POOLS = ("held-out", "research")
TRUTH = Path(__file__).with_name("harm_truth.tsv")
"""File and what it needs indeed, of photos that were touched and looked at."""
CAUSES = ("light", "haze", "fading", "noise", "cast", "blocks", "hot pixels", "damage")

_CROP = 160
"""Side of the crop in which most changes, pixels."""


@dataclass(frozen=True)
class Touched:
    """A picture that `auto` would not leave as it is."""

    name: str
    causes: tuple[str, ...]
    words: str
    needed: bool
    """True if a person who looked at it found that it needs one of these."""


def causes(found: Diagnosis) -> tuple[str, ...]:
    """Name what `auto` would set to work for, out of CAUSES; none where a photo is left alone."""
    if not found.needs_work:
        return ()
    holds = (
        found.is_dark,
        found.is_hazy,
        found.is_faded,
        found.is_noisy,
        found.is_cast,
        found.has_blocks,
        found.hot_pixels > 0,
        found.is_damaged_beyond_doubt,
    )
    return tuple(name for name, is_so in zip(CAUSES, holds, strict=True) if is_so)


def pool(folder: Path, names: Sequence[str], seed: int) -> list[str]:
    """Files of the pools asked for, shuffled by a seed of one's own choice."""
    rows = list(enumerate(manifest(folder)))
    chosen = [
        row["file"]
        for number, row in rows
        if ("held-out" in names and number % EVERY == 0)
        or ("research" in names and row["file"].startswith("research/"))
    ]
    random.Random(seed).shuffle(chosen)
    return chosen


def truth() -> dict[str, frozenset[str]]:
    """Causes that photos need indeed, by file."""
    with TRUTH.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return {row["file"]: frozenset(row["needs"].split(", ")) for row in rows}


def judged(pictures: Iterator[tuple[str, Samples]]) -> Iterator[tuple[Touched | None, Samples]]:
    """Diagnose each, and tell of those that `auto` would touch."""
    needs = truth()
    for name, samples in pictures:
        try:
            found = diagnose_photo(Photo.from_samples(samples))
        except LdrpsError as error:
            raise BenchmarkError(f"{name} cannot be diagnosed: {error}") from error
        why = causes(found)
        needed = bool(needs.get(name, frozenset()) & set(why))
        yield Touched(name, why, found.words(), needed) if why else None, samples


def drawn() -> Iterator[tuple[str, Samples]]:
    """Pictures of `no_photos.py` that this machine can draw."""
    for drawing in no_photos.DRAWINGS:
        try:
            yield drawing.name, no_photos.draw(drawing)
        except BenchmarkError as error:
            print(f"left out {drawing.name}: {error}", file=sys.stderr)


def shown(one: Touched, before: Samples, models: ModelCache) -> list[Cell]:
    """Cells of a contact sheet: the whole before, and before and after where most changes."""
    made = restore(Photo.from_samples(before), Settings(recipe="fast"), models)
    after = np.asarray(made.photo.to_samples(), np.uint8)[..., :3]
    plain = before[..., :3]
    changed = np.abs(after.astype(np.float32) - plain).mean(2)
    size = [min(_CROP, side) for side in plain.shape[:2]]
    most = squares(changed, _CROP // 4).mean((1, 3))
    block = np.unravel_index(int(most.argmax()), most.shape)
    top, left = (
        int(np.clip((at + 0.5) * (_CROP // 4) - side // 2, 0, whole - side))
        for at, side, whole in zip(block, size, plain.shape, strict=False)
    )
    place = np.s_[top : top + size[0], left : left + size[1]]
    name = one.name.rpartition("/")[2]
    cells = [Cell(plain, name), Cell(after, one.words), Cell(_large(plain[place]), "before")]
    return [*cells, Cell(_large(after[place]), "needed" if one.needed else "")]


def _large(crop: Samples) -> Samples:
    return crop.repeat(2, 0).repeat(2, 1)


def report(title: str, count: int, touched: Sequence[Touched]) -> None:
    """Print how many of so many are touched, for what, and which."""
    if not count:
        return
    unasked = [one for one in touched if not one.needed]
    print(
        f"{title}: {len(touched)} of {count} touched ({100 * len(touched) / count:.1f} %), ", end=""
    )
    print(f"{len(unasked)} without need ({100 * len(unasked) / count:.1f} %)")
    for name in CAUSES:
        of_it = [one for one in touched if name in one.causes]
        if of_it:
            print(f"  {name}: {len(of_it)}, {sum(not one.needed for one in of_it)} without need")
    for one in touched:
        print(f"  {'needed' if one.needed else '      '} {one.name}: {one.words}")


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, print, and write what was asked for; 2 where the input cannot be used."""
    options = _parser().parse_args(argv)
    groups: dict[str, tuple[int, list[Touched]]] = {}
    cells: list[list[Cell]] = []
    models = ModelCache("cpu")

    def take(title: str, pictures: Iterator[tuple[str, Samples]]) -> None:
        count, touched = 0, []
        for found, samples in judged(pictures):
            count += 1
            if found:
                touched.append(found)
                print(f"{count} {found.name}: {found.words}", file=sys.stderr, flush=True)
                if options.sheet:
                    cells.append(shown(found, samples, models))
        groups[title] = count, touched
        report(title, count, touched)

    try:
        if options.photos:
            files = pool(options.photos, options.pool or POOLS, options.seed)[options.skip :]
            some = files[: options.count]
            take("good photos", ((file, read(options.photos / file)) for file in some))
        if options.no_photos:
            take("no photos, or so on purpose", drawn())
        if not groups:
            raise BenchmarkError("nothing to judge; give PHOTOS or --no-photos")
    except BenchmarkError as error:
        print(f"harm: {error}", file=sys.stderr)
        return 2
    if options.sheet and cells:
        columns = ["photo", "auto", "where it changes most", "the same after"]
        contact_sheet(columns, cells).save(options.sheet)
    if options.json:
        rows = {
            title: {"pictures": count, "touched": [asdict(one) for one in touched]}
            for title, (count, touched) in groups.items()
        }
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.harm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("photos", nargs="?", type=Path, metavar="PHOTOS", help="a folder with a manifest.tsv")
    add("--pool", action="append", choices=POOLS, help="repeatable; both of them if left out")
    add("--seed", type=int, default=0, help="of the order")
    add("--skip", type=int, default=0, metavar="N", help="leave out the first N")
    add("--count", type=int, metavar="N", help="at most N photos")
    add("--no-photos", action="store_true", help="pictures of no_photos.py as well")
    add("--sheet", type=Path, metavar="FILE", help="contact sheet of what is touched")
    add("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
