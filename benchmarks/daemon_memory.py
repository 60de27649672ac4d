"""Peak memory of a worker by size of photo: the table behind what the daemon admits.

python -m benchmarks.daemon_memory --megapixels 0.1 1 4 12 24
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np

from benchmarks.daemon_process import REAL, dark_scene, served
from ldrps_daemon.transport.admission import BYTES_PER_PIXEL, FIXED_BYTES, memory_needed


def peak_bytes(megapixels: float, kind: str) -> tuple[int, int]:
    """Pixels of a photo, and the most that a fresh worker had resident while it restored it."""
    height = round((megapixels * 1e6 * 2 / 3) ** 0.5)
    width = round(height * 1.5)
    photo = dark_scene(height, width)
    given = photo if kind == "uint8" else photo.astype(np.float32) / 255
    with served(engine=REAL, memory_bytes=1 << 50) as daemon, daemon.client() as client:
        list(client.watch(client.submit(given, recipe="low-light", steps=1, recurrences=0)))
        pid = client.status().workers[0].pid
        status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return height * width, int(found[1]) * 1024


def main() -> int:
    """Print the table and the line above all of its points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.1, 1, 4, 12, 24])
    parser.add_argument("--kind", choices=("uint8", "float32"), default="uint8")
    given = parser.parse_args()
    points = []
    for size in given.megapixels:
        pixels, peak = peak_bytes(size, given.kind)
        points.append((pixels, peak))
        print(
            f"{pixels / 1e6:6.1f} MP {peak >> 20:6d} MiB, "
            f"admission expects {memory_needed(pixels) >> 20} MiB",
            flush=True,
        )
    if len(points) > 1:
        pixels_of, peaks = np.array(points, dtype=float).T
        slope, fixed = np.polyfit(pixels_of, peaks, 1)
        print(f"fitted: {fixed / 2**20:.0f} MiB and {slope:.0f} bytes a pixel;", end=" ")
        print(f"in use: {FIXED_BYTES >> 20} MiB and {BYTES_PER_PIXEL} bytes a pixel")
    return 0


if __name__ == "__main__":
    sys.exit(main())
