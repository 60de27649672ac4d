"""Throughput and overhead of workers on a Ray cluster, compared with those of this machine.

    python -m benchmarks.daemon_cluster --pool ray://127.0.0.1:6379 --workers 1 2 4

The cluster has to run, to have as many GPUs as the most workers, which may be pretended (`ray start
--num-gpus`), and to have this repository's `tests` folder in its PYTHONPATH: the engine is the one
of the tests, whose steps are pauses of ten milliseconds, so that a processor can stand for GPUs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.daemon_process import Served, picture, processor_seconds, served
from ldrps_client import Client

_STEPS = 100
_HEIGHT, _WIDTH = 4000, 6000
# Photos before those that are measured: they start workers, and touch memory first.
_WARM = 2


def options_of(pool: str, workers: int) -> dict[str, object]:
    """Options of `ldrps serve` for so many workers there, or here."""
    room = {"queue_limit": 10_000, "jobs_per_client": 10_000, "max_kept_jobs": 10_000}
    if pool:
        return room | {"pool": pool, "gpus": workers}
    return room | {"device": [f"cuda:{index}" for index in range(workers)]}


def work_through(client: Client, jobs: int) -> float:
    """Hand in some jobs at once; returns seconds until the last has ended."""
    photo = picture(1)
    began = time.monotonic()
    waiting = [client.submit(photo, steps=_STEPS, detached=True) for _ in range(jobs)]
    for job in waiting:
        for _ in client.watch(job):
            pass
    return time.monotonic() - began


@dataclass(frozen=True)
class Rate:
    """Throughput with a number of workers."""

    jobs_per_second: float
    front_ms: float
    """Processor time of the front for each job."""


def throughput(pool: str, workers: int, jobs: int) -> Rate:
    """Measure with so many jobs for each worker; all workers are up before."""
    with served(**options_of(pool, workers)) as daemon, daemon.client() as client:
        while sum(bool(worker.pid) for worker in client.status().workers) < workers:
            work_through(client, 2 * workers)
        spent = processor_seconds(daemon.process.pid)
        took = work_through(client, workers * jobs)
        spent = processor_seconds(daemon.process.pid) - spent
        return Rate(workers * jobs / took, 1000 * spent / workers / jobs)


@dataclass
class Large:
    """Seconds that photos of 24 megapixels took with one worker."""

    took: list[float] = field(default_factory=list)
    """From Submit to the last pixel, less the engine's own time: that is the same code here and
    there, and what the machine takes to give it memory differs by a second between photos."""
    front: list[float] = field(default_factory=list)
    """Seconds of the front's processor."""

    def measure(self, daemon: Served, client: Client, photo: NDArray[np.uint8]) -> None:
        """Restore it once more."""
        spent, began = processor_seconds(daemon.process.pid), time.monotonic()
        restored = client.restore(photo, steps=1)
        self.took.append(time.monotonic() - began - restored.seconds)
        self.front.append(processor_seconds(daemon.process.pid) - spent)


def large(pool: str, times: int) -> tuple[Large, Large]:
    """Measure here and there by turns, since what else the machine does changes; both are warm."""
    photo = picture(1, _HEIGHT, _WIDTH)
    here, there = Large(), Large()
    with contextlib.ExitStack() as stack:
        sides = []
        for side, where in ((here, ""), (there, pool)):
            daemon = stack.enter_context(served(**options_of(where, 1)))
            client = stack.enter_context(daemon.client())
            for _ in range(_WARM):
                client.restore(photo, steps=1)
            sides.append((side, daemon, client))
        for _ in range(times):
            for side, daemon, client in sides:
                side.measure(daemon, client, photo)
    return here, there


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pool", required=True, help="ray, or ray://HEAD:PORT")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--jobs", type=int, default=30, help="of each worker")
    parser.add_argument("--large", type=int, default=20, help="photos of 24 megapixels")
    given = parser.parse_args(argv)
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("workers   here, jobs/s   there   there / here   there / linear   front here, ms   there")
    single = 0.0
    for workers in given.workers:
        here, there = (throughput(pool, workers, given.jobs) for pool in ("", given.pool))
        ours, theirs = here.jobs_per_second, there.jobs_per_second
        single = single or theirs / workers
        share = f"{theirs / ours:12.2f}   {theirs / single / workers:14.2f}"
        front = f"{here.front_ms:14.1f}   {there.front_ms:5.1f}"
        print(f"{workers:7}   {ours:12.2f}   {theirs:5.2f}   {share}   {front}", flush=True)
    pair = large(given.pool, given.large)
    here_s, there_s = (statistics.median(side.took) for side in pair)
    here_front, there_front = (statistics.median(side.front) for side in pair)
    both = f"here {here_s:.2f} s, there {there_s:.2f} s"
    print(f"24 megapixels, without the engine: {both}: {there_s - here_s:+.2f} s")
    print(f"of which the front's processor: here {here_front:.2f} s, there {there_front:.2f} s")


if __name__ == "__main__":
    main()
