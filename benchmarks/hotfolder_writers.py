"""Writers that drop photos into the storm's folder, in every way that people and programs do."""

from __future__ import annotations

import io
import os
import random
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ldrps_client.files import decode
from ldrps_engine.errors import LdrpsError

SETTLE = 0.5
_RUBBISH_SHARE = 0.15


class Place(Protocol):
    """The part of the storm that a writer has to know."""

    photos: Photos
    inside: Path
    outside: Path
    out: Path
    pause: float


class Photos:
    """Distinct small photos, by number; each carries its number in its pixels."""

    _ENDINGS = (".png", ".tif", ".png", ".webp")

    def __init__(self, count: int) -> None:
        self.count = count

    def ending(self, number: int) -> str:
        """All kinds are lossless, so that results can be compared exactly."""
        return self._ENDINGS[number % len(self._ENDINGS)]

    def pixels(self, number: int) -> NDArray[np.uint8]:
        """(20, 24, 3)."""
        rng = np.random.default_rng(number)
        found = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        found[0, 0] = (number // 256 % 256, number % 256, 7)
        return found

    def data(self, number: int) -> bytes:
        """The file's bytes."""
        buffer = io.BytesIO()
        if self.ending(number) == ".tif":
            tifffile.imwrite(buffer, self.pixels(number), photometric="rgb")
        elif self.ending(number) == ".webp":
            Image.fromarray(self.pixels(number)).save(buffer, "WEBP", lossless=True, exact=True)
        else:
            Image.fromarray(self.pixels(number)).save(buffer, "PNG")
        return buffer.getvalue()

    def number_of(self, result: Path) -> int | None:
        """Number of the photo that a result was made from; None if any pixel is wrong."""
        try:
            pixels = 255 - decode(result).photo.to_samples()
        except LdrpsError:
            return None
        number = int(pixels[0, 0, 0]) * 256 + int(pixels[0, 0, 1])
        same = number < self.count and np.array_equal(pixels, self.pixels(number))
        return number if same else None


Dropped = tuple[bytes, int, int, int]


def seen(path: Path) -> Dropped:
    """All that must not change of an original: its bytes, time, mode and inode."""
    status = path.stat()
    return path.read_bytes(), status.st_mtime_ns, status.st_mode, status.st_ino


class Writer(threading.Thread):
    """Drops its share of the photos, in every way that people and programs do."""

    def __init__(self, storm: Place, numbers: list[int], seed: int) -> None:
        super().__init__()
        self._storm = storm
        self._numbers = numbers
        self._random = random.Random(seed)
        self.dropped: dict[Path, Dropped] = {}
        """Originals that must still be there in the end."""

    def run(self) -> None:
        """Drop everything, with small pauses."""
        ways = (self._whole, self._slow, self._torn, self._renamed, self._linked, self._moved_in)
        for number in self._numbers:
            data = self._storm.photos.data(number)
            name = f"photo {number}{self._storm.photos.ending(number)}"
            path = self._random.choice(ways)(name, data)
            self.dropped[path] = seen(path)
            if self._random.random() < _RUBBISH_SHARE:
                self._random.choice((self._twin, self._rubbish, self._copy_back))(path, data)
            time.sleep(self._random.uniform(0, self._storm.pause))

    def _folder(self) -> Path:
        folder = self._storm.inside / self._random.choice((".", "a", "b/c", "b"))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _whole(self, name: str, data: bytes) -> Path:
        path = self._folder() / name
        path.write_bytes(data)
        return path

    def _slow(self, name: str, data: bytes) -> Path:
        """Open for longer than files settle."""
        path = self._folder() / name
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            time.sleep(self._random.uniform(0, 2 * SETTLE))
            file.write(data[len(data) // 2 :])
        return path

    def _torn(self, name: str, data: bytes) -> Path:
        """Closed half-way, and gone on with later: looks like a damaged photo for a while."""
        path = self._folder() / name
        path.write_bytes(data[: len(data) // 2])
        time.sleep(self._random.uniform(0, 2 * SETTLE))
        path.write_bytes(data)
        return path

    def _renamed(self, name: str, data: bytes) -> Path:
        path = self._folder() / name
        part = path.with_name(self._random.choice((f".{name}.Xy12", f"{name}.part")))
        part.write_bytes(data)
        part.rename(path)
        return path

    def _linked(self, name: str, data: bytes) -> Path:
        outside = self._storm.outside / name
        outside.write_bytes(data)
        path = self._folder() / name
        os.link(outside, path)
        return path

    def _moved_in(self, name: str, data: bytes) -> Path:
        """A whole folder at once."""
        outside = self._storm.outside / f"folder {name}"
        outside.mkdir()
        (outside / name).write_bytes(data)
        outside.rename(self._storm.inside / outside.name)
        return self._storm.inside / outside.name / name

    def _twin(self, path: Path, data: bytes) -> None:
        twin = self._folder() / f"copy of {path.name}"
        if self._random.random() < 0.5:
            twin.write_bytes(data)
        else:
            os.link(path, twin)
        self.dropped[twin] = seen(twin)

    def _rubbish(self, path: Path, data: bytes) -> None:
        name = f"rubbish {path.stem}"
        kind = self._random.randrange(6)
        folder = self._folder()
        if kind == 0:
            (folder / f"{name}.jpg").write_bytes(b"this is no photo")
        elif kind == 1:
            (folder / f"{name}.png").write_bytes(b"")
        elif kind == 2:
            (folder / f"{name}.jpg").symlink_to("nowhere")
        elif kind == 3:
            (folder / f"{name}.jpg").mkdir()
        elif kind == 4:
            os.mkfifo(folder / f"{name}.jpg")
        else:
            (folder / f"{name}.txt").write_bytes(data)

    def _copy_back(self, path: Path, data: bytes) -> None:
        """A result under another name among the originals."""
        results = list(self._storm.out.rglob("*_restored*"))
        if results:
            with suppress(OSError):
                shutil.copy(self._random.choice(results), self._folder() / f"back {path.stem}.png")
