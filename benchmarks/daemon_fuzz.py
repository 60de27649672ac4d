"""Malformed, oversized, reordered and truncated calls of every kind against a real daemon.

    python -m benchmarks.daemon_fuzz --cases 100000 --seed 1
    python -m benchmarks.daemon_fuzz --atheris 100000

The first speaks to a daemon over its socket and demands a proper status for every case. The
second lets Atheris, guided by coverage, look for bytes that what reads them does not refuse
properly; it needs `pip install atheris`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import grpc
import grpc.aio
import numpy as np

from benchmarks.daemon_process import Served, descriptors, picture, resident_bytes, served
from benchmarks.fuzz_cases import METHODS, SUBMIT, Case, drawn
from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.storage.eventlog import unpack
from ldrps_daemon.transport import limits
from ldrps_daemon.transport.admission import check_header, payload_bytes
from ldrps_engine.errors import LdrpsError
from ldrps_wire.conversion import settings_from_proto
from ldrps_wire.status import sentence

BAD = (
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.INTERNAL,
)
"""Codes that no call may end with: they stand for a crash, a hang, or nothing that says why."""
SECONDS = 60.0
_AT_ONCE = 32
_LOOKS = 10
_WARM_UP = 2000
# Words of grpc.aio's client for an answer that came before it had sent all, and is lost.
_LOCAL = "Internal error from Core"
_UNLIMITED = [("grpc.max_send_message_length", -1)]


@dataclass
class Outcome:
    """Outcome of the run."""

    cases: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    """Resident bytes of the daemon: at the start, ten times on the way, and at the end."""
    descriptors: list[int] = field(default_factory=list)


async def send(channel: Any, case: Case, said: list[str] | None = None) -> str:
    """Make one call and return how it ended: a status code's name, or `LEFT`.

    Sentences that came with it are added to `said`.
    """
    path = f"/ldrps.v1.{case.method}"
    try:
        async with asyncio.timeout(case.leave_after):
            if case.method == SUBMIT:
                await channel.stream_unary(path)(_stream(case.messages), timeout=SECONDS)
            elif METHODS[case.method].server_streaming:
                async for _ in channel.unary_stream(path)(case.messages[0], timeout=SECONDS):
                    pass
            else:
                await channel.unary_unary(path)(case.messages[0], timeout=SECONDS)
    except TimeoutError:
        return "LEFT"
    except grpc.aio.AioRpcError as error:
        if said is not None:
            said.append(error.details() or "")
        return str(error.code().name)
    return "OK"


async def _stream(messages: Sequence[bytes]) -> Any:
    for message in messages:
        yield message


async def answered(address: str, channel: Any, case: Case, said: list[str]) -> str:
    """Call `send`, and again by gRPC's other client if this one lost the answer."""
    code = await send(channel, case, said)
    return await asyncio.to_thread(_plainly, address, case, said) if said == [_LOCAL] else code


def _plainly(address: str, case: Case, said: list[str]) -> str:
    with grpc.insecure_channel(address, options=_UNLIMITED) as channel:
        call = channel.stream_unary(f"/ldrps.v1.{case.method}")
        try:
            call(iter(case.messages), timeout=SECONDS)
        except grpc.RpcError as error:
            said.append(error.details() or "")
            return str(error.code().name)
    return "OK"


async def bombard(address: str, cases: Iterator[Case], outcome: Outcome) -> None:
    """Send all cases, some at once."""
    async with grpc.aio.insecure_channel(address, options=_UNLIMITED) as channel:

        async def work() -> None:
            for case in cases:
                said: list[str] = []
                code = await answered(address, channel, case, said)
                outcome.cases += 1
                outcome.codes[code] += 1
                if code in {bad.name for bad in BAD}:
                    outcome.bad.append(f"{code} {said}: {case}"[:500])

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def run(cases: int, seed: int) -> Outcome:
    """Fuzz a daemon; afterwards it must still restore."""
    outcome = Outcome()
    with served(queue_limit=50, max_kept_jobs=50) as daemon:
        asyncio.run(bombard(daemon.address, drawn(min(cases, _WARM_UP), seed + 1), Outcome()))
        pid, all_cases = daemon.process.pid, drawn(cases, seed)
        for part in range(_LOOKS + 1):
            time.sleep(1 if part == _LOOKS else 0)
            if daemon.process.poll() is not None:
                outcome.bad.append("the daemon died")
                return outcome
            outcome.memory.append(resident_bytes(pid))
            outcome.descriptors.append(descriptors(pid))
            tenth = islice(all_cases, -(-cases // _LOOKS))
            asyncio.run(bombard(daemon.address, tenth, outcome))
        _still_well(daemon, outcome)
    return outcome


def _still_well(daemon: Served, outcome: Outcome) -> None:
    """Check that it restores, and that its log holds no bug that a call ran into."""
    photo = picture(1)
    with daemon.client() as client:
        if not np.array_equal(client.restore(photo).photo.to_samples(), 255 - photo):
            outcome.bad.append("a photo came back wrong")
    _, found, rest = daemon.log.read_text().partition("Traceback")
    if found:
        outcome.bad.append(f"the daemon's log holds a traceback:{rest[:3000]}")


def _read_anything(data: bytes) -> None:
    """Give a client's bytes to all that reads them: they are taken, or refused properly."""
    config = ServeConfig(address="unix:/x/s")
    list(unpack(data))
    try:
        request = pb.SubmitRequest.FromString(data)
    except Exception as error:
        if type(error).__name__ != "DecodeError":
            raise
        return
    try:
        limits.check(request)
        settings_from_proto(request.header.settings)
        check_header(request.header)
        payload_bytes(request.header, config)
    except LdrpsError as error:
        if not sentence(error).isprintable() or not sentence(error):
            raise AssertionError(f"no sentence: {error!r}") from error


def _atheris(runs: int) -> None:
    import atheris  # type: ignore[import-untyped]

    for function in (_read_anything, settings_from_proto, check_header, payload_bytes, unpack):
        atheris.instrument_func(function)
    seeds = [case.messages[0] for case in drawn(200, 1) if case.messages]

    def one(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        if provider.ConsumeBool():
            base = bytearray(seeds[provider.ConsumeIntInRange(0, len(seeds) - 1)])
            at = provider.ConsumeIntInRange(0, len(base))
            base[at : at + provider.ConsumeIntInRange(0, 8)] = provider.ConsumeBytes(8)
            data = bytes(base)
        _read_anything(data)

    atheris.Setup(
        [sys.argv[0], f"-runs={runs}", "-max_len=4096", "-print_final_stats=1", "-verbosity=0"], one
    )
    atheris.Fuzz()


def main() -> int:
    """Print how the calls ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", type=int, metavar="RUNS")
    given = parser.parse_args()
    if given.atheris:
        _atheris(given.atheris)
        return 0
    outcome = run(given.cases, given.seed)
    print(f"{outcome.cases} cases, seed {given.seed}")
    for code, count in outcome.codes.most_common():
        print(f"{code:>20} {count}")
    print("MiB at every tenth:", *(f"{size / 2**20:.1f}" for size in outcome.memory))
    print("descriptors:       ", *outcome.descriptors)
    print("\n".join(outcome.bad[:9]) or "every call ended as it should")
    return 1 if outcome.bad else 0


if __name__ == "__main__":
    sys.exit(main())
