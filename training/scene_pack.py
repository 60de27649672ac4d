"""Crops of good photos: `scenes.npy` of (N, 160, 160, 3), and where they come from."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldrps_engine.model_store.atomic import unfinished
from training.config import TrainingError
from training.photos import manifest_rows

SIDE = 160
"""Pixels on a side of a crop: what the semantic encoder looks at."""
HOLDOUT_EVERY = 25
TIERS = ("permissive", "scenes")

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
    """Origin of one crop of the pack."""

    file: str
    source: str
    held_out: bool
    """Never trained on: every 25th photo of the manifest."""


def pack_scenes(
    folders: Sequence[Path], work: Path, tiers: tuple[str, ...] = TIERS, seed: int = 0
) -> None:
    """Draw crops from folders of photos with a `manifest.tsv` each, and write them into `work`."""
    rng = random.Random(seed)
    pixels: list[NDArray[np.uint8]] = []
    crops: list[Crop] = []
    unreadable: list[str] = []
    for photos in folders:
        for index, row in enumerate(rows := manifest_rows(photos)):
            if row["file"].split("/")[0] not in tiers:
                continue
            held_out = index % HOLDOUT_EVERY == 0
            count = 1 if held_out else _count(row["source"], rng)
            try:
                drawn = list(_crops(photos / row["file"], count, rng))
            except (OSError, ValueError, SyntaxError):
                unreadable.append(row["file"])
                continue
            pixels += drawn
            crops += [Crop(row["file"], row["source"], held_out)] * len(drawn)
            if index % 1000 == 0:
                print(f"photo {index} of {len(rows)}, {len(crops)} crops", flush=True)
    if not crops:
        raise TrainingError(f"no usable photo of {' or '.join(tiers)} in {_listed(folders)}")
    if unreadable:
        warnings.warn(f"skipped {len(unreadable)} photos: unreadable", stacklevel=2)
    _write(work, np.stack(pixels), crops)
    print(f"packed {len(crops)} crops, {sum(crop.held_out for crop in crops)} of them held out")


def _write(work: Path, pixels: NDArray[np.uint8], crops: list[Crop]) -> None:
    """Write both files next to the old ones, and only then rename them over."""
    work.mkdir(parents=True, exist_ok=True)
    with unfinished(work / "scenes.json") as index, unfinished(work / "scenes.npy") as pack:
        with pack.open("wb") as sink:
            np.save(sink, pixels)
        index.write_text(json.dumps([vars(c) for c in crops]))


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def load_pack(work: Path) -> tuple[NDArray[np.uint8], list[Crop]]:
    """Return crops (N, 160, 160, 3), read as they are needed, and where they come from."""
    try:
        rows = json.loads((work / "scenes.json").read_text())
        pixels = np.load(work / "scenes.npy", mmap_mode="r")
        crops = [Crop(**row) for row in rows]
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{work} holds no scenes ({error}); run `pack-scenes` first") from None
    if len(pixels) != len(crops):
        raise TrainingError(
            f"{work}/scenes.npy and scenes.json are not of one pack; run `pack-scenes` again"
        )
    return pixels, crops


def _count(source: str, rng: random.Random) -> int:
    mean = next((count for name, count in _CROPS if name in source), _OTHER_CROPS)
    return int(mean) + (rng.random() < mean % 1)


def _crops(path: Path, count: int, rng: random.Random) -> Iterator[NDArray[np.uint8]]:
    """The middle of the photo first, then squares of half to all of its short side."""
    if count == 0:
        return
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    for k in range(count):
        short = min(width, height)
        side = short * (1.0 if k == 0 else rng.uniform(_SMALLEST, 1.0))
        left = (width - side) * (0.5 if k == 0 else rng.random())
        top = (height - side) * (0.5 if k == 0 else rng.random())
        box = (left, top, left + side, top + side)
        yield np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box, 2.0))
