"""Time and memory that a hot folder needs to look through a large archive.

    python benchmarks/hotfolder_scan.py --files 50000 --folder DIR

Nothing is restored: it is measured how long it takes until all files are known on the first start,
and until an unchanged archive has been looked through on a later one. Each start is a process of
its own, whose peak memory is printed, and its processor time, which tells more than the clock on a
machine that has other things to do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ldrps_client.client import Client
from ldrps_client.hotfolder.config import FolderConfig, Schedule
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.watcher import FolderWatcher
from ldrps_client.hotfolder.work._scheduler import Scheduler

_FILES_A_FOLDER = 1000
_SETTLE = 1.0


class ClosedScheduler(Scheduler):
    """No photo may begin."""

    def closed(self) -> str:
        """Reason for which no photo may begin."""
        return "measuring the scan alone"


def make_archive(folder: Path, count: int) -> None:
    """Small files with photos' names, each with content of its own."""
    for number in range(count):
        part = folder / f"{number // _FILES_A_FOLDER:04d}"
        if number % _FILES_A_FOLDER == 0:
            part.mkdir(parents=True)
        (part / f"IMG_{number:06d}.jpg").write_bytes(b"%016d" % number * 64)


def start(folder: Path, count: int) -> dict[str, float]:
    """Watch until `count` files are known; seconds and megabytes."""
    scanned: list[float] = []
    stop = threading.Event()

    def on_event(kind: str, photo: str = "", **facts: object) -> None:
        if kind == "scanned":
            scanned.append(float(str(facts["seconds"])))

    config = FolderConfig(root=folder, out=folder.parent / "out", settle=_SETTLE)
    client = Client("unix:/nowhere", autostart=False)
    watcher = FolderWatcher(
        config, client, ClosedScheduler(Schedule()), parallel=1, notify=on_event, stop=stop
    )
    began = time.monotonic()
    thread = threading.Thread(target=watcher.run)
    thread.start()
    while not scanned:
        time.sleep(0.05)
    ledger = Ledger(watcher.state.ledger)
    while ledger.counts().get("queued", 0) < count:
        time.sleep(0.05)
    known = time.monotonic() - began
    stop.set()
    watcher.wake()
    thread.join()
    ledger.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "scan_seconds": scanned[0],
        "known_seconds": round(known, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def main() -> int:
    """Print one line for each start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in; kept")
    parser.add_argument("--started", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    base = (options.folder or Path(tempfile.mkdtemp(prefix="scan-"))).resolve()
    if options.started:
        print(json.dumps(start(base / "in", options.files)))
        return 0
    make_archive(base / "in", options.files)
    os.environ["XDG_STATE_HOME"] = str(base / "state")
    again = [sys.executable, __file__, f"--files={options.files}", f"--folder={base}", "--started"]
    for name in ("first start", "later start"):
        done = subprocess.run(again, capture_output=True, text=True, check=True)
        print(f"{name}: {done.stdout.strip()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
