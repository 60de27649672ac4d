"""Large photos through the whole chain: seconds and memory of every process, and crops to look at.

python -m benchmarks.large PHOTO --megapixels 24 100 --crops DIR

PHOTO is enlarged and mirrored to the size asked for, degraded in each of the ways, written as a
JPEG, and restored by `ldrps restore` through a daemon of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.cases import DEGRADATIONS
from benchmarks.daemon_process import REAL, ROOT, Served, served
from benchmarks.errors import BenchmarkError

_STRIP = 512
# The photos are our own.
Image.MAX_IMAGE_PIXELS = None
_SAMPLE_SECONDS = 0.1
_CROP = 480
KINDS = ("clean", "dark", "hazy", "noisy", "grey")


@dataclass
class Memory:
    """The most that processes had resident, bytes: all together at one moment, and each."""

    together: int = 0
    each: dict[str, int] = field(default_factory=dict)

    def look(self, names: dict[int, str]) -> None:
        """Note what the processes hold now; shared pages count once (proportional set size)."""
        total = 0
        for pid, name in names.items():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            held = next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
            self.each[name] = max(self.each.get(name, 0), held)
            total += held
        self.together = max(self.together, total)


def main() -> int:
    """Print one line for each photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[24.0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--crops", type=Path, metavar="DIR", help="before/after at 100 %%")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ldrps-") as name, served(engine=REAL) as daemon:
        for size in given.megapixels:
            for kind in given.kinds:
                made = Path(name) / f"{kind}.jpg"
                _compose(given.photo, size, kind, made)
                _measure(daemon, made, kind, given.recipe)
                if given.crops:
                    _crops(made, made.with_suffix(".out.jpg"), given.crops / f"{kind}-{size:g}.png")
                    made.with_suffix(".out.jpg").unlink()
    return 0


def _compose(photo: Path, megapixels: float, kind: str, to: Path) -> None:
    """The photo enlarged, mirrored twice and degraded, strip by strip."""
    with Image.open(photo) as opened:
        image = opened.convert("RGB")
    scale = (megapixels * 1e6 / (4 * image.width * image.height)) ** 0.5
    side = int(image.width * scale), int(image.height * scale)
    quarter = np.asarray(image.resize(side, Image.Resampling.LANCZOS))
    half = np.concatenate([quarter, quarter[:, ::-1]], axis=1)
    whole: NDArray[np.uint8] = np.concatenate([half, half[::-1]])
    degrade = DEGRADATIONS[kind]
    for top in range(0, len(whole), _STRIP):
        rows = whole[top : top + _STRIP]
        seen = degrade(rows / 255.0, np.random.default_rng(top))
        whole[top : top + _STRIP] = np.rint(np.clip(seen, 0, 1) * 255)
    Image.fromarray(whole).save(to, quality=95)


def _measure(daemon: Served, photo: Path, kind: str, recipe: str) -> None:
    out = photo.with_suffix(".out.jpg")
    words = ["restore", str(photo), "-o", str(out), "--recipe", recipe, "--json"]
    command = [sys.executable, "-m", "ldrps_client.cli", *words, "--address", daemon.address]
    paths = [str(ROOT), str(ROOT / "proto"), str(ROOT / "daemon")]
    memory, over = Memory(), threading.Event()
    began = time.monotonic()
    client = subprocess.Popen(
        command, env={"PYTHONPATH": ":".join(paths)}, stdout=subprocess.PIPE, text=True
    )
    watcher = threading.Thread(target=_watch, args=(daemon, client.pid, memory, over))
    watcher.start()
    said, _ = client.communicate()
    over.set()
    watcher.join()
    if client.returncode:
        raise BenchmarkError(f"ldrps restore ended with {client.returncode}")
    told = json.loads(said)["results"][0]
    with Image.open(photo) as image:
        megapixels = image.width * image.height / 1e6
    held = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in memory.each.items())
    print(
        f"{megapixels:.0f} MP {kind}: {time.monotonic() - began:.0f} s, "
        f"engine {told['seconds']:.0f} s ({megapixels / told['seconds']:.2f} MP/s), "
        f"{memory.together / 2**20:.0f} MiB in all ({held}); {told['diagnosis']['words']}",
        flush=True,
    )


def _watch(daemon: Served, client: int, memory: Memory, over: threading.Event) -> None:
    while not over.wait(_SAMPLE_SECONDS):
        names = {client: "client", daemon.process.pid: "daemon"}
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        for number in children.read_text().split():
            names[int(number)] = f"worker {number}"
        memory.look(names)


def _crops(before: Path, after: Path, to: Path) -> None:
    """The same places of both at 100 %, before above after."""
    to.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (3 * _CROP, 2 * _CROP))
    for row, path in enumerate((before, after)):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for column, (x, y) in enumerate(((0.12, 0.08), (0.25, 0.25), (0.3, 0.42))):
            left, top = int(x * image.width), int(y * image.height)
            part = image.crop((left, top, left + _CROP, top + _CROP))
            sheet.paste(part, (column * _CROP, row * _CROP))
    sheet.save(to)


if __name__ == "__main__":
    sys.exit(main())
