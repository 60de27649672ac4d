"""Throughput and overhead of workers on a Ray cluster, beside those of this machine.

    python -m benchmarks.daemon_cluster --pool ray://127.0.0.1:6379 --workers 1 2 4 --jobs 8

The cluster has to run, to have as many GPUs as the most workers, which may be pretended (`ray start
--num-gpus`), and to have this repository's `tests` folder in its PYTHONPATH: the engine is the one
of the tests, whose steps are pauses of ten milliseconds, so that a processor can stand for GPUs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.daemon_process import picture, processor_seconds, served
from ldrps_client import Client

_STEPS = 100
_HEIGHT, _WIDTH = 4000, 6000


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
    """How it went with some workers."""

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


def large(pool: str, times: int) -> tuple[float, float]:
    """Seconds of some photos of 24 megapixels, from Submit to the last pixel, and the front's own.

    The median of the first, and the mean of the processor time.
    """
    photo = picture(1, _HEIGHT, _WIDTH)
    with served(**options_of(pool, 1)) as daemon, daemon.client() as client:
        took = []
        client.restore(photo, steps=1)  # starts the worker
        spent = processor_seconds(daemon.process.pid)
        for _ in range(times):
            began = time.monotonic()
            client.restore(photo, steps=1)
            took.append(time.monotonic() - began)
        spent = processor_seconds(daemon.process.pid) - spent
        return statistics.median(took), spent / times


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pool", required=True, help="ray, or ray://HEAD:PORT")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--jobs", type=int, default=8, help="of each worker")
    parser.add_argument("--large", type=int, default=5, help="photos of 24 megapixels")
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
    (here_s, here_front), (there_s, there_front) = (large(p, given.large) for p in ("", given.pool))
    print(f"24 megapixels: here {here_s:.2f} s, there {there_s:.2f} s: {there_s - here_s:+.2f} s")
    print(f"of which the front's processor: here {here_front:.2f} s, there {there_front:.2f} s")


if __name__ == "__main__":
    main()
