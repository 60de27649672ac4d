"""Evaluation of the bundled prior: denoising ladder, sheets of samples, are they copies."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior
from training.config import Config
from training.export import export
from training.ladder import Rung, available_filters, climb, unseen_photos
from training.neighbours import Neighbour, central_squares, nearest, without_twins
from training.photos import PhotoPack
from training.sampling import PROMPTS, Pixels, sample, save_sheet

_CROP = 256
_SAMPLE_SIDE = 256
_STEPS = 50
_GUIDANCE = 3.0


def evaluate(work: Path, out: Path, config: Config, model: Path | None, photos: int) -> None:
    """Measure `model`, or the checkpoint in `work`; write JSON and sheets into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    pack = PhotoPack(work, config)
    with tempfile.TemporaryDirectory(prefix="ldrps-evaluate-") as scratch:
        if model is None:
            model = Path(scratch) / "model"
            export(work, model, config)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        prior = load_prior(str(model.resolve()), Placement(device=device))
        record = json.loads((model / "weights.json").read_text())
    rungs = climb(unseen_photos(pack, photos, _CROP), prior, available_filters())
    print(ladder_table(rungs))
    prompts = ("",) * len(PROMPTS) + PROMPTS
    samples = sample(prior, prompts, side=_SAMPLE_SIDE, steps=_STEPS, scale=_GUIDANCE)
    save_sheet(samples, len(PROMPTS), out / "samples.png")
    result = {
        "weights": record,
        "photos": photos,
        "denoising": [dataclasses.asdict(rung) for rung in rungs],
        "nearest": _copies(samples, pack, out),
    }
    (out / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {out}/evaluation.json, samples.png, nearest.png")


def ladder_table(rungs: list[Rung]) -> str:
    """The denoising ladder as a Markdown table."""
    names = list(rungs[0].psnr)
    lines = [f"| sigma | {' | '.join(names)} | factor |", "|---" * (len(names) + 2) + "|"]
    for rung in rungs:
        values = " | ".join(f"{rung.psnr[name]:.2f}" for name in names)
        lines.append(f"| {rung.sigma} | {values} | {rung.factor} |")
    return "\n".join(lines)


def _copies(samples: list[Pixels], pack: PhotoPack, out: Path) -> dict[str, Any]:
    """Nearest training photos of the samples, compared with those of photos never trained on."""
    near = nearest(samples, pack, pack.training)
    unseen = nearest(central_squares(pack, without_twins(pack)), pack, pack.training)
    order = sorted(range(len(samples)), key=lambda k: -near[k].correlation)[:8]
    small = [np.asarray(Image.fromarray(samples[k]).resize((128, 128))) for k in order]
    pairs = small + [_enlarged(near[k]) for k in order]
    save_sheet(pairs, len(order), out / "nearest.png")
    result = {"samples": _summary(near), "held-out photos": _summary(unseen)}
    for name, values in result.items():
        print(f"nearest training photo of {name}: {values}")
    return result


def _enlarged(neighbour: Neighbour) -> Pixels:
    return np.asarray(Image.fromarray(neighbour.thumbnail).resize((128, 128)))


def _summary(found: list[Neighbour]) -> dict[str, float]:
    values = np.array([neighbour.correlation for neighbour in found])
    return {
        "largest": round(float(values.max()), 3),
        "median": round(float(np.median(values)), 3),
    }
