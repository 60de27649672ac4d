"""Photos for training: a folder with a manifest, packed once, cropped at random scales.

A pack is one flat file of uint8 RGB and an index; it is memory-mapped, so that every
crop reads only what it needs and a resumed run starts at once.
"""

from __future__ import annotations

import csv
import json
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldrps_engine.model_store.atomic import unfinished, write_atomically
from training.config import Config, TrainingError

_COLUMNS = ("file", "source", "text")


@dataclass(frozen=True, kw_only=True)
class PackedPhoto:
    """One photo of a pack: where its pixels lie, and what is known of it."""

    offset: int
    width: int
    height: int
    source: str
    text: str
    row: int = -1
    """Its row in the manifest it came from; -1: packed before packs recorded it."""


def read_manifest(folder: Path, tiers: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows of `manifest.tsv` (file, source, licence, size, text) whose tier is wanted, numbered."""
    rows = enumerate(manifest_rows(folder))
    return [(number, row) for number, row in rows if row["file"].split("/")[0] in tiers]


def manifest_rows(folder: Path) -> list[dict[str, str]]:
    """All rows of `manifest.tsv`; one that cannot be read or lacks a column is refused."""
    path = folder / "manifest.tsv"
    try:
        with path.open(newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
    except (OSError, ValueError, csv.Error) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from None
    for number, row in enumerate(rows, 2):
        if lacking := [name for name in _COLUMNS if row.get(name) is None]:
            raise TrainingError(f"{path}, row {number}: no {' and no '.join(lacking)}")
    return rows


def load_photo(path: Path, min_side: int) -> NDArray[np.uint8]:
    """Decode one training photo to (H, W, 3) uint8; ValueError says why one is unfit."""
    with Image.open(path) as image:
        if image.mode != "RGB":
            raise ValueError(f"mode {image.mode}")
        pixels = np.asarray(image)
    if min(pixels.shape[:2]) < min_side:
        raise ValueError("too small")
    # What colours things have is learnt here: grey photos would teach that they have none.
    spread = pixels[::4, ::4].astype(np.int16)
    if np.abs(spread[..., 0] - spread[..., 2]).mean() < 1:
        raise ValueError("grey")
    return pixels


def pack(folders: list[Path], out: Path, config: Config) -> None:
    """Write `photos.bin` and `photos.json` into `out`; unfit photos are counted, not fatal."""
    out.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, object]] = []
    skipped: Counter[str] = Counter()
    offset = 0
    with unfinished(out / "photos.bin") as part, part.open("wb") as sink:
        for folder in folders:
            for number, row in read_manifest(folder, config.data.tiers):
                try:
                    pixels = load_photo(folder / row["file"], config.data.min_side)
                except (OSError, ValueError, SyntaxError) as error:
                    skipped[str(error) if isinstance(error, ValueError) else "unreadable"] += 1
                    continue
                sink.write(pixels.tobytes())
                height, width = pixels.shape[:2]
                text = row["text"].split("|")[0].strip().lower()
                index.append(
                    {
                        "offset": offset,
                        "width": width,
                        "height": height,
                        "source": row["source"],
                        "text": text,
                        "row": number,
                    }
                )
                offset += pixels.size
        if not index:
            raise TrainingError(f"no usable photo in {', '.join(map(str, folders))}")
        write_atomically(out / "photos.json", json.dumps(index).encode())
    for reason, count in skipped.items():
        warnings.warn(f"skipped {count} photos: {reason}", stacklevel=2)
    print(f"packed {len(index)} photos, {offset / 1e6:.0f} MB")


class PhotoPack:
    """A pack opened for reading. Photos with index % holdout_every == 0 are never trained on."""

    def __init__(
        self, folder: Path, config: Config, source_weight: dict[str, float] | None = None
    ) -> None:
        """`source_weight`: other ones than the config's own."""
        if not (folder / "photos.bin").exists():
            raise TrainingError(f"{folder} holds no pack; run `python -m training pack` first")
        rows = json.loads((folder / "photos.json").read_text())
        self.photos = [PackedPhoto(**row) for row in rows]
        self._pixels = np.memmap(folder / "photos.bin", dtype=np.uint8, mode="r")
        every = config.data.holdout_every
        self.heldout = list(range(0, len(self.photos), every))
        self.training = [i for i in range(len(self.photos)) if i % every]
        self._source_weight = source_weight or config.data.source_weight
        self._weights = [self.weight(i) for i in self.training]

    def weight(self, index: int) -> float:
        """Frequency with which a photo is drawn, relative to the others."""
        return self._source_weight.get(self.photos[index].source, 1.0)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """The whole photo, (H, W, 3)."""
        photo = self.photos[index]
        size = photo.width * photo.height * 3
        flat = self._pixels[photo.offset : photo.offset + size]
        return np.asarray(flat).reshape(photo.height, photo.width, 3)

    def display(self, index: int) -> NDArray[np.float32]:
        """The whole photo as display values in [0, 1]."""
        return np.divide(self.pixels(index), 255, dtype=np.float32)

    def small(self, index: int, side: int) -> NDArray[np.float32]:
        """The same at no more than `side` pixels a side."""
        image = Image.fromarray(self.pixels(index))
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        return np.asarray(image, dtype=np.float32) / np.float32(255)

    def crops(self, size: int, rng: random.Random) -> Iterator[tuple[NDArray[np.uint8], str]]:
        """Endless random crops (size, size, 3) at random scales, with the photo's text."""
        while True:
            index = rng.choices(self.training, self._weights)[0]
            yield self.crop(index, size, rng), self.photos[index].text

    def crop(self, index: int, size: int, rng: random.Random) -> NDArray[np.uint8]:
        """A square of the photo, from its own pixels to the whole short side, flipped or not."""
        pixels = self.pixels(index)
        height, width = pixels.shape[:2]
        largest = min(height, width)
        smallest = min(size, largest)
        side = round(smallest * (largest / smallest) ** rng.random())
        left, top = rng.randint(0, width - side), rng.randint(0, height - side)
        box = Image.fromarray(pixels[top : top + side, left : left + side])
        if rng.random() < 0.5:
            box = box.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        resized = box.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return np.asarray(resized)
