"""Fifty clients at once: submits, watches, drops, cancels and rubbish over one socket.

    python -m benchmarks.daemon_load --clients 50 --seconds 120 --seed 1

The clients are one process, the one that times Status is another, so that the time a client's own
interpreter takes is not laid at the daemon's door. How late the latter wakes from its pauses is
printed too: that is what other work on the machine costs a process that wants a processor at once.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import grpc
import numpy as np

from benchmarks.daemon_process import Served, picture, resident_bytes, served
from benchmarks.errors import BenchmarkError
from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client
from ldrps_client._channel import open_channel
from ldrps_engine.errors import BusyError, CancelledError, LdrpsError, NotFoundError

_PROBE_SECONDS = 0.05
_PAUSE = (0.0, 1.0)
_REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
_Jobs = dict[str, str]
_SUBMIT = "/ldrps.v1.Restoration/Submit"


@dataclass(kw_only=True)
class Outcome:
    """Outcome of the run."""

    done: Counter[str] = field(default_factory=Counter)
    """Number of each of the clients' actions."""
    accepted: int = 0
    lost: int = 0
    """Accepted jobs that did not end as they should."""
    failures: list[str] = field(default_factory=list)
    """Errors that no client had a reason to see."""
    status_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """Excess of the pauses between two calls for the status."""
    waiting: list[int] = field(default_factory=list)
    """Jobs in the queue."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the start, bytes of the front process."""

    def percentile(self, percent: float) -> float:
        """Percentile of Status's times, in milliseconds."""
        return float(np.percentile(self.status_ms, percent))

    def slope(self) -> float:
        """Growth of the front's memory in bytes a second, over the second half."""
        half = self.memory[len(self.memory) // 2 :]
        seconds, sizes = np.array([s for s, _ in half]), np.array([float(b) for _, b in half])
        return float(np.polyfit(seconds, sizes, 1)[0]) if len(half) > 2 else 0.0


def run(clients: int, seconds: float, seed: int) -> Outcome:
    """Load a daemon and look at it meanwhile."""
    with served(queue_limit=200, jobs_per_client=200) as daemon:
        arguments = [daemon.address, str(clients), str(seconds), str(seed)]
        command = [sys.executable, "-m", "benchmarks.daemon_load", "--as-clients", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as crowd:
            outcome = _probe(daemon, crowd)
            assert crowd.stdout
            result = json.loads(crowd.stdout.read())
        outcome.done, outcome.failures = Counter(result["done"]), result["failures"]
        outcome.accepted, outcome.lost = result["accepted"], result["lost"]
        outcome.lost += _lost(daemon, result["open"], outcome.accepted)
    return outcome


def _probe(daemon: Served, crowd: subprocess.Popen[bytes]) -> Outcome:
    outcome = Outcome()
    start = time.monotonic()
    with daemon.client() as client:
        client.status()
        while crowd.poll() is None:
            began = time.monotonic()
            outcome.waiting.append(client.status().queued)
            ended = time.monotonic()
            outcome.status_ms.append((ended - began) * 1000)
            outcome.memory.append((began - start, resident_bytes(daemon.process.pid)))
            time.sleep(_PROBE_SECONDS)
            outcome.late_ms.append((time.monotonic() - ended - _PROBE_SECONDS) * 1000)
    return outcome


def _lost(daemon: Served, open_jobs: _Jobs, accepted: int) -> int:
    """Count the jobs, among those whose end no client saw, that do not end as they should.

    The daemon keeps few of those that have ended, so that its memory can be flat; of the others
    its counts must tell the same.
    """
    deadline = time.monotonic() + 300
    with daemon.client() as client:
        while client.status().queued + client.status().running and time.monotonic() < deadline:
            time.sleep(0.2)
        ends = [_is_right(client, job_id, wanted) for job_id, wanted in open_jobs.items()]
        status = client.status()
    return ends.count(None) + ends.count(False) + abs(accepted - status.done - status.cancelled)


def _is_right(client: Client, job_id: str, wanted: str) -> bool | None:
    """Tell whether a job ended as its client wanted; None while it has not."""
    try:
        state = client.job(job_id).state
    except NotFoundError:
        return True
    if state in ("queued", "running"):
        return None
    return state == "done" or (state == "cancelled" and wanted == "any")


class _Crowd:
    """All clients, in this process."""

    def __init__(self, address: str, seed: int) -> None:
        self.address = address
        self.seed = seed
        self.lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.accepted = 0
        self.lost = 0
        self.open: _Jobs = {}
        """Jobs whose end no client has seen, and how each should end: `done` or `any`."""
        self.failures: list[str] = []

    def live(self, number: int, until: float) -> None:
        """One client's life."""
        dice = random.Random(f"{self.seed} {number}")
        acts = [self.restore, self.detach, self.drop, self.cancel, self.talk_rubbish, self.look]
        mine: _Jobs = {}
        with Client(self.address, autostart=False) as client:
            while time.monotonic() < until:
                act = dice.choice(acts)
                try:
                    self._settle(client, mine)
                    act(client, dice, mine)
                    self._count(act.__name__)
                except BusyError:
                    self._count("busy")
                except (LdrpsError, grpc.RpcError, BenchmarkError) as error:
                    with self.lock:
                        self.failures.append(f"{act.__name__}: {type(error).__name__}: {error}")
                time.sleep(dice.uniform(*_PAUSE))
        with self.lock:
            self.open |= mine

    def _settle(self, client: Client, mine: _Jobs) -> None:
        """See how one's jobs have ended, before the daemon forgets them."""
        ends = {job_id: _is_right(client, job_id, wanted) for job_id, wanted in mine.items()}
        for job_id, right in ends.items():
            if right is not None:
                del mine[job_id]
                with self.lock:
                    self.accepted += 1
                    self.lost += not right

    def restore(self, client: Client, dice: random.Random, mine: _Jobs) -> None:
        """Hand in and wait."""
        photo = picture(dice.randrange(1000))
        found = client.restore(photo, steps=dice.randint(1, 5))
        if not np.array_equal(found.photo.to_samples(), 255 - photo):
            raise BenchmarkError("wrong pixels")
        mine[found.job_id] = "done"

    def detach(self, client: Client, dice: random.Random, mine: _Jobs) -> None:
        """Hand in and leave."""
        batch = dice.random() < 0.5
        job_id = client.submit(picture(1), detached=True, batch=batch, steps=dice.randint(1, 10))
        mine[job_id] = "done"

    def drop(self, client: Client, dice: random.Random, mine: _Jobs) -> None:
        """Begin to watch, and leave in the middle."""
        job_id = client.submit(picture(2), detached=dice.random() < 0.5, steps=20)
        mine[job_id] = "any"
        for count, _ in enumerate(client.watch(job_id, previews=True)):
            if count >= dice.randint(0, 10):
                return

    def cancel(self, client: Client, dice: random.Random, mine: _Jobs) -> None:
        """Hand in, change one's mind."""
        job_id = client.submit(picture(3), detached=True, steps=200)
        mine[job_id] = "any"
        time.sleep(dice.uniform(0, 0.2))
        client.cancel(job_id)
        try:
            list(client.watch(job_id))
        except CancelledError:
            return

    def talk_rubbish(self, client: Client, dice: random.Random, mine: _Jobs) -> None:
        """Send what is no photo; the answer must say so."""
        kind = dice.randrange(4)
        if kind == 0:
            _refused(lambda: client.job(f"{dice.random()}"), NotFoundError)
            return
        raster = pb.Raster(
            width=64, height=64, channels=pb.CHANNELS_RGB, sample_type=pb.SAMPLE_TYPE_U8
        )
        header = pb.SubmitRequest(header=pb.SubmitHeader(raster=raster)).SerializeToString()
        streams = ([b"\xff" * 99], [header, header], [header])
        channel = open_channel(self.address)
        try:
            channel.stream_unary(_SUBMIT)(iter(streams[kind - 1]), timeout=60)
        except grpc.RpcError as error:
            if error.code() not in _REFUSALS:
                raise
        else:
            raise BenchmarkError("rubbish was taken")
        finally:
            channel.close()

    def look(self, client: Client, dice: random.Random, mine: _Jobs) -> None:
        """Ask around."""
        client.status()
        client.jobs(dice.randint(1, 50))

    def _count(self, name: str) -> None:
        with self.lock:
            self.done[name] += 1


def _refused(call: object, error: type[LdrpsError]) -> None:
    try:
        call()  # type: ignore[operator]
    except error:
        return
    raise BenchmarkError("rubbish was taken")


def _as_clients(address: str, clients: str, seconds: str, seed: str) -> None:
    crowd = _Crowd(address, int(seed))
    until = time.monotonic() + float(seconds)
    lives = [
        threading.Thread(target=crowd.live, args=(number, until)) for number in range(int(clients))
    ]
    for life in lives:
        life.start()
    for life in lives:
        life.join()
    result = {name: getattr(crowd, name) for name in ("done", "lost", "open", "failures")}
    print(json.dumps(result | {"accepted": crowd.accepted + len(crowd.open)}))


def main() -> int:
    """Print what the clients did and what the daemon showed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-clients", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.as_clients:
        _as_clients(*given.as_clients)
        return 0
    outcome = run(given.clients, given.seconds, given.seed)
    for name, count in sorted(outcome.done.items()):
        print(f"{name.replace('_', ' '):>14} {count}")
    print(f"accepted {outcome.accepted}, lost {outcome.lost}, failures {len(outcome.failures)}")
    print("".join(f"  {words}\n" for words in sorted(set(outcome.failures))[:9]), end="")
    half, most = outcome.percentile(50), outcome.percentile(99)
    print(f"Status: {len(outcome.status_ms)} calls, median {half:.1f} ms, p99 {most:.1f} ms")
    half, most = (float(np.percentile(outcome.late_ms, percent)) for percent in (50, 99))
    print(f"a pause of {_PROBE_SECONDS * 1000:.0f} ms: {half:.1f} ms late, p99 {most:.1f} ms")
    tenths = [(len(outcome.memory) - 1) * n // 10 for n in range(11)]
    print("waiting at every tenth:    ", *(outcome.waiting[at] for at in tenths))
    print("front's MiB at every tenth:", *(f"{outcome.memory[at][1] / 2**20:.1f}" for at in tenths))
    print(f"front's memory: {outcome.slope() * 60 / 2**20:+.2f} MiB a minute in the second half")
    return 1 if outcome.lost or outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
