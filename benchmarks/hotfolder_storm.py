"""A storm on the hot folder: careless writers, and kill -9 of all that works, at random.

    python benchmarks/hotfolder_storm.py --photos 1000 --kills 50 --folder DIR

Four writers drop photos as whole and partial writes, renames, hard links and moved folders, with
duplicates, rubbish and copied-back results among them, while the watcher, the daemon (with an
engine that only inverts) and its worker are killed with SIGKILL and started again. In the end
every photo must have exactly one good result, and no original may have changed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ldrps_client.client import Client
from ldrps_client.files import decode
from ldrps_client.hotfolder.status import states_of, status_of
from ldrps_engine.errors import LdrpsError

ROOT = Path(__file__).parents[1]
_SETTLE = 0.5
_WRITERS = 4
_RUBBISH_SHARE = 0.15
_LONGEST_SECONDS = 3600.0


@dataclass
class Outcome:
    """What is left when the storm is over."""

    seed: int
    photos: int
    kills: dict[str, int] = field(default_factory=dict)
    """By what was killed."""
    good: int = 0
    """Photos with exactly one result, whose pixels are right."""
    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Results whose pixels belong to no photo."""
    touched: list[str] = field(default_factory=list)
    """Originals that are not what was dropped."""
    leftovers: list[str] = field(default_factory=list)
    """Unfinished files of ours."""
    failed: int = 0
    """Rubbish with a photo's name, listed as failed."""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether all promises were kept."""
        troubles = (self.lost, self.duplicates, self.wrong, self.touched, self.leftovers)
        return self.good == self.photos and not any(troubles)


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
        """Which photo a result was made from, if it is right in every pixel."""
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

    def __init__(self, storm: Storm, numbers: list[int], seed: int) -> None:
        super().__init__()
        self._storm = storm
        self._numbers = numbers
        self._random = random.Random(seed)
        self.dropped: dict[Path, Dropped] = {}
        """What must still be there in the end."""

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
            time.sleep(self._random.uniform(0, 2 * _SETTLE))
            file.write(data[len(data) // 2 :])
        return path

    def _torn(self, name: str, data: bytes) -> Path:
        """Closed half-way, and gone on with later: looks like a damaged photo for a while."""
        path = self._folder() / name
        path.write_bytes(data[: len(data) // 2])
        time.sleep(self._random.uniform(0, 2 * _SETTLE))
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


class Storm:
    """Everything that runs, and what it may be killed by."""

    def __init__(
        self,
        folder: Path,
        photos: int,
        kills: int,
        seed: int,
        setenv: Callable[[str, str], object] = os.environ.__setitem__,
    ) -> None:
        """`folder` is empty and the storm's own; `setenv` sets what this process reads too."""
        self.photos = Photos(photos)
        self.inside, self.outside, self.out = (folder / n for n in ("in", "outside", "out"))
        for path in (self.inside, self.outside, self.out):
            path.mkdir()
        self.pause = 0.08
        self._folder = folder
        self._kills = kills
        self._seed = seed
        self._random = random.Random(seed)
        self._address = f"unix:{tempfile.mkdtemp(prefix='storm-')}/s"
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, _PATHS)),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_RUNTIME_DIR": str(folder),
        }
        setenv("XDG_STATE_HOME", self._environment["XDG_STATE_HOME"])
        self._killed: dict[str, int] = {}
        self._daemon = self._start_daemon()
        self._watcher = self._start_watcher()

    def _start(self, log: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *words],
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )

    def _start_daemon(self) -> subprocess.Popen[bytes]:
        spool = self._folder / "spool"
        return self._start(
            "daemon.log",
            *("ldrps_daemon", f"--address={self._address}", f"--spool={spool}"),
            "--engine=support.noop_engine",
        )

    def _start_watcher(self) -> subprocess.Popen[bytes]:
        return self._start(
            "watcher.log",
            *("ldrps_client.cli", "watch", str(self.inside), f"--out={self.out}", "--json-lines"),
            *(f"--settle={_SETTLE}", "--scan-every=20", "--no-start", "--parallel=4"),
            f"--address={self._address}",
        )

    def run(self) -> Outcome:
        """Let it rage, wait for the calm, and look at what is left."""
        began = time.monotonic()
        numbers = list(range(self.photos.count))
        self._random.shuffle(numbers)
        writers = [
            Writer(self, numbers[index::_WRITERS], self._seed + index) for index in range(_WRITERS)
        ]
        for writer in writers:
            writer.start()
        try:
            self._kill_at_random()
            for writer in writers:
                writer.join()
            self._wait_for_calm()
        finally:
            self._end()
        outcome = self._judged({path: then for w in writers for path, then in w.dropped.items()})
        outcome.seconds = time.monotonic() - began
        return outcome

    def _kill_at_random(self) -> None:
        """Spread over the photos' way, so that there is always work to be interrupted."""
        for index in range(self._kills):
            self._wait_for_results(int(self.photos.count * 0.9 * index / self._kills))
            time.sleep(self._random.uniform(0, 0.7))
            what = self._random.choice(("watcher", "daemon", "worker"))
            self._kill(what)

    def _wait_for_results(self, count: int) -> None:
        deadline = time.monotonic() + _LONGEST_SECONDS
        while sum(1 for _ in self.out.rglob("*_restored*")) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} results did not come; see {self._folder}")
            time.sleep(0.05)

    def _kill(self, what: str) -> None:
        self._killed[what] = self._killed.get(what, 0) + 1
        if what == "watcher":
            self._watcher.kill()
            self._watcher.wait()
            self._watcher = self._start_watcher()
        elif what == "daemon":
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = self._start_daemon()
        else:
            with suppress(LdrpsError, OSError), Client(self._address, autostart=False) as client:
                for worker in client.status().workers:
                    if worker.pid:
                        os.kill(worker.pid, signal.SIGKILL)

    def _wait_for_calm(self) -> None:
        """Until nothing has been left to do for longer than files settle and are retried."""
        quiet_since = time.monotonic()
        deadline = quiet_since + _LONGEST_SECONDS
        while time.monotonic() - quiet_since < 10 * _SETTLE:
            status = status_of(*states_of([self.inside])[0])
            if status["queued"] or status["working"]:
                quiet_since = time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError(f"it does not come to rest; see {self._folder}")
            time.sleep(0.2)
        self._failed = status["failed"]

    def _end(self) -> None:
        for process in (self._watcher, self._daemon):
            process.terminate()
        for process in (self._watcher, self._daemon):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _judged(self, dropped: dict[Path, Dropped]) -> Outcome:
        outcome = Outcome(self._seed, self.photos.count, self._killed, failed=self._failed)
        found: dict[int, list[str]] = {}
        for path in sorted(p for p in self._folder.rglob("*") if p.is_file()):
            if ".ldrps-" in path.name:
                outcome.leftovers.append(str(path))
            elif path.is_relative_to(self.out):
                number = self.photos.number_of(path)
                if number is None:
                    outcome.wrong.append(str(path))
                else:
                    found.setdefault(number, []).append(str(path))
        for number in range(self.photos.count):
            results = found.get(number, [])
            outcome.good += len(results) == 1
            if not results:
                outcome.lost.append(str(number))
            outcome.duplicates += results[1:]
        outcome.touched = [str(path) for path, then in dropped.items() if seen(path) != then]
        return outcome


_PATHS = (ROOT / "tests", ROOT, ROOT / "proto", ROOT / "daemon")


def main() -> int:
    """Run one storm; 0 if all promises were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--folder", type=Path, help="an empty folder to work in; kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="storm-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, in {folder}", flush=True)
    outcome = Storm(folder.resolve(), options.photos, options.kills, options.seed).run()
    print(json.dumps(asdict(outcome), indent=2))
    print("all promises kept" if outcome.is_clean else "A PROMISE WAS BROKEN")
    return 0 if outcome.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
