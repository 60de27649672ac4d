"""Count the work per photo on Stable Diffusion 2.1's shapes, without a GPU and without weights.

    python benchmarks/flops.py [--json FILE]

Nothing is computed: tensors have shapes only (torch's meta device), and torch's own counter adds
up the multiplications and additions of each operator.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.full_size import RandomStableDiffusion
from benchmarks.work import PUBLISHED_STEPS, Bench, Way, ways

TERA = 1e12


class _Shapes(RandomStableDiffusion):
    """No values, so nothing can be measured on them."""

    def _step_size(self) -> float:
        return 1.0


def count(work: Callable[[], object]) -> float:
    """TFLOP that a piece of work takes."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / TERA


def per_photo(bench: Bench, way: Way) -> float:
    """TFLOP of a whole photo: each kind of step is counted once and taken as often as it comes."""
    known: dict[tuple[object, ...], float] = {}
    total = count(lambda: bench.prior.encode(bench.photo))
    sampler = bench.sampler(way)
    for step, following, quick in bench.steps(sampler):
        kind = sampler.kind_of(step), quick
        if kind not in known:
            known[kind] = _step(bench, way, step, following, quick)
        total += known[kind]
    return total + count(lambda: bench.prior.decode(_latent(bench, 1)))


def _step(bench: Bench, way: Way, step: int, following: int | None, quick: bool) -> float:
    sampler = bench.sampler(way)
    noisy = _latent(bench, way.plan.ensemble.latents)

    def work() -> None:
        sampler.reverse_step(noisy, step, following, quick=quick)
        if way.wasteful:
            bench.waste(way)

    return count(work)


def parts(bench: Bench) -> dict[str, float]:
    """TFLOP of the published step's parts."""
    both = _latent(bench, 2).requires_grad_()
    text = bench.prior.embed("")
    found = {
        "U-Net, four evaluations": count(
            lambda: bench.prior.denoise(both.detach(), 500, text, text, 8.0)
        ),
        "decoder and its gradient": count(
            lambda: torch.autograd.grad(bench.prior.decode(both).sum(), both)
        ),
        "encode without a use": count(lambda: bench.waste(ways()[0])),
    }
    whole = _step(bench, ways()[0], 500, 498, False)
    found["F-PAM, discriminator and VGG"] = whole - sum(found.values())
    return found | {"one step": whole}


def _latent(bench: Bench, number: int) -> torch.Tensor:
    side = bench.photo.shape[-1] // 8
    return torch.empty(number, 4, side, side, device="meta")


def measure() -> dict[str, dict[str, float]]:
    """Parts of the published step, and totals per photo, in TFLOP."""
    with tempfile.TemporaryDirectory() as folder:
        quick = Bench(_Shapes(Path(folder), "meta", quick=True), "meta")
        full = Bench(_Shapes(Path(folder), "meta", quick=False), "meta")
    totals = {way.name: per_photo(quick if way.quick else full, way) for way in ways()}
    return {"published step": parts(quick), "per photo": totals}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    options = parser.parse_args()
    found = measure()
    print("| published step | TFLOP |\n|---|---|")
    for name, value in found["published step"].items():
        print(f"| {name} | {value:.1f} |")
    published = found["per photo"]["published"]
    print(f"\n| a low-light photo, 512x512 | TFLOP | of {PUBLISHED_STEPS} published steps |")
    print("|---|---|---|")
    for name, value in found["per photo"].items():
        print(f"| {name} | {value:,.1f} | 1/{published / value:.0f} |")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
