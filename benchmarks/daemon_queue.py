"""Durations of calls while many jobs wait.

    python -m benchmarks.daemon_queue --waiting 64 1000 10000 --samples 200

The jobs are put into the journal and the spool as a daemon before would have left them, by many
clients and half of them as batch jobs; how long a daemon takes to take them up is printed too. Its
worker has a job that never ends. One client times its calls, one after the other; what it hands in
itself is cancelled again. A pause of a millisecond is timed as well: by so much other work on the
machine makes everything later.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.daemon_process import Served, picture, processor_seconds, resident_bytes
from benchmarks.errors import BenchmarkError
from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client
from ldrps_client.client import MAX_JOBS
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.repository import JobRepository
from ldrps_daemon.storage.spool import spool_folder
from ldrps_engine.photo import Photo
from ldrps_wire.conversion import raster_of, settings_from_proto

_STEPS = 5
_PAUSE_SECONDS = 0.001


@dataclass(kw_only=True)
class Outcome:
    """Figures at one length of the queue."""

    waiting: int
    start: float
    """Seconds until a daemon had taken all of them up and answered,"""
    memory: int
    """and bytes of its front process."""
    times: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds by call,"""
    worked: dict[str, float] = field(default_factory=dict)
    """and how many of them the front process had a processor, on average."""

    def percentile(self, call: str, percent: float) -> float:
        """Percentile of one call's times, in milliseconds."""
        return float(np.percentile(self.times[call], percent))


def run(length: int, samples: int, clients: int, seed: int) -> Outcome:
    """Measure at one length of the queue."""
    most = length + samples + 10
    options = {"queue_limit": most, "jobs_per_client": most, "max_kept_jobs": 10}
    with tempfile.TemporaryDirectory(prefix="ldrps-") as folder:
        asyncio.run(_fill(Path(folder), length, clients))
        began = time.monotonic()
        with Served(Path(folder), **options) as daemon, daemon.client() as client:
            start = time.monotonic() - began
            while not client.status().running:
                time.sleep(0.1)
            if client.status().queued != length:
                raise BenchmarkError(f"{client.status().queued} jobs wait instead of {length}")
            memory = resident_bytes(daemon.process.pid)
            outcome = Outcome(waiting=length, start=start, memory=memory)
            _measure(daemon, client, outcome, samples, seed)
    return outcome


async def _fill(folder: Path, length: int, clients: int) -> None:
    """Accept jobs in the place of the daemon that is to come, the endless one first."""
    spool = spool_folder(folder / "spool", f"unix:{folder}/s")
    repository = JobRepository(ServeConfig(), spool)
    photo = picture(1)
    for number in range(length + 1):
        header = pb.SubmitHeader(
            settings=pb.Settings(steps=_STEPS) if number else pb.Settings(description="forever"),
            raster=raster_of(Photo.from_samples(photo)),
            detached=True,
            idempotency_key=f"queue {number}",
            priority=pb.PRIORITY_BATCH if number % 2 else pb.PRIORITY_INTERACTIVE,
        )
        settings = settings_from_proto(header.settings)
        job = Job(header, settings, spool, f"pid {number % clients}")
        with job.folder.make(header) as file:
            file.write(photo.tobytes())
        await repository.accept(job)
    await repository.close()


def _measure(daemon: Served, client: Client, outcome: Outcome, samples: int, seed: int) -> None:
    dice, pid = random.Random(seed), daemon.process.pid
    known = [job.id for job in client.jobs(MAX_JOBS) if job.state == "queued"]
    mine: list[str] = []
    calls: dict[str, Callable[[], object]] = {
        "Submit": lambda: mine.append(client.submit(picture(1), detached=True, steps=_STEPS)),
        "GetJob": lambda: client.job(dice.choice(known)),
        "Cancel": lambda: client.cancel(mine.pop()),
        "Status": client.status,
        "ListJobs": lambda: client.jobs(100),
        "a pause": lambda: time.sleep(_PAUSE_SECONDS),
    }
    for name, call in calls.items():
        before, times = processor_seconds(pid), outcome.times.setdefault(name, [])
        for _ in range(samples):
            began = time.perf_counter()
            call()
            times.append((time.perf_counter() - began) * 1000)
        outcome.worked[name] = (processor_seconds(pid) - before) / samples * 1000


def main() -> int:
    """Print a line for each call at each length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[64, 1000, 10_000])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for length in given.waiting:
        outcome = run(length, given.samples, given.clients, given.seed)
        print(
            f"{outcome.waiting} waiting: taken up in {outcome.start:.1f} s, "
            f"front {outcome.memory / 2**20:.0f} MiB, load {os.getloadavg()[0]:.1f}"
        )
        for name in outcome.times:
            half, most = outcome.percentile(name, 50), outcome.percentile(name, 99)
            worked = f"{outcome.worked[name]:.1f} ms of a processor"
            print(f"  {name:<9} median {half:6.1f} ms, p99 {most:6.1f} ms, {worked}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
