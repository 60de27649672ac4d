"""Seconds of one evaluation of a prior and of two (classifier-free guidance), and the memory.

    python -m benchmarks.evaluation [--model NAME] [--side 512] [--threads 2] [--times 20]

The two kinds take turns, so that what else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ldrps_engine.priors.model_cache import ModelCache

_STEP = 300


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print what was found."""
    options = _options(argv)
    torch.set_num_threads(options.threads)
    prior = ModelCache("cpu").prior(options.model)
    generator = torch.Generator().manual_seed(0)
    noisy = prior.encode(torch.rand(1, 3, options.side, options.side, generator=generator))
    text, empty = prior.embed("a mountain lake in summer"), prior.embed("")

    def evaluate(scale: float) -> Callable[[], object]:
        return lambda: prior.denoise(noisy, _STEP, text, empty, scale)

    works = {"one evaluation": evaluate(1.0), "two, guided by text": evaluate(2.0)}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for index in range(options.times + 2):
        for name, work in works.items():
            start = time.monotonic()
            work()
            if index >= 2:
                seconds[name].append(time.monotonic() - start)
    print(f"{options.model}, {options.side} pixels square, {options.threads} threads")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name}: median {median:.2f} s ({min(taken):.2f} to {max(taken):.2f})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"Most memory of this process: {peak / 1024:.0f} MiB")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=20)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
