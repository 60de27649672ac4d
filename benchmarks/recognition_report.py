"""Rows of the recognition benchmark: their tables, matrix, JSON, and the sheets to look at."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import Forecast, Reliability
from benchmarks.compared import NOTHING, Compared, means, references
from benchmarks.findings import FINDINGS, FINE, Expected, accepted
from benchmarks.judging import Judged
from benchmarks.labelled import Labelled
from benchmarks.report import PSNR_CEILING
from benchmarks.sets import Samples
from benchmarks.sheet import Cell, contact_sheet
from training.metrics import psnr

LABELLED, REFERENCES = "labelled", "references"
GOOD, NO_PHOTOS, ON_PURPOSE = "good", "no-photos", "on-purpose"
UNTOUCHED_GROUPS = (GOOD, NO_PHOTOS, ON_PURPOSE)
"""Groups of which nothing is to be touched."""

_NONE = "nothing"
_COLUMNS = (*FINDINGS, _NONE)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo as it was judged."""

    file: str
    group: str
    kind: str
    """The label's main finding, or for groups to be left alone the kind of picture."""
    expected: tuple[str, ...]
    named: tuple[str, ...]
    words: str
    found: bool | None
    """True if the main finding is named, or nothing where nothing is wrong; None: not known."""
    complete: bool | None
    """True if all that the label speaks of is named; None: not known."""
    touched: bool
    """True if any pixel differs after `auto`; diagnosed only: if `auto` would set to work."""
    to_original: float | None
    """PSNR of what `auto` made to the photo itself; None where it was diagnosed only."""
    probabilities: dict[str, float]


def row(
    file: str, group: str, kind: str, wanted: Expected | None, found: Judged, photo: Samples | None
) -> Row:
    """Hold one answer against what was to be expected."""
    touched, ratio = found.needs_work, None
    if found.restored is not None and photo is not None:
        touched = not np.array_equal(found.restored, photo[..., :3])
        ratio = min(psnr(found.restored / 255.0, photo[..., :3] / 255.0), PSNR_CEILING)
    right = complete = None
    if wanted:
        said = set(found.named)
        right = bool(said & wanted.accepted) if wanted.findings else not said
        complete = said >= set(wanted.findings) if wanted.findings else not said
    return Row(
        file=file,
        group=group,
        kind=kind,
        expected=wanted.findings if wanted else (),
        named=found.named,
        words=found.words,
        found=right,
        complete=complete,
        touched=touched,
        to_original=ratio,
        probabilities=found.probabilities,
    )


def forecasts(rows: Sequence[Row], expectations: Mapping[str, Expected]) -> list[Forecast]:
    """Probabilities and what holds, where that is known; on good pictures nothing does."""
    found = []
    for one in rows:
        if one.group == REFERENCES:
            continue
        wanted = expectations.get(one.file, Expected(()))
        for finding, probability in one.probabilities.items():
            holds = wanted.truth(finding)
            if holds is not None:
                found.append(Forecast(finding, probability, holds))
    return found


def matrix(rows: Sequence[Row]) -> tuple[list[str], list[list[int]], list[int]]:
    """Count how many of each kind are named what: names of the rows, counts, and photos in each.

    A photo of which several findings are named counts under each.
    """
    kinds = [one.kind if one.group == LABELLED else one.group for one in rows]
    order = [*FINDINGS, FINE, REFERENCES, *UNTOUCHED_GROUPS]
    names = [name for name in order if name in kinds]
    said = [set(one.named) or {_NONE} for one in rows]
    counts = [
        [
            sum(kind == name and column in words for kind, words in zip(kinds, said, strict=True))
            for column in _COLUMNS
        ]
        for name in names
    ]
    return names, counts, [kinds.count(name) for name in names]


def is_right(name: str, column: str) -> bool:
    """Tell if a column is the right call for a row of the matrix."""
    return column in accepted(name) if name in FINDINGS else column == _NONE


COLUMNS = _COLUMNS
"""Findings, and nothing."""


def print_found(rows: Sequence[Row], console: Console) -> None:
    """Print how many of each kind are found, and below them all that need help."""
    some = [one for one in rows if one.group == LABELLED]
    if not some:
        return
    table = Table(title="Labelled photos: is the label's finding named?")
    for name in ("kind", "photos", "main finding named", "all named", "left unchanged"):
        table.add_column(name, no_wrap=True)
    kinds = [kind for kind in (*FINDINGS, FINE) if any(one.kind == kind for one in some)]
    needy = [one for one in some if one.kind != FINE]
    parts = [(kind, [one for one in some if one.kind == kind]) for kind in kinds]
    for name, part in [*parts, ("all that need help", needy)]:
        figures = (
            len(part),
            sum(bool(one.found) for one in part),
            sum(bool(one.complete) for one in part),
            sum(not one.touched for one in part),
        )
        table.add_row(name, *map(str, figures), end_section=name == kinds[-1])
    console.print(table)
    for one in some:
        mark = "  " if one.found else "! "
        wanted = ", ".join(one.expected) or FINE
        line = f"{mark}{one.file}: {wanted} | {', '.join(one.named) or _NONE} | {one.words}"
        console.print(line, markup=False, soft_wrap=True)


def print_matrix(rows: Sequence[Row], console: Console) -> None:
    """Print the matrix as a table."""
    names, counts, totals = matrix(rows)
    if not names:
        return
    table = Table(title="Named of each kind; a photo may count under several")
    table.add_column("is \\ named")
    for column in ("photos", *_COLUMNS):
        table.add_column(column, justify="right")
    for name, line, total in zip(names, counts, totals, strict=True):
        table.add_row(name, str(total), *(str(count) if count else "" for count in line))
    console.print(table)


