"""From `cancel` to the worker's being free again, with the bundled model.

python -m benchmarks.daemon_cancel --jobs 100
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from statistics import median

import numpy as np

from benchmarks.daemon_process import REAL, dark_scene, served
from ldrps_client import Client, events
from ldrps_engine.errors import CancelledError

_SIDE = (600, 800)
_MOST_STEPS = 12


def run(jobs: int, seed: int) -> list[tuple[int, float, float]]:
    """Per job: the step at which it was cancelled, seconds until its end was reported, and until no
    worker worked at it any more."""
    dice = random.Random(seed)
    photo = dark_scene(*_SIDE)
    taken = []
    with served(engine=REAL) as daemon, daemon.client() as client:
        list(client.watch(client.submit(photo, steps=1, recipe="low-light")))
        for _ in range(jobs):
            at = dice.randint(0, _MOST_STEPS)
            taken.append((at, *_one(client, photo, at, dice)))
    return taken


def _one(client: Client, photo: object, at: int, dice: random.Random) -> tuple[float, float]:
    job_id = client.submit(photo, steps=1000, recipe="low-light")  # type: ignore[arg-type]
    stream = client.watch(job_id)
    for event in stream:
        if (isinstance(event, events.Step) and event.index >= at) or at == 0:
            break
    # Anywhere within a step, not at its end, which is when the event comes.
    time.sleep(dice.uniform(0, 0.5))
    began = time.monotonic()
    client.cancel(job_id)
    try:
        list(stream)
    except CancelledError:
        reported = time.monotonic() - began
    while client.status().running:
        time.sleep(0.002)
    return reported, time.monotonic() - began


def main() -> int:
    """Print median, p99 and the longest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    taken = run(given.jobs, given.seed)
    steps, *times = zip(*taken, strict=True)
    for name, values in zip(("reported", "worker free"), times, strict=True):
        print(
            f"{name:>12}: median {median(values):.2f} s, "
            f"p99 {np.percentile(values, 99):.2f} s, longest {max(values):.2f} s "
            f"(at step {steps[int(np.argmax(values))]})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
