"""Error of the daemon's estimates, before a job begins and half-way through it.

python -m benchmarks.daemon_estimates --jobs 30
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from statistics import fmean

from benchmarks.daemon_process import REAL, dark_scene, served
from ldrps_client import Client, events

_SIDES = (200, 1600)
# Jobs after which the daemon is taken to know the machine.
_LEARNING = 8


@dataclass(frozen=True)
class Guess:
    """Seconds estimated for one job, and those that it took."""

    before: float
    half_way: float
    took: float
    took_second_half: float


def run(jobs: int, seed: int) -> list[Guess]:
    """Photos of many sizes, one after the other."""
    dice = random.Random(seed)
    with served(engine=REAL) as daemon, daemon.client() as client:
        return [_one(client, dice) for _ in range(jobs)]


def _one(client: Client, dice: random.Random) -> Guess:
    photo = dark_scene(dice.randint(*_SIDES), dice.randint(*_SIDES), dice.randrange(10**6))
    job_id = client.submit(photo, recipe=dice.choice(("low-light", "haze")))
    before = client.job(job_id).estimated_seconds
    began = time.monotonic()
    half_way, at_half = 0.0, began
    for event in client.watch(job_id):
        if isinstance(event, events.Step) and not half_way and 2 * event.index >= event.count:
            half_way, at_half = event.seconds_left, time.monotonic()
    end = time.monotonic()
    return Guess(before, half_way, end - began, end - at_half)


def _error(guesses: list[tuple[float, float]]) -> str:
    """Mean of the errors relative to what it took."""
    return f"{100 * fmean(abs(said - took) / took for said, took in guesses):.0f} %"


def main() -> int:
    """Print the mean error of both estimates, once the machine is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    guesses = run(given.jobs, given.seed)[_LEARNING:]
    print(f"{len(guesses)} jobs after {_LEARNING} to learn from")
    print(f"before it begins: mean error {_error([(g.before, g.took) for g in guesses])}")
    halves = [(g.half_way, g.took_second_half) for g in guesses]
    print(f"half-way through: mean error {_error(halves)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
