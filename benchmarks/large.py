"""Large photos through the whole chain: seconds and memory of every process, and crops to look at.

python -m benchmarks.large PHOTO... --megapixels 24 100 --crops DIR

The photos are laid side by side to the size asked for, degraded in each of the ways, written
as a JPEG, and restored by `ldrps restore` through a daemon of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.daemon_process import REAL, ROOT, Served, served
from benchmarks.errors import BenchmarkError
from benchmarks.mosaic import cell_size, degraded, mosaic, places

# The photos are our own.
Image.MAX_IMAGE_PIXELS = None
_SAMPLE_SECONDS = 0.1
_CROP = 480
_CROPS = 3
_TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("clean", "dark", "hazy", "noisy", "grey")


@dataclass
class Held:
    """Resources that processes took: bytes and seconds of CPU."""

    together: int = 0
    """The most that all had resident at one moment; shared pages count once."""
    each: dict[str, int] = field(default_factory=dict)
    """The most that each had resident."""
    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        """Seconds of CPU, of all."""
        return sum(map(self.cpu_of, self.ended))

    def cpu_of(self, name: str) -> float:
        """Seconds of CPU of one process."""
        return self.ended[name] - self.began[name]

    def look(self, names: dict[int, str]) -> None:
        """Note what the processes hold now."""
        total = 0
        for pid, name in names.items():
            try:
                resident, share, seconds = _looked_at(pid)
            except (OSError, StopIteration):
                # It has just ended.
                continue
            self.each[name] = max(self.each.get(name, 0), resident)
            self.began.setdefault(name, seconds if name != "client" else 0.0)
            self.ended[name] = seconds
            total += share
        self.together = max(self.together, total)


def _looked_at(pid: int) -> tuple[int, int, float]:
    """(most bytes resident so far, bytes with shared pages divided, seconds of CPU)."""
    folder = Path(f"/proc/{pid}")
    most = _kilobytes(folder / "status", "VmHWM:")
    share = _kilobytes(folder / "smaps_rollup", "Pss:")
    fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
    return most << 10, share << 10, (int(fields[11]) + int(fields[12])) / _TICKS


def _kilobytes(file: Path, name: str) -> int:
    lines = file.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> int:
    """Print one line for each photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[24.0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--crops", type=Path, metavar="DIR", help="before/after at 100 %%")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ldrps-") as folder:
        for size in given.megapixels:
            whole = mosaic(given.photos, size)
            for kind in given.kinds:
                made, out = Path(folder) / f"{kind}.jpg", Path(folder) / f"{kind}.out.jpg"
                Image.fromarray(degraded(whole, kind)).save(made, quality=95)
                # A daemon for each: what one photo leaves in memory is not the next one's.
                with served(engine=REAL) as daemon:
                    print(_measured(daemon, made, out, kind, given.recipe), flush=True)
                if given.crops:
                    sheet = given.crops / f"{kind}-{size:g}.png"
                    _crops((made, out), cell_size(given.photos), sheet)
                out.unlink()
    return 0


def _measured(daemon: Served, photo: Path, out: Path, kind: str, recipe: str) -> str:
    """Restore one; the line to print of it."""
    words = ["restore", str(photo), "-o", str(out), "--recipe", recipe, "--json"]
    command = [sys.executable, "-m", "ldrps_client.cli", *words, "--address", daemon.address]
    paths = [str(ROOT), str(ROOT / "proto"), str(ROOT / "daemon")]
    held, over = Held(), threading.Event()
    began = time.monotonic()
    client = subprocess.Popen(
        command, env={"PYTHONPATH": ":".join(paths)}, stdout=subprocess.PIPE, text=True
    )
    watcher = threading.Thread(target=_watch, args=(daemon, client.pid, held, over))
    watcher.start()
    said, _ = client.communicate()
    over.set()
    watcher.join()
    took = time.monotonic() - began
    if client.returncode:
        raise BenchmarkError(f"ldrps restore ended with {client.returncode}")
    with Image.open(photo) as image:
        megapixels = image.width * image.height / 1e6
    return _line(f"{megapixels:.0f} MP {kind}", took, held, json.loads(said)["results"][0])


def _line(what: str, took: float, held: Held, record: dict[str, Any]) -> str:
    each = ", ".join(
        f"{name} {size / 2**20:.0f} MiB and {held.cpu_of(name):.1f} s"
        for name, size in held.each.items()
    )
    return (
        f"{what}: {took:.0f} s, {held.cpu:.1f} s of CPU, engine {record['seconds']:.0f} s; "
        f"{held.together / 2**20:.0f} MiB in all ({each}); {record['diagnosis']['words']}"
    )


def _watch(daemon: Served, client: int, held: Held, over: threading.Event) -> None:
    while not over.wait(_SAMPLE_SECONDS):
        names = {client: "client", daemon.process.pid: "daemon"}
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        for number in children.read_text().split():
            names[int(number)] = f"worker {number}"
        held.look(names)


def _crops(photos: tuple[Path, Path], cell: tuple[int, int], to: Path) -> None:
    """The middle of the first photos at 100 %, before above after."""
    to.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (_CROPS * _CROP, 2 * _CROP))
    for row, path in enumerate(photos):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for column, (top, left) in enumerate(places(*image.size, cell)[:_CROPS]):
            x, y = left + (cell[0] - _CROP) // 2, top + (cell[1] - _CROP) // 2
            part = image.crop((x, y, x + _CROP, y + _CROP))
            sheet.paste(part, (column * _CROP, row * _CROP))
    sheet.save(to)


if __name__ == "__main__":
    sys.exit(main())
