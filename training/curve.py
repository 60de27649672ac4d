"""Benefit of training: denoising on photos never trained on, line by line over compute."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ldrps_engine.priors.base import LatentPrior
from training.config import TrainingError
from training.ladder import Array, evaluate_once
from training.metrics import psnr

CURVE = "curve.tsv"
CROPS = 8
SIDE = 128

_SIGMA = 25
_COUNTS = ("step", "samples", "seconds")


def denoising_psnr(prior: LatentPrior, photos: list[Array]) -> float:
    """Mean PSNR in dB of one evaluation at sigma 25 of 255, with the same noise on every call."""
    noise = np.random.default_rng(_SIGMA)
    level = _SIGMA / 255
    values = []
    for photo in photos:
        noisy = photo + noise.normal(0, level, photo.shape).astype(np.float32)
        values.append(psnr(photo, np.clip(evaluate_once(prior, noisy, level), 0, 1)))
    return float(np.mean(values))


def append_point(path: Path, progress: Mapping[str, float], measured: Mapping[str, str]) -> None:
    """Add one line of training and what it brought to a file that starts with a line of names."""
    new = not path.exists()
    with path.open("a", newline="") as sink:
        writer = csv.writer(sink, delimiter="\t", lineterminator="\n")
        if new:
            writer.writerow([*_COUNTS, *measured])
        writer.writerow([*(round(progress[name]) for name in _COUNTS), *measured.values()])


def print_curve(work: Path) -> None:
    """The curve as a Markdown table; the last column is what a doubling of samples brought."""
    path = work / CURVE
    if not path.exists():
        raise TrainingError(f"{path} does not exist yet; `train` writes it at every save")
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    print("| step | samples | hours | PSNR at sigma 25 | per doubling |\n|---|---|---|---|---|")
    samples = np.array([max(1.0, float(row["samples"])) for row in rows])
    values = np.array([float(row["psnr"]) for row in rows])
    for k, row in enumerate(rows):
        slope = _slope(np.log2(samples[: k + 1]), values[: k + 1])
        hours = float(row["seconds"]) / 3600
        print(f"| {row['step']} | {row['samples']} | {hours:.2f} | {values[k]:.2f} | {slope} |")


def _slope(doublings: Array, values: Array) -> str:
    """dB per doubling over the last doubling, or a dash where there is none yet."""
    near = doublings >= doublings[-1] - 1
    if near.sum() < 3:
        return "-"
    return f"{np.polyfit(doublings[near], values[near], 1)[0]:+.2f}"
