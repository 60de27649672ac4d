"""Broken bytes below the calls: what a client sends, cut off or damaged anywhere, sent again.

    python -m benchmarks.daemon_frames --cases 5000 --seed 1

Real calls are recorded between a client and a daemon first. `daemon_fuzz` damages messages, which
gRPC's own client then frames properly; here the frames, their lengths and the stream of bytes are
damaged too. The daemon may answer or hang up, and must go on as if nothing had been.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.daemon_process import Served, descriptors, picture, resident_bytes, served
from ldrps_client import Client
from ldrps_engine.errors import UnavailableError

_AT_ONCE = 8
_PATIENCE = 60.0
# Seconds without a byte after which a client that stays leaves as well.
_QUIET = 0.2
_WARM_UP = 1500
# Seconds in which a daemon without work gives back the memory that a crowd took at its height.
_REST = 25.0
_SLACK_BYTES = 16 << 20
_SLACK_DESCRIPTORS = 4


@dataclass
class Outcome:
    """Outcome of the run."""

    ends: Counter[str] = field(default_factory=Counter)
    """Ends of connections: the daemon `hung up`, left it `still open`, or we `left` first."""
    memory: list[int] = field(default_factory=list)
    """Resident bytes of the daemon, before and after."""
    descriptors: list[int] = field(default_factory=list)
    restarts: int = 0
    """Restarts of the daemon in place, because gRPC could not read a call."""
    bad: list[str] = field(default_factory=list)


def recorded(daemon: Served) -> list[bytes]:
    """All that clients send for one call each, from the preface on."""
    calls: list[Callable[[str], object]] = [_restore, _look, _check_health]
    return [_overheard(daemon, call) for call in calls]


def _restore(address: str) -> None:
    with Client(address, autostart=False) as client:
        client.restore(picture(1), steps=1)


def _look(address: str) -> None:
    with Client(address, autostart=False) as client:
        client.status()
        client.jobs(5)


def _check_health(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        stub.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)


def _overheard(daemon: Served, call: Callable[[str], object]) -> bytes:
    """Record the bytes that a call sends to the daemon, by listening in between."""
    path, heard = daemon.folder / "between", bytearray()
    with socket.socket(socket.AF_UNIX) as listener, _connected(daemon) as onward:
        listener.bind(str(path))
        listener.listen()

        def carry(source: socket.socket, target: socket.socket, keep: bytearray) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    keep += data
                    target.sendall(data)

        def stand_between() -> None:
            inward = listener.accept()[0]
            with inward:
                back = threading.Thread(target=carry, args=(onward, inward, bytearray()))
                back.start()
                carry(inward, onward, heard)
                onward.shutdown(socket.SHUT_RDWR)
                back.join()

        between = threading.Thread(target=stand_between)
        between.start()
        call(f"unix:{path}")
        between.join()
    path.unlink()
    return bytes(heard)


def _connected(daemon: Served) -> socket.socket:
    made, deadline = socket.socket(socket.AF_UNIX), time.monotonic() + _PATIENCE
    made.settimeout(_PATIENCE)
    while True:
        try:
            made.connect(daemon.address.removeprefix("unix:"))
            return made
        except BlockingIOError:
            # As many wait as may, because the daemon restarts itself.
            if time.monotonic() > deadline:
                raise
            time.sleep(_QUIET)


def spoilt(dice: random.Random, streams: list[bytes]) -> bytes:
    """One of the streams, cut off, with bytes changed, missing or doubled, or another's end."""
    data = bytearray(dice.choice(streams))
    # Damage to the preface is refused at once, so that most of it lies behind.
    at = dice.randrange(24, len(data)) if dice.random() < 0.9 else dice.randrange(24)
    match dice.randrange(5):
        case 0:
            del data[at:]
        case 1:
            for _ in range(dice.randint(1, 8)):
                data[dice.randrange(at, len(data))] = dice.randrange(256)
        case 2:
            del data[at : at + dice.randint(1, 64)]
        case 3:
            data[at:at] = data[at : at + dice.randint(1, 256)]
        case _:
            data[at:] = dice.choice(streams)[-dice.randint(1, 512) :]
    return bytes(data)


