"""A thousand GPUs and ten million photos a day on paper: bottlenecks and cost.

    python -m benchmarks.scale                     # the tables that are arithmetic
    python -m benchmarks.scale --simulate          # and the simulation, which takes minutes

The figures that it begins with are in `scale_figures.py`, each with its origin.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from benchmarks import scale_figures as known
from benchmarks.scale_simulation import Plant, simulate

DAY = 86_400.0
SIZES = (1.0, 12.0, 24.0)
"""Megapixels."""
MEDIUM = 12.0
# A queue in front of something that is busier than this grows long.
_FULL = 0.8
_EIGHT = 8
_MOST_EVALUATIONS, _EVALUATED = 8, 24
# Gigabytes of a megapixel, 8 bits.
_BYTES = 3e-3
# Default of `--spool-bytes`.
_SPOOL = 32 * 1.073741824
_FRONTS = (1, 10, 40, 80)
_SECONDS, _WARM_UP = 200.0, 200.0

Table = list[list[str]]


def photo_gigabytes(megapixels: float) -> float:
    """Bytes of a photo as it is carried: raw, three channels of 8 bits."""
    return megapixels * _BYTES


def filter_tflop(megapixels: float) -> float:
    """Work of filtering a photo's noise by the bundled denoiser."""
    evaluations = max(1, min(_MOST_EVALUATIONS, int(_EVALUATED / megapixels)))
    return known.FILTER_TFLOP.value * megapixels * evaluations


def gpu_seconds(tflop: float) -> float:
    """Time of some work on one GPU."""
    return tflop / known.PEAK_TFLOPS.value / known.UTILISATION.value


def slot_seconds(megapixels: float, tflop: float) -> float:
    """Time that a worker has a photo: its own processor's, then the GPU's."""
    return known.SEAT_SECONDS.value * megapixels + gpu_seconds(tflop)


def loop_seconds(megapixels: float, *, carried: bool = True) -> float:
    """Time of a front's event loop for one photo."""
    each = known.CLIENT_MS.value + known.NODE_MS.value * carried
    megabytes = 2 * 1000 * photo_gigabytes(megapixels)
    # Each client asks once how far its photo is.
    return (known.FRONT_MS.value + known.GET_JOB_MS.value + each * megabytes) / 1000


def plant(fronts: int, megapixels: float = MEDIUM, *, carried: bool = True) -> Plant:
    """Ten million noisy photos a day and a thousand GPUs."""
    loop = loop_seconds(megapixels, carried=carried)
    accept = known.SUBMIT_MS.value / 1000
    return Plant(
        fronts=fronts,
        slots=int(known.GPUS.value),
        photos_a_second=known.PHOTOS_A_DAY.value / DAY,
        accept_seconds=accept,
        send_seconds=(loop - accept) / 2,
        finish_seconds=(loop - accept) / 2,
        work_seconds=slot_seconds(megapixels, filter_tflop(megapixels)),
        photo_gigabytes=photo_gigabytes(megapixels),
        network=known.NETWORK_GB.value,
        disk=known.DISK_GB.value,
        # Enough that no worker has to wait for a client, and few enough to be in its stride soon.
        here_at_most=min(200, int(2 * known.GPUS.value / fronts)),
        spread=known.SPREAD.value,
        carried=carried,
    )


def limits(megapixels: float) -> dict[str, float]:
    """Photos a second at which each part of one installation with one front is saturated."""
    size, slot = photo_gigabytes(megapixels), slot_seconds(megapixels, filter_tflop(megapixels))
    return {
        "a front's event loop, photos carried": 1 / loop_seconds(megapixels),
        "the same, `--job-store shared`": 1 / loop_seconds(megapixels, carried=False),
        "the same, if photos did not pass through it": 1 / loop_seconds(0.0),
        "a front's network, photos carried": known.NETWORK_GB.value / (2 * size),
        "a front's disk": known.DISK_GB.value / (2 * size),
        "`--spool-bytes` at its default (photos being worked on)": _SPOOL / (2 * size) / slot,
        f"{known.GPUS.value:,.0f} GPUs, one worker each": known.GPUS.value / slot,
        "Ray's actors": known.RAY_ACTORS.value / slot,
        "Ray's nodes": _EIGHT * known.RAY_NODES.value / slot,
    }


