"""Accuracy of the diagnosis on 300 synthetic cases; prints the confusion matrix.

    python benchmarks/diagnosis.py PHOTOS [--seed N] [--json FILE] [--matrix PNG]

`PHOTOS` holds a `manifest.tsv` as for training. Every case is another photo.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import charts
from benchmarks.cases import LABELS, Case, cases
from benchmarks.errors import BenchmarkError
from ldrps_engine.analysis.diagnosis import Diagnosis, diagnose

_NOISE_TOLERANCE = 0.15


@dataclass(frozen=True)
class Outcome:
    """A case without its pixels, and what was said of it."""

    truth: str
    called: str
    strength: str
    sigma: float
    measured: float


def main_call(found: Diagnosis) -> str:
    """The one word that matters most, of LABELS."""
    tones = (("dark", found.is_dark), ("faded", found.is_faded), ("hazy", found.is_hazy))
    rest = (("grey", found.grey), ("noisy", found.is_noisy))
    return next((word for word, holds in (*tones, *rest) if holds), "clean")


def judge(case: Case) -> Outcome:
    """Diagnose one case."""
    found = diagnose(case.pixels.astype(np.float32))
    return Outcome(case.truth, main_call(found), case.strength, case.sigma, found.noise_sigma)


def summary(outcomes: list[Outcome]) -> dict[str, float]:
    """Shares of right calls, over all cases and over the clean ones, and of right noise."""
    noisy = [o for o in outcomes if o.sigma >= 5]
    clean = [o for o in outcomes if o.truth == "clean"]
    return {
        "cases": len(outcomes),
        "right": _share([o.called == o.truth for o in outcomes]),
        "clean called clean": _share([o.called == "clean" for o in clean]),
        "noise within 15 %": _share(
            [abs(o.measured - o.sigma) <= _NOISE_TOLERANCE * o.sigma for o in noisy]
        ),
    }


def _share(values: list[bool]) -> float:
    return round(float(np.mean(values)), 4)


def matrix(outcomes: list[Outcome]) -> list[list[int]]:
    """Counts, rows by truth and columns by call, both in the order of LABELS."""
    counts = Counter((o.truth, o.called) for o in outcomes)
    return [[counts[truth, called] for called in LABELS] for truth in LABELS]


def draw_matrix(counts: list[list[int]]) -> Image.Image:
    """Draw the confusion matrix: the darker, the larger the share of its row."""
    return charts.draw_matrix(counts, LABELS, LABELS, str.__eq__)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 2 where the folder cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seed", type=int, default=20250725)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--matrix", type=Path)
    options = parser.parse_args(arguments)
    try:
        outcomes = [judge(case) for case in cases(options.photos, options.seed)]
    except BenchmarkError as error:
        print(f"diagnosis: {error}", file=sys.stderr)
        return 2
    counts, shares = matrix(outcomes), summary(outcomes)
    print("| is \\ called | " + " | ".join(LABELS) + " |\n|" + "---|" * (len(LABELS) + 1))
    for label, line in zip(LABELS, counts, strict=True):
        print(f"| {label} | " + " | ".join(map(str, line)) + " |")
    print("\n" + "\n".join(f"{name}: {value:g}" for name, value in shares.items()))
    if options.json:
        options.json.write_text(json.dumps(shares | {"matrix": counts}, indent=1) + "\n")
    if options.matrix:
        draw_matrix(counts).save(options.matrix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
