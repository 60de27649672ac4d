"""Restorations and what a person would use instead, held against a reference next to the photo."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.labelled import Labelled, read
from benchmarks.report import PSNR_CEILING
from benchmarks.rivals import Rival, chosen, dark_channel
from benchmarks.sets import Samples, to_samples
from ldrps_engine.colour.srgb import decode, encode
from training.metrics import psnr

NOTHING = "none"
"""The method that gives the photo back."""

# Gains that are tried, in powers of two either way.
_STOPS = 8.0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One photo by one method."""

    file: str
    kind: str
    method: str
    psnr: float
    """In dB, as they are."""
    after_gain: float | None
    """In dB after the best common gain in linear light; None where exposures do not differ."""
    stops: float | None
    """The gain that was best, as a power of two."""


@dataclass(frozen=True)
class Mean:
    """Means of a kind by one method."""

    kind: str
    method: str
    n: int
    psnr: float
    after_gain: float | None


def rivals(which: str = "fast") -> list[Rival]:
    """The filters of benchmarks/rivals.py, the dark channel prior at two strengths."""
    found = [rival for rival in chosen(which) if rival.name not in ("dark channel", "wavelets")]
    strong = partial(dark_channel, omega=0.95)
    return [
        Rival("dark channel prior, omega 0.8", dark_channel, ("cv2",)),
        Rival("dark channel prior, omega 0.95", strong, ("cv2",)),
        *found,
    ]


def references(photo: Labelled) -> tuple[str, Samples] | None:
    """`longer exposure` or `reference` with its pixels; None where nothing lies next to it."""
    path = photo.longer or photo.reference
    return (
        ("longer exposure" if photo.longer else "reference", read(path)[..., :3]) if path else None
    )


def compare(
    photo: Labelled, restored: Mapping[str, Samples], filters: Iterable[Rival]
) -> tuple[list[Compared], dict[str, Samples]]:
    """Score all methods on one photo, and give what each made of it."""
    found = references(photo)
    if found is None:
        raise BenchmarkError(f"{photo.name} has no reference beside it")
    kind, reference = found
    degraded = read(photo.path)[..., :3]
    if degraded.shape != reference.shape:
        raise BenchmarkError(f"{photo.name} and its {kind} differ in size; cut them alike")
    made: dict[str, Samples] = {NOTHING: degraded, **restored}
    for rival in filters:
        made[rival.name] = to_samples(rival.run(degraded / 255.0))
    return [_scored(photo.name, kind, name, made[name], reference) for name in made], made


def _scored(file: str, kind: str, method: str, made: Samples, reference: Samples) -> Compared:
    ratio = min(psnr(made / 255.0, reference / 255.0), PSNR_CEILING)
    one = Compared(file=file, kind=kind, method=method, psnr=ratio, after_gain=None, stops=None)
    if kind != "longer exposure":
        return one
    stops, after = best_gain(made, reference)
    return dataclasses.replace(one, stops=stops, after_gain=after)


def best_gain(made: Samples, reference: Samples) -> tuple[float, float]:
    """The power of two in linear light that brings `made` nearest to `reference`, and the PSNR.

    One gain for all pixels and channels. How often each value meets each other one says all that
    is needed, so the search costs nothing. From coarse to fine: clipping makes several peaks.
    """
    pairs = made.astype(np.int64) * 256 + reference
    often = np.bincount(pairs.ravel(), minlength=65_536).reshape(256, 256)
    levels = np.arange(256)

    def error(stops: float) -> float:
        lit = encode(np.clip(decode(levels / 255.0) * 2.0**stops, 0, 1))
        apart = (to_samples(lit).astype(float)[:, None] - levels[None]) / 255
        return float((often * apart**2).sum() / often.sum())

    middle, reach = 0.0, _STOPS
    while reach > 0.01:
        middle = float(min(middle + np.linspace(-reach, reach, 33), key=error))
        reach /= 8
    least = error(middle)
    ratio = -10 * math.log10(least) if least else PSNR_CEILING
    return middle, min(ratio, PSNR_CEILING)


def means(rows: Sequence[Compared]) -> list[Mean]:
    """A row for each kind and method, in the order in which they were measured."""
    found = []
    for kind, method in dict.fromkeys((row.kind, row.method) for row in rows):
        some = [row for row in rows if (row.kind, row.method) == (kind, method)]
        gained = [row.after_gain for row in some if row.after_gain is not None]
        level = fmean(gained) if gained else None
        found.append(Mean(kind, method, len(some), fmean(row.psnr for row in some), level))
    return found
