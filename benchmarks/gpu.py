"""Time the published method's work and ours on one CUDA GPU, on full-size models.

    python benchmarks/gpu.py [--json FILE] [--photos N]
    python benchmarks/gpu.py --toy          # tries the command on the CPU, with tiny networks

Stable Diffusion 2.1's networks are built on the device with random weights, so that nothing has
to be fetched: how long a step takes does not depend on them. Long ways are timed over `--steps`
of each kind of step and multiplied out, `auto` and `fast` over whole photos.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.full_size import RandomStableDiffusion
from benchmarks.work import Bench, Way, fast, ways
from ldrps_engine.photo import Photo
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings

_LONG = 60
_WHOLE = "restore() by {}, from photo to photo"
# On an H200, for one photo of 512x512.
_FASTER, _SECONDS, _GIGABYTES = 60, 2.5, 8

Found = tuple[float, float, str]
"""Seconds per photo, peak gigabytes, and how that was found."""
Add = Callable[[str, Found], None]


@dataclass(frozen=True)
class Row:
    """One way's figures."""

    name: str
    seconds: float
    """Per photo."""
    gigabytes: float
    """Peak of what was taken on the device, weights included; 0 on the CPU."""
    faster: float
    """Than the published work in the same run."""
    how: str
    """`whole photo`, or `from N steps`."""


class Timer:
    """Times work on one device, with its peak memory."""

    def __init__(self, device: str, photos: int, steps: int) -> None:
        self._device, self._photos, self._steps = device, photos, steps
        self._cuda = device.startswith("cuda")

    def way(self, bench: Bench, way: Way, count: int = 1) -> Found:
        """Time one way."""
        steps = sum(len(ladder) for _, ladder in bench.sampler(way).passes)
        if steps <= _LONG:
            seconds, peak = self.work(lambda: bench.run(way, count))
            return seconds / count, peak, "whole photo"
        return self._by_kind(bench, way)

    def work(self, work: Callable[[], object]) -> tuple[float, float]:
        """Median seconds of a few runs after one to warm up, and the peak of those runs."""
        work()
        self._reset()
        seconds = [self._once(work) for _ in range(self._photos)]
        return statistics.median(seconds), self._peak()

    def _by_kind(self, bench: Bench, way: Way) -> Found:
        """Long ways: a few steps of each kind, taken as often as the kind comes."""
        sampler = bench.sampler(way)
        kinds: dict[tuple[object, ...], list[tuple[int, int | None, bool]]] = {}
        for step, following, quick in bench.steps(sampler):
            kinds.setdefault((sampler.kind_of(step), quick), []).append((step, following, quick))
        total, most = 0.0, 0.0
        for steps in kinds.values():
            work = _steps_of(bench, way, steps[: self._steps])
            seconds, peak = self.work(work)
            total += seconds / len(steps[: self._steps]) * len(steps)
            most = max(most, peak)
        return total, most, f"from {self._steps} steps of each kind"

    def _once(self, work: Callable[[], object]) -> float:
        self._wait()
        began = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()

    def _reset(self) -> None:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()

    def _peak(self) -> float:
        return torch.cuda.max_memory_allocated() / 1e9 if self._cuda else 0.0


def _steps_of(
    bench: Bench, way: Way, steps: list[tuple[int, int | None, bool]]
) -> Callable[[], None]:
    sampler = bench.sampler(way)
    clean = bench.prior.encode(bench.photo).repeat(way.plan.ensemble.latents, 1, 1, 1)

    def work() -> None:
        noisy = clean
        for step, following, quick in steps:
            _, noisy = sampler.reverse_step(noisy, step, following, quick=quick)
            if way.wasteful:
                bench.waste(way)

    return work


@contextmanager
def in_full_precision(prior: Any) -> Iterator[None]:
    """Compute as the published code does: single precision, plain memory format."""
    network = prior._parts.use("unet")
    others = [prior._parts.use(key) for key in ("vae", "quick")]
    # torch's own `to`: that of diffusers warns of layers that these networks lack.
    to: Any = torch.nn.Module.to
    for each in (network, *others):
        to(each, torch.float32, memory_format=torch.contiguous_format)
    try:
        yield
    finally:
        for each in (network, *others):
            to(each, prior._dtype)
        network.to(memory_format=torch.channels_last)


def compiled(prior: Any, mode: str, toy: bool) -> Callable[[], None]:
    """Compile the U-Net and the tiny decoder; returns what undoes it."""
    unet, quick = prior._parts.use("unet"), prior._parts.use("quick")
    before = unet.forward, quick.decoder.forward
    # A toy only shows that the command runs: it is traced, and no code is made for it.
    how: dict[str, Any] = {"backend": "eager"} if toy else {"mode": mode}
    unet.forward = torch.compile(unet.forward, **how)
    if mode == "default":
        # CUDA graphs and a decoder whose gradient is taken do not go together.
        quick.decoder.forward = torch.compile(quick.decoder.forward, **how)

    def undo() -> None:
        unet.forward, quick.decoder.forward = before
        torch._dynamo.reset()

    return undo


