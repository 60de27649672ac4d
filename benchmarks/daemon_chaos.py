"""Kills daemon and workers at random while jobs run: every accepted job ends once and right.

    python -m benchmarks.daemon_chaos --jobs 60 --seed 1

The killing is not the jobs' fault, so the limit at which a job counts as poison is raised.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from benchmarks.daemon_process import Served, picture, served
from ldrps_client import events
from ldrps_client.client import MAX_JOBS
from ldrps_engine.errors import LdrpsError, UnavailableError

T = TypeVar("T")

_CLIENTS = 4
_PATIENCE = 600.0
_PAUSE = (0.2, 2.5)
# Seconds that a daemon takes to start where nothing else runs.
_USUAL_START = 1.0
_STEPS = (10, 100)
_DAEMON_SHARE = 0.4


@dataclass(kw_only=True)
class Outcome:
    """Outcome of the run: `right` should be `jobs`, the next four 0."""

    jobs: int
    right: int = 0
    wrong: int = 0
    lost: int = 0
    doubled: int = 0
    misnumbered: int = 0
    worker_kills: int = 0
    daemon_kills: int = 0
    steps_needed: int = 0
    steps_reported: int = 0

    @property
    def holds(self) -> bool:
        """True where the promise was kept."""
        return self.right == self.jobs and not (
            self.wrong or self.lost or self.doubled or self.misnumbered
        )


def run(jobs: int, seed: int, kills: int | None = None) -> Outcome:
    """Hand in `jobs` jobs and kill until they have ended, or `kills` times."""
    outcome = Outcome(jobs=jobs)
    options = {"checkpoint_seconds": 0, "max_crashes": 10_000, "max_kept_jobs": 10 * jobs}
    with served(queue_limit=jobs, jobs_per_client=jobs, reconnect_seconds=600, **options) as daemon:
        over = threading.Event()
        killer = threading.Thread(target=_kill, args=(daemon, seed, kills, over, outcome))
        killer.start()
        try:
            with ThreadPoolExecutor(_CLIENTS) as clients:
                work = [clients.submit(_job, daemon, seed, number) for number in range(jobs)]
                seen = [each.result() for each in work]
        finally:
            over.set()
            killer.join()
        _judge(daemon, seen, outcome)
    return outcome


@dataclass(frozen=True)
class _Seen:
    """Course of one job, as its client saw it."""

    job_id: str
    right: bool
    numbered: bool
    needed: int
    steps: int


def _job(daemon: Served, seed: int, number: int) -> _Seen:
    """Hand in one photo, whatever happens, and wait for it."""
    dice = random.Random(f"{seed} {number}")
    photo, steps = picture(number), dice.randint(*_STEPS)
    batch = dice.random() < 0.5
    with daemon.client() as client:

        def submit() -> str:
            key = f"chaos {seed} {number}"
            return client.submit(
                photo, detached=True, batch=batch, steps=steps, idempotency_key=key
            )

        job_id = _patiently(submit)
        gathered = _patiently(lambda: list(client.watch(job_id)))
        layers = [event for event in gathered if isinstance(event, events.Layer)]
        right = len(layers) == 1 and np.array_equal(layers[0].photo.to_samples(), 255 - photo)
        again = _patiently(lambda: list(client.watch(job_id)))
        count = sum(isinstance(event, events.Step) for event in gathered)
        return _Seen(job_id, right, len(again) == len(gathered), steps, count)


def _patiently(work: Callable[[], T]) -> T:
    """Submit as an unattended client does: again and again, until there is a daemon."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return work()
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _kill(
    daemon: Served, seed: int, kills: int | None, over: threading.Event, outcome: Outcome
) -> None:
    dice, slowness = random.Random(seed), 1.0
    while not over.wait(dice.uniform(*_PAUSE) * slowness):
        if kills is not None and outcome.worker_kills + outcome.daemon_kills >= kills:
            return
        if dice.random() < _DAEMON_SHARE:
            daemon.kill()
            outcome.daemon_kills += 1
            time.sleep(dice.uniform(0, 0.3))
            began = time.monotonic()
            daemon.restart()
            # On a busy machine killing must not be quicker than starting, or nothing is ever done.
            slowness = max(1.0, (time.monotonic() - began) / _USUAL_START)
            continue
        try:
            outcome.worker_kills += daemon.kill_worker()
        except (LdrpsError, ProcessLookupError):
            # It has ended by itself, or has not been started yet.
            continue


def _judge(daemon: Served, seen: list[_Seen], outcome: Outcome) -> None:
    with daemon.client() as client:
        known = {job.id: job for job in client.jobs(MAX_JOBS)}
    ids = Counter(each.job_id for each in seen)
    outcome.doubled = len(known) - len(ids) + sum(count - 1 for count in ids.values())
    for each in seen:
        job = known.get(each.job_id)
        outcome.lost += job is None or job.state != "done"
        outcome.right += each.right
        outcome.wrong += not each.right
        outcome.misnumbered += not each.numbered
        outcome.steps_needed += each.needed
        outcome.steps_reported += each.steps


def main() -> int:
    """Print the outcome as a table; the exit code says whether the promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    outcome = run(given.jobs, given.seed)
    print(f"seed {given.seed}")
    for name, value in asdict(outcome).items():
        print(f"{name.replace('_', ' '):>14} {value}")
    print("kept" if outcome.holds else "BROKEN")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
