"""Cases from other tools' issue trackers: is each row's picture treated as its table asks for?

    python benchmarks/given.py FOLDER [--row N ...] [--pictures DIR]

FOLDER holds the pictures of the rows that are given away. Each is restored by `fast`, or by the
recipe that its row names. A picture with a border is held against the same without one: what is
found is named, the restored pictures agree to 45 dB, and the border is as it was. What is no photo
comes back as it was. Ends with 1 if a row fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.errors import BenchmarkError
from benchmarks.labelled import read
from benchmarks.sets import Samples
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.errors import LdrpsError
from ldrps_engine.photo import Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from training.metrics import psnr

# Decibels between what is restored inside a border and without one.
_AGREE = 45.0
# Factor by which a dark picture's mean grows at least.
_LIT = 1.5
# Share of the steps between neighbours that is left at most, where grain is filtered.
_SMOOTH = 0.75
# Mean change, in 8-bit steps, of what is left alone.
_SAME = 0.5


@dataclass(frozen=True)
class Made:
    """A picture and what became of it."""

    before: Samples
    after: Samples
    diagnosis: Diagnosis
    remarks: tuple[str, ...]

    @property
    def inside(self) -> Samples:
        """The restored picture inside its border."""
        inner = self.diagnosis.inner
        return self.after[inner.part] if inner else self.after

    @property
    def outside_is_kept(self) -> bool:
        """Tell whether there is a border and all of it is as it was."""
        inner = self.diagnosis.inner
        if inner is None:
            return False
        outside = np.ones(self.before.shape[:2], bool)
        outside[inner.part] = False
        return bool((self.before[outside] == self.after[outside]).all())

    @property
    def change(self) -> float:
        """Mean change in 8-bit steps."""
        return float(np.abs(self.after.astype(float) - self.before).mean())


Make = Callable[[str, str], Made]
"""From a file's name and a recipe to what became of it."""
Outcome = tuple[bool, str]
"""Passed or not, and the figure that says so."""


@dataclass(frozen=True)
class Row:
    """A row of the table of cases."""

    number: int
    title: str
    judge: Callable[[Make], Outcome]


def _border(number: int, kind: str, border: str, finding: Callable[[Diagnosis], bool]) -> Row:
    """Hold a picture with a border against the same without one."""

    def judge(make: Make) -> Outcome:
        alone = make(f"{kind}_no_border.png", "fast")
        whole = make(f"{kind}_{border}.png", "fast")
        said = f"'{alone.diagnosis.words()}' and '{whole.diagnosis.words()}'"
        if whole.inside.shape != alone.after.shape:
            return False, f"{said}; the border is not found to the pixel"
        agreement = psnr(alone.after / 255.0, whole.inside / 255.0)
        found = finding(alone.diagnosis) and finding(whole.diagnosis)
        kept = whole.outside_is_kept
        right = found and kept and agreement >= _AGREE
        outside = "as it was" if kept else "changed"
        return right, f"{said}; inside {agreement:.1f} dB, border {outside}"

    return Row(number, f"{kind}, {border.replace('_', ' ')}", judge)


def _old_print(make: Make) -> Outcome:
    made = make("old_sepia_print_paper_border.png", "old-photo")
    inner = made.diagnosis.inner
    if inner is None:
        return False, f"'{made.diagnosis.words()}'; the border is not found"
    left = _steps(made.inside) / _steps(made.before[inner.part])
    kept = made.outside_is_kept
    said = f"'{made.diagnosis.words()}'; {left:.2f} of the grain's steps are left"
    return left <= _SMOOTH and kept, f"{said}, border {'as it was' if kept else 'changed'}"


def _steps(samples: Samples) -> float:
    """Return the mean step between neighbours: mostly grain, in a picture that has some."""
    luma = samples.astype(float).mean(-1)
    return float(np.abs(np.diff(luma, axis=1)).mean())


def _backlit(make: Make) -> Outcome:
    made = make("backlit_bright_sky_dark_land.png", "low-light")
    dark = made.before.mean(-1) < np.median(made.before.mean(-1))
    lit = float(made.after[dark].mean() / made.before[dark].mean())
    said = f"dark half {lit:.2f} times as light; {'; '.join(made.remarks) or 'no remark'}"
    return lit >= _LIT or bool(made.remarks), said


def _left_alone(file: str) -> Callable[[Make], Outcome]:
    def judge(make: Make) -> Outcome:
        made = make(file, "fast")
        return made.change <= _SAME, f"'{made.diagnosis.words()}'; changed by {made.change:.2f}"

    return judge


ROWS = (
    _border(1, "noisy", "white_border_6pc", lambda found: found.is_noisy),
    _border(2, "dark", "white_border_2pc", lambda found: found.is_dark),
    _border(3, "hazy", "black_border_2pc", lambda found: found.is_hazy),
    Row(5, "old print, paper border", _old_print),
    Row(6, "backlit land, low-light", _backlit),
    Row(7, "page of text", _left_alone("text_page_black_on_white.png")),
    Row(9, "flat drawing", _left_alone("flat_graphic_dark_grey.png")),
)
"""Rows whose pictures are given; those of 4 and 8 are kept back."""


def restoring(folder: Path, pictures: Path | None) -> Make:
    """Return what restores pictures of `folder`, and saves the results in `pictures`."""
    models = ModelCache("cpu")

    def make(name: str, recipe: str) -> Made:
        before = read(folder / name)[..., :3]
        done = restore(Photo.from_samples(before), Settings(recipe=recipe), models)
        after = np.asarray(done.photo.to_samples(), np.uint8)[..., :3]
        if pictures:
            Image.fromarray(after).save(pictures / name)
        return Made(before, after, done.diagnosis, done.remarks)

    return make


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each row; 1 where one fails, 2 where the folder cannot be used."""
    parser = argparse.ArgumentParser(
        prog="given.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    numbers = [row.number for row in ROWS]
    parser.add_argument("--row", type=int, nargs="+", choices=numbers, default=numbers)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="save what was restored")
    given = parser.parse_args(argv)
    try:
        if given.pictures:
            given.pictures.mkdir(parents=True, exist_ok=True)
        make, all_right = restoring(given.folder, given.pictures), True
        for row in (row for row in ROWS if row.number in given.row):
            right, said = row.judge(make)
            all_right &= right
            print(
                f"row {row.number} {'pass' if right else 'FAIL'}: {row.title}: {said}", flush=True
            )
    except (BenchmarkError, LdrpsError, OSError) as error:
        print(f"given.py: {error}", file=sys.stderr)
        return 2
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