class _Only:
    """Models of which there is one, for `restore`."""

    def __init__(self, prior: Any) -> None:
        self._prior = prior

    def prior(self, *_: object) -> Any:
        """Return the one model there is."""
        return self._prior


def end_to_end(prior: Any, side: int, settings: Settings) -> Callable[[], object]:
    """A whole restoration, diagnosis and transfer included."""
    rng = np.random.default_rng(0)
    dark = (40 * rng.random((side, side, 3))).astype(np.uint8)
    photo = Photo.from_samples(dark)
    models: Any = _Only(prior)
    return lambda: restore(photo, settings, models)


def measure(device: str, side: int, toy: bool, photos: int, steps: int) -> list[Row]:
    """All rows, the published work first."""
    rows: list[Row] = []
    timer = Timer(device, photos, steps)

    def add(name: str, found: Found) -> None:
        seconds, peak, how = found
        first = rows[0].seconds if rows else seconds
        rows.append(Row(name, seconds, peak, first / seconds, how))
        print(_line(rows[-1]), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        prior = RandomStableDiffusion(Path(folder), device, quick=True, small=toy)
        bench = Bench(prior, device, side)
        _ways(timer, bench, prior, add)
        _accelerated(timer, bench, add, toy)
        for name, settings in (
            ("auto", Settings(description="a street")),
            ("fast", Settings(description="a street", recipe="fast")),
        ):
            found = timer.work(end_to_end(prior, side, settings))
            add(_WHOLE.format(name), (*found, "whole photo"))
    return rows


def verdict(rows: list[Row]) -> str:
    """Tell whether `auto` keeps to its targets, in one sentence for each."""
    auto = next(row for row in rows if row.name == _WHOLE.format("auto"))
    checks = (
        ("times faster than the published work, wanted at least", auto.faster, _FASTER, True),
        ("seconds a photo, wanted at most", auto.seconds, _SECONDS, False),
        ("GB at most on the device, wanted at most", auto.gigabytes, _GIGABYTES, False),
    )
    lines = []
    for words, value, target, at_least in checks:
        met = value >= target if at_least else value <= target
        lines.append(f"auto: {value:.2f} {words} {target:g}: {'met' if met else 'MISSED'}")
    return "\n".join(lines)


def _ways(timer: Timer, bench: Bench, prior: Any, add: Add) -> None:
    published, *others = ways()
    with in_full_precision(prior):
        add(f"{published.name}, single precision", timer.way(bench, published))
    add(f"{published.name}, bf16 + channels_last", timer.way(bench, published))
    for way in others:
        with full_decoder(prior, only=not way.quick):
            add(way.name, timer.way(bench, way))


@contextmanager
def full_decoder(prior: Any, only: bool) -> Iterator[None]:
    """While open, and if `only`, the tiny autoencoder is as good as not installed."""
    quickly = prior.decode_quickly
    if only:
        prior.decode_quickly = prior.decode
    try:
        yield
    finally:
        prior.decode_quickly = quickly


def _accelerated(timer: Timer, bench: Bench, add: Add, toy: bool) -> None:
    """Time the gains of compiling and batching for `auto` and `fast`."""
    auto = next(way for way in ways() if way.name == "auto")
    quickest = Way("fast", fast("ddim"))
    add("auto, two photos at a time", timer.way(bench, auto, count=2))
    for mode, words in (("default", "torch.compile"), ("reduce-overhead", "CUDA graphs")):
        undo = compiled(bench.prior, mode, toy)
        try:
            add(f"auto, {words}", timer.way(bench, auto))
            add(f"fast, {words}", timer.way(bench, quickest))
        finally:
            undo()


def _line(row: Row) -> str:
    memory = f"{row.gigabytes:.2f}" if row.gigabytes else "-"
    return f"| {row.name} | {row.seconds:.3f} | {row.faster:.1f} | {memory} | {row.how} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="also write the rows")
    add("--photos", type=int, default=3, metavar="N", help="photos per row (default: 3)")
    add("--steps", type=int, default=5, metavar="N", help="steps timed of a kind (default: 5)")
    add("--toy", action="store_true", help="tiny networks on the CPU: figures mean nothing")
    options = parser.parse_args()
    device = "cpu" if options.toy else "cuda:0"
    if options.toy:
        # Threads that wait for each other take longer over such small work than one.
        torch.set_num_threads(1)
    if not options.toy and not torch.cuda.is_available():
        parser.exit(2, "no CUDA GPU is there; --toy tries the command on the CPU\n")
    name = "toy networks on the CPU" if options.toy else torch.cuda.get_device_name(0)
    print(f"{name}, torch {torch.__version__}\n")
    print("| a dark photo, 512x512 | seconds | times faster | peak GB | found |")
    print("|---|---|---|---|---|")
    rows = measure(device, 64 if options.toy else 512, options.toy, options.photos, options.steps)
    if not options.toy:
        print(f"\n{verdict(rows)}")
    if options.json:
        found = {"device": name, "torch": torch.__version__, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