def print_compared(rows: Sequence[Compared], console: Console) -> None:
    """Print mean PSNR by method, the best first, apart for references and longer exposures."""
    found = means(rows)
    for kind in dict.fromkeys(one.kind for one in found):
        some = [one for one in found if one.kind == kind]
        table = Table(title=f"Photos with a {kind} beside them: mean PSNR in dB")
        exposed = any(one.after_gain is not None for one in some)
        heads = ("method", "n", "as they are", *(("after the best common gain",) * exposed))
        for name in heads:
            table.add_column(name, no_wrap=True)
        for one in sorted(some, key=lambda one: -(one.after_gain or one.psnr)):
            gained = () if one.after_gain is None else (f"{one.after_gain:.2f}",)
            table.add_row(one.method, str(one.n), f"{one.psnr:.2f}", *gained)
        console.print(table)


def print_reliability(found: Sequence[Reliability], are_given: bool, console: Console) -> None:
    """Print calibration errors."""
    if not found:
        return
    table = Table(title="Probabilities against what holds")
    for name in ("finding", "forecasts", "hold", "calibration error", "Brier score"):
        table.add_column(name, no_wrap=True)
    for one in found:
        figures = f"{one.error:.3f}", f"{one.brier:.3f}"
        table.add_row(one.finding, str(one.count), str(one.holding), *figures)
    console.print(table)
    if not are_given:
        console.print("The diagnosis gives no probabilities: 1 for what it names, 0 for the rest.")


def print_harm(rows: Sequence[Row], diagnosed_only: bool, console: Console) -> None:
    """Print the share that was touched of what is to be left alone, with names."""
    some = [one for one in rows if one.group in UNTOUCHED_GROUPS]
    if not some:
        return
    seen = "auto would set to work" if diagnosed_only else "any pixel differs after auto"
    table = Table(title=f"Do no harm: touched, that is, {seen}")
    for name in ("group", "pictures", "touched", "share", "least PSNR to the original"):
        table.add_column(name, no_wrap=True)
    for group in UNTOUCHED_GROUPS:
        part = [one for one in some if one.group == group]
        if part:
            touched = [one for one in part if one.touched]
            level = min((one.to_original for one in touched if one.to_original), default=None)
            share = f"{100 * len(touched) / len(part):.1f} %"
            least = "-" if level is None else f"{level:.2f} dB"
            table.add_row(group, str(len(part)), str(len(touched)), share, least)
    console.print(table)
    for one in some:
        if one.touched:
            ratio = "" if one.to_original is None else f" | {one.to_original:.2f} dB"
            line = f"  {one.group} {one.file} ({one.kind}): {one.words}{ratio}"
            console.print(line, markup=False, soft_wrap=True)


def write_json(
    path: Path, rows: Sequence[Row], compared: Sequence[Compared], found: Sequence[Reliability]
) -> None:
    """Write all rows and what was made of them."""
    names, counts, totals = matrix(rows)
    report: dict[str, Any] = {
        "photos": [dataclasses.asdict(one) for one in rows],
        "compared": [dataclasses.asdict(one) for one in compared],
        "means": [dataclasses.asdict(one) for one in means(compared)],
        "matrix": {"rows": names, "columns": _COLUMNS, "counts": counts, "photos": totals},
        "reliability": [dataclasses.asdict(one) for one in found],
    }
    path.write_text(json.dumps(report, indent=1) + "\n")


def save_sheets(
    folder: Path,
    photos: Sequence[tuple[Labelled, Samples, Samples]],
    made: Mapping[str, Mapping[str, Samples]],
    compared: Sequence[Compared],
) -> None:
    """Save a sheet for each kind: before, after, and the best filter and reference if any."""
    for kind in dict.fromkeys(photo.kind for photo, _, _ in photos):
        rows, columns = [], ["before", "auto"]
        for photo, before, after in photos:
            if photo.kind != kind:
                continue
            cells = [Cell(_opaque(before), photo.name), Cell(after, "")]
            if (beside := references(photo)) is not None:
                best = _best_filter(beside[0], compared)
                levels = {one.method: one for one in compared if one.file == photo.name}
                cells[1] = Cell(after, _caption(levels.get("auto")))
                cells += [Cell(made[photo.name][best], _caption(levels[best])), Cell(beside[1], "")]
                columns = ["before", "auto", best, beside[0]]
            rows.append(cells)
        width = len(columns)
        blank = Cell(np.full((8, 8, 3), 255, np.uint8), "")
        padded = [[*cells, *[blank] * (width - len(cells))] for cells in rows]
        contact_sheet(columns, padded).save(folder / f"{kind}.png")


def save_touched(folder: Path, pictures: Sequence[tuple[Row, Samples, Samples]]) -> None:
    """Save a sheet of what should have been left alone and was not."""
    if pictures:
        rows = [
            [Cell(_opaque(before), one.file), Cell(after, f"{one.words} {one.to_original:.1f} dB")]
            for one, before, after in pictures
        ]
        contact_sheet(["before", "auto"], rows).save(folder / "touched.png")


def _best_filter(kind: str, compared: Sequence[Compared]) -> str:
    some = [one for one in means(compared) if one.kind == kind]
    filters = [one for one in some if one.method != "auto"] or some
    return max(filters, key=lambda one: one.after_gain or one.psnr).method if some else NOTHING


def _caption(one: Compared | None) -> str:
    if one is None:
        return ""
    gained = "" if one.after_gain is None else f", {one.after_gain:.2f} after gain"
    return f"{one.psnr:.2f} dB{gained}"


def _opaque(photo: Samples) -> Samples:
    return photo[..., :3]