def send(daemon: Served, data: bytes, *, stays: bool) -> str:
    """Send bytes and see how the connection ends; one that does not stay leaves at once."""
    with _connected(daemon) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(_QUIET)
            while stays and connection.recv(1 << 16):
                continue
        except TimeoutError:
            return "still open"
        except OSError:
            return "hung up"
    return "hung up" if stays else "left"


def bombard(daemon: Served, cases: Iterator[tuple[bytes, bool]], outcome: Outcome) -> None:
    """Send all cases, some at once."""

    def one(case: tuple[bytes, bool]) -> str:
        data, stays = case
        try:
            return send(daemon, data, stays=stays)
        except OSError as error:
            return f"refused: {error}"

    with ThreadPoolExecutor(_AT_ONCE) as senders:
        outcome.ends.update(senders.map(one, cases))


def drawn(streams: list[bytes], cases: int, seed: int) -> Iterator[tuple[bytes, bool]]:
    """Draw so many cases; the same for the same seed and streams."""
    dice = random.Random(seed)
    return ((spoilt(dice, streams), dice.random() < 0.3) for _ in range(cases))


def run(cases: int, seed: int) -> Outcome:
    """Bombard a daemon; afterwards it must hold what it held before, and restore."""
    outcome = Outcome()
    with served(queue_limit=50, max_kept_jobs=50) as daemon:
        streams = recorded(daemon)
        # A few first: gRPC fills pools of its own.
        bombard(daemon, drawn(streams, min(cases, _WARM_UP), seed + 1), Outcome())
        rest = _REST if cases > _WARM_UP else 0.0
        _look_at(daemon, outcome, rest)
        bombard(daemon, drawn(streams, cases, seed), outcome)
        _look_at(daemon, outcome, rest)
        _judge(daemon, outcome)
    return outcome


def _look_at(daemon: Served, outcome: Outcome, rest: float) -> None:
    """Note memory and descriptors a while after all connections but ours are gone."""
    deadline = time.monotonic() + _PATIENCE
    while (left := _connections(daemon)) > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    if left > 1:
        outcome.bad.append(f"after a while there are {left} connections")
    time.sleep(rest)
    outcome.memory.append(resident_bytes(daemon.process.pid))
    outcome.descriptors.append(descriptors(daemon.process.pid))


def _connections(daemon: Served) -> float:
    """Number of connections, this one included; not a number while gRPC restarts."""
    try:
        with daemon.client() as client:
            return client.status().connections
    except UnavailableError:
        return float("inf")


def _judge(daemon: Served, outcome: Outcome) -> None:
    photo = picture(2)
    with daemon.client() as client:
        if not np.array_equal(client.restore(photo).photo.to_samples(), 255 - photo):
            outcome.bad.append("a photo came back wrong")
    outcome.bad += [end for end in outcome.ends if end.startswith("refused")]
    for name, slack in (("memory", _SLACK_BYTES), ("descriptors", _SLACK_DESCRIPTORS)):
        before, after = getattr(outcome, name)
        if after > before + slack:
            outcome.bad.append(f"{name} grew from {before} to {after}")
    log = daemon.log.read_text()
    outcome.restarts = log.count("the daemon restarts itself")
    # gRPC logs what it cannot read; errors of ours are bugs.
    if "ERROR ldrps" in log:
        outcome.bad.append("the daemon's log holds an error")


def main() -> int:
    """Print how the connections ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    outcome = run(given.cases, given.seed)
    print(f"{given.cases} streams, seed {given.seed}")
    for end, count in outcome.ends.most_common():
        print(f"{end:>12} {count}")
    print(f"restarted {outcome.restarts} times, those to warm up included")
    print("MiB before and after:", *(f"{size / 2**20:.1f}" for size in outcome.memory))
    print("descriptors:         ", *outcome.descriptors)
    print("\n".join(outcome.bad[:9]) or "the daemon goes on as if nothing had been")
    return 1 if outcome.bad else 0


if __name__ == "__main__":
    sys.exit(main())