def limits_table() -> Table:
    """Lines of the table of bottlenecks."""
    heads = [f"{size:g} MP" for size in SIZES]
    columns = [limits(size) for size in SIZES]
    needed = known.PHOTOS_A_DAY.value / DAY
    rows = [["millions a day", *heads, f"wanted, {MEDIUM:g} MP"]]
    for name in columns[0]:
        most = [f"{column[name] * DAY / 1e6:.2f}" for column in columns]
        count = needed / limits(MEDIUM)[name] / _FULL
        rows.append([name, *most, f"{count:.1f}"])
    return rows


def work() -> dict[str, float]:
    """TFLOP of a photo of the medium size, by kind."""
    noise = filter_tflop(MEDIUM)
    return {
        "what ships, clean photo": 0.0,
        "what ships, noisy photo": noise,
        "`auto` with Stable Diffusion 2.1, noisy photo": noise + known.AUTO_TFLOP.value,
        "the published method": known.PAPER_TFLOP.value,
    }


def cost_per_million(seconds: float, dollars_an_hour: float) -> float:
    """Dollars for a million photos that take so long on one GPU each, with none idle."""
    return 1e6 * seconds / 3600 * dollars_an_hour


def cost_table() -> Table:
    """Lines of what a million photos of the medium size cost."""
    rows = [["", "GPU, s", "worker, s", "GPUs for ten million a day", "H100, $", "H200, $",
             "H100 if the GPU alone counted, $"]]  # fmt: skip
    for name, tflop in work().items():
        gpu, slot = gpu_seconds(tflop), slot_seconds(MEDIUM, tflop)
        gpus = known.PHOTOS_A_DAY.value / DAY * slot / _FULL
        rows.append([
            name, f"{gpu:.3f}", f"{slot:.1f}", f"{gpus:,.0f}",
            _span(slot, known.H100_LOW, known.H100_HIGH),
            _span(slot, known.H200_LOW, known.H200_HIGH),
            _span(gpu, known.H100_LOW, known.H100_HIGH),
        ])  # fmt: skip
    return rows


def _span(seconds: float, low: known.Figure, high: known.Figure) -> str:
    least, most = (cost_per_million(seconds, price.value) for price in (low, high))
    return f"{least:,.0f} to {most:,.0f}" if most else "0"


def figures_table() -> Table:
    """Lines of what all this begins with."""
    rows = [["", "", "origin", ""]]
    for each in known.FIGURES:
        number = f"{each.value:,.3g}" if each.value < 1000 else f"{each.value:,.0f}"
        amount = f"{number} {each.unit}".strip()
        rows.append([each.name, amount, each.origin, each.source])
    return rows


def simulation_table(fronts: Iterable[int], seconds: float, warm_up: float) -> Table:
    """Lines of what the simulation showed, for so many fronts."""
    rows = [["fronts", "photos", "done, millions a day", "event loops busy", "workers held",
             "wait for a worker, median and p99, s", "refused"]]  # fmt: skip
    for carried in (True, False):
        for count in fronts:
            run = simulate(plant(count, carried=carried), seconds, warm_up)
            rows.append([
                str(count), "carried" if carried else "shared",
                f"{run.done_a_second * DAY / 1e6:.2f}", f"{run.loop_busy:.2f}",
                f"{run.slots_busy:.2f}", f"{run.wait(50):.1f}, {run.wait(99):.1f}",
                f"{run.refused / (run.refused + len(run.stays)):.0%}",
            ])  # fmt: skip
    return rows


def markdown(table: Table) -> str:
    """Return a table as the documentation has it."""
    head, *rows = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows])


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--fronts", type=int, nargs="+", default=list(_FRONTS))
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    parser.add_argument("--warm-up", type=float, default=_WARM_UP)
    given = parser.parse_args(argv)
    for table in (limits_table(), cost_table(), figures_table()):
        print(markdown(table), end="\n\n")
    if given.simulate:
        print(markdown(simulation_table(given.fronts, given.seconds, given.warm_up)))


if __name__ == "__main__":
    main()
