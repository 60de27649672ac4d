"""Crops of good photos for the scene expert: `scenes.npy` of (N, 160, 160, 3) and what they show."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.config import TrainingError

SIDE = 160
"""Pixels on a side of a crop: what the semantic encoder looks at."""
HOLDOUT_EVERY = 25
TIERS = ("permissive", "scenes")
RESEARCH = "research"

# Crops drawn from a photo of a source, by what its name contains; the first that fits counts. Large
# photographs of places give many different scenes, photos of one object against a wall few.
_CROPS = (
    ("elementary", 20.0),
    ("openstax", 4.0),
    ("metadata-extractor", 5.0),
    ("wallpapers", 8.0),
    ("backgrounds", 8.0),
    ("artwork", 8.0),
    ("Caltech", 1.0),
    ("flower", 0.6),
    ("clothing", 0.5),
    ("Grocery", 0.7),
)
_OTHER_CROPS = 2.0
_SMALLEST = 0.5


@dataclass(frozen=True)
class Crop:
    """Where one crop of the pack comes from."""

    file: str
    source: str
    held_out: bool
    """Never trained on: every 25th photo of the manifest."""


def pack_scenes(photos: Path, work: Path, tiers: tuple[str, ...] = TIERS, seed: int = 0) -> None:
    """Draw crops from a folder of photos with a `manifest.tsv`, and write them into `work`."""
    rows = _manifest(photos)
    rng = random.Random(seed)
    work.mkdir(parents=True, exist_ok=True)
    pixels: list[NDArray[np.uint8]] = []
    crops: list[Crop] = []
    for index, row in enumerate(rows):
        if row["file"].split("/")[0] not in tiers:
            continue
        held_out = index % HOLDOUT_EVERY == 0
        count = 1 if held_out else _count(row["source"], rng)
        for crop in _crops(photos / row["file"], count, rng):
            pixels.append(crop)
            crops.append(Crop(row["file"], row["source"], held_out))
        if index % 1000 == 0:
            print(f"photo {index} of {len(rows)}, {len(crops)} crops", flush=True)
    np.save(work / "scenes.npy", np.stack(pixels))
    (work / "scenes.json").write_text(json.dumps([vars(c) for c in crops]))


def load_pack(work: Path) -> tuple[NDArray[np.uint8], list[Crop]]:
    """Return crops (N, 160, 160, 3), read as they are needed, and where they come from."""
    try:
        rows = json.loads((work / "scenes.json").read_text())
        pixels = np.load(work / "scenes.npy", mmap_mode="r")
    except OSError as error:
        raise TrainingError(f"{work} holds no scenes ({error}); run `pack-scenes` first") from None
    return pixels, [Crop(**row) for row in rows]


def _manifest(photos: Path) -> list[dict[str, str]]:
    try:
        with (photos / "manifest.tsv").open(newline="") as lines:
            return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise TrainingError(f"{photos} has no manifest.tsv that can be read: {error}") from None


def _count(source: str, rng: random.Random) -> int:
    mean = next((count for name, count in _CROPS if name in source), _OTHER_CROPS)
    return int(mean) + (rng.random() < mean % 1)


def _crops(path: Path, count: int, rng: random.Random) -> Iterator[NDArray[np.uint8]]:
    """The middle of the photo first, then squares of half to all of its short side."""
    if count == 0:
        return
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError:
        return
    width, height = image.size
    for k in range(count):
        short = min(width, height)
        side = short * (1.0 if k == 0 else rng.uniform(_SMALLEST, 1.0))
        left = (width - side) * (0.5 if k == 0 else rng.random())
        top = (height - side) * (0.5 if k == 0 else rng.random())
        box = (left, top, left + side, top + side)
        yield np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box, 2.0))
