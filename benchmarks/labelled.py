"""Folders of real photos with a `labels.tsv`, references next to them, and held-out good photos."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from benchmarks.cases import manifest
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Expected, expected
from benchmarks.sets import Samples

EVERY = 25
"""Each so-manieth row of a manifest, from the first one on, is held out from all training."""

ON_PURPOSE = Path(__file__).with_name("on_purpose.tsv")
"""Photos of the research tier, looked at one by one, whose light or air is meant: file and kind."""

_FILE, _TEXT = "file", "what a photographer sees"
_LONGER, _REFERENCE = "_longer_exposure", "_reference"


@dataclass(frozen=True)
class Photograph:
    """One photo to be judged."""

    name: str
    path: Path
    kind: str = ""
    """For pictures that are to be left alone: what they are."""


_Photo = TypeVar("_Photo", bound=Photograph)


@dataclass(frozen=True, kw_only=True)
class Labelled(Photograph):
    """A photo with what a photographer sees in it."""

    expected: Expected
    reference: Path | None = None
    """The same view without the fault."""
    longer: Path | None = None
    """The same view in a longer exposure; how much longer is not known."""


def labelled(folder: Path) -> list[Labelled]:
    """Photos of `folder/labels.tsv`, in its order."""
    table = folder / "labels.tsv"
    try:
        # Quotation marks are a photographer's words, no part of the format.
        with table.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{table} cannot be read ({error}); give a labelled folder") from None
    if not rows or not {_FILE, _TEXT} <= rows[0].keys():
        raise BenchmarkError(f"{table} needs the columns '{_FILE}' and '{_TEXT}' and a row")
    names = [row[_FILE] for row in rows]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise BenchmarkError(f"{table} names {double} twice; keep one of its rows")
    return [_row(folder, row) for row in rows]


def _row(folder: Path, row: dict[str, str]) -> Labelled:
    path = folder / row[_FILE]
    if not path.is_file():
        raise BenchmarkError(f"{folder / 'labels.tsv'} names {row[_FILE]}, which is not beside it")
    try:
        wanted = expected(row[_TEXT] or "")
    except BenchmarkError as error:
        raise BenchmarkError(f"{folder / 'labels.tsv'}, {row[_FILE]}: {error}") from None
    return Labelled(
        name=row[_FILE],
        path=path,
        kind=wanted.main,
        expected=wanted,
        reference=_beside(path, _REFERENCE),
        longer=_beside(path, _LONGER),
    )


def _beside(path: Path, ending: str) -> Path | None:
    found = path.with_name(f"{path.stem}{ending}.png")
    return found if found.is_file() else None


def held_out(folder: Path) -> list[Photograph]:
    """Good photos that nothing was fitted on: every EVERY-th row of `folder/manifest.tsv`."""
    files = [row["file"] for row in manifest(folder)[::EVERY]]
    return [Photograph(file, folder / file, file.partition("/")[0]) for file in files]


def on_purpose(folder: Path) -> list[Photograph]:
    """Photos of ON_PURPOSE that are in `folder`; its training never used their tier."""
    with ON_PURPOSE.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    found = [Photograph(row["file"], folder / row["file"], row["kind"]) for row in rows]
    return [photo for photo in found if photo.path.is_file()]


def spread(photos: list[_Photo], limit: int | None) -> list[_Photo]:
    """Choose at most `limit` of them, evenly over the whole list."""
    if limit is None or limit >= len(photos):
        return photos
    return [photos[index * len(photos) // limit] for index in range(limit)]


def read(path: Path) -> Samples:
    """(H, W, 3) uint8, or (H, W, 4) where a part of the picture is transparent."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read ({error}); copy it again") from error
    return pixels[..., :3] if pixels.shape[2] == 4 and pixels[..., 3].min() == 255 else pixels
