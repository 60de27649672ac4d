"""Rows of the benchmark as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.published import PUBLISHED

PSNR_CEILING = 100.0
"""In dB. Equal photos score this instead of infinity, so that means and JSON stay numbers."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One photo by one method."""

    set: str
    file: str
    method: str
    psnr: float
    """In dB, at most PSNR_CEILING."""
    ssim: float
    lpips: float | None
    seconds: float
    cpu_seconds: float
    """Processor time of all threads of this process."""
    megapixels: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """Means over a set: the form of the JSON file."""

    set: str
    method: str
    n: int
    psnr: float
    ssim: float
    lpips: float | None
    seconds: float
    cpu_per_megapixel: float
    """CPU seconds for all photos of the set, by all their megapixels."""


def mean_row(scores: Sequence[Score]) -> Row:
    """The mean of the scores of one method on one set."""
    distances = [score.lpips for score in scores if score.lpips is not None]
    return Row(
        set=scores[0].set,
        method=scores[0].method,
        n=len(scores),
        psnr=fmean(score.psnr for score in scores),
        ssim=fmean(score.ssim for score in scores),
        lpips=fmean(distances) if distances else None,
        seconds=fmean(score.seconds for score in scores),
        cpu_per_megapixel=sum(score.cpu_seconds for score in scores)
        / sum(score.megapixels for score in scores),
    )


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """A list of rows."""
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n")


def read_json(path: Path) -> list[Row]:
    """Read what `write_json` wrote."""
    try:
        rows = [Row(**row) for row in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise BenchmarkError(
            f"{path} does not hold rows of the quality benchmark ({error}); "
            "write it with quality.py --json"
        ) from error
    if not rows:
        raise BenchmarkError(f"{path} holds no rows; write it with quality.py --json")
    return rows


def write_csv(path: Path, scores: Iterable[Score]) -> None:
    """One line for each photo and method."""
    names = [field.name for field in dataclasses.fields(Score)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(dataclasses.asdict(score) for score in scores)


def print_tables(rows: Sequence[Row], console: Console) -> None:
    """Print the figures measured, and below them those that others report for the same sets."""
    # Without lines between the columns, all of it fits into 80.
    table = Table(
        title="Measured here: mean over the set", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("set", "method", "n"):
        table.add_column(name, no_wrap=True)
    for name in ("PSNR dB", "SSIM", "LPIPS", "s/photo", "CPU s/MP"):
        table.add_column(name, justify="right", no_wrap=True)
    for index, row in enumerate(rows):
        if index and row.set != rows[index - 1].set:
            table.add_section()
        table.add_row(
            row.set, row.method, str(row.n), f"{row.psnr:.2f}",
            _figure(row.ssim), _figure(row.lpips), f"{row.seconds:.2f}",
            f"{row.cpu_per_megapixel:.2f}",
        )  # fmt: skip
    console.print(table)
    _print_published({row.set for row in rows}, console)


def _print_published(sets: set[str], console: Console) -> None:
    known = [row for row in PUBLISHED if row.set in sets]
    if not known:
        return
    table = Table(title="Not measured here: reported by others on the same sets")
    for name in ("set", "method", "PSNR dB", "SSIM", "LPIPS", "origin"):
        table.add_column(name, no_wrap=True)
    for row in known:
        table.add_row(
            row.set, row.method, f"{row.psnr:.2f}", _figure(row.ssim), _figure(row.lpips),
            row.origin,
        )  # fmt: skip
    console.print(table)
    console.print(
        "published: as printed in the papers. authors: their released results or weights, "
        "measured elsewhere with these metrics."
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
