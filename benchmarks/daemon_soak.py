"""A thousand jobs through one daemon: what of the system's goods it holds before and after.

python -m benchmarks.daemon_soak --jobs 1000
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from benchmarks.daemon_process import Served, descriptors, picture, resident_bytes, served, threads
from benchmarks.errors import BenchmarkError
from ldrps_client import Client

# Jobs before the first look: interpreters and allocators grow to their size in these.
_WARM_UP = 100
_SLACK_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """Resources that daemon and worker hold."""

    front_descriptors: int
    front_threads: int
    front_bytes: int
    worker_descriptors: int
    worker_threads: int
    worker_bytes: int
    shared_memory: int
    """Segments that either has mapped."""
    spool_folders: int


def run(jobs: int, warm_up: int = _WARM_UP) -> tuple[Holdings, Holdings]:
    """Holdings before and after `jobs` jobs."""
    with served(max_kept_jobs=20) as daemon, daemon.client() as client:
        _work(client, warm_up)
        before = _look(daemon, client)
        _work(client, jobs)
        return before, _look(daemon, client)


def _work(client: Client, jobs: int) -> None:
    for number in range(jobs):
        photo = picture(number % 50)
        restored = client.restore(photo, steps=1).photo.to_samples()
        if not np.array_equal(restored, 255 - photo):
            raise BenchmarkError(f"job {number} came back wrong")


def _look(daemon: Served, client: Client) -> Holdings:
    front, worker = daemon.process.pid, client.status().workers[0].pid
    return Holdings(
        front_descriptors=descriptors(front),
        front_threads=threads(front),
        front_bytes=resident_bytes(front),
        worker_descriptors=descriptors(worker),
        worker_threads=threads(worker),
        worker_bytes=resident_bytes(worker),
        shared_memory=_shared(front) + _shared(worker),
        spool_folders=sum(path.is_dir() for path in (daemon.folder / "spool").glob("*/*")),
    )


def _shared(pid: int) -> int:
    """Leave out what lies in /dev/shm: other programs put their files there too."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return sum("/dev/shm/" in line or "/memfd:" in line or "/SYSV" in line for line in lines)


def grown(before: Holdings, after: Holdings) -> list[str]:
    """Name the resources that grew by more than chance explains."""
    slack = {"front_bytes": _SLACK_BYTES, "worker_bytes": _SLACK_BYTES}
    return [
        field.name
        for field in fields(Holdings)
        if getattr(after, field.name) > getattr(before, field.name) + slack.get(field.name, 2)
    ]


def main() -> int:
    """Print both, side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    before, after = run(parser.parse_args().jobs)
    print(f"{'':>20} {'start':>12} {'end':>12}")
    for field in fields(Holdings):
        pair = (getattr(each, field.name) for each in (before, after))
        print(f"{field.name.replace('_', ' '):>20}" + "".join(f" {value:>12}" for value in pair))
    more = grown(before, after)
    print(f"GROWN: {', '.join(more)}" if more else "nothing grows")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
