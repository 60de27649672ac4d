"""PSNR, SSIM, LPIPS and CPU seconds of our recipes and of what a person would use instead.

    python benchmarks/quality.py --set lol=DIR --set kodak24=DIR --rivals all --json FILE

DIR holds degraded/ and reference/ with the same file names. `--derive KIND=DIR` degrades
DIR/reference here: clean, dark-noise, grey, haze, grey-noise, white-15, white-25, white-50.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image
from rich.console import Console

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.arguments import positive
from benchmarks.cost_chart import check_picture, draw_costs
from benchmarks.errors import BenchmarkError
from benchmarks.ffdnet import FfdnetRivals
from benchmarks.methods import (
    OWN,
    Engine,
    Method,
    RestoreFactory,
    as_methods,
    check_recipes,
    methods,
)
from benchmarks.report import (
    PSNR_CEILING,
    Row,
    Score,
    mean_row,
    print_tables,
    write_csv,
    write_json,
)
from benchmarks.rivals import chosen, installed
from benchmarks.sets import Samples, TestSet, derive, load
from benchmarks.sheet import Cell, contact_sheet
from ldrps_engine.errors import LdrpsError
from training.metrics import Lpips, psnr, ssim

Distance = Callable[..., float] | None
Restored = dict[str, list[Samples]]


def main(
    argv: Sequence[str] | None = None,
    factory: RestoreFactory | None = None,
    known: Sequence[str] = OWN,
) -> int:
    """Run the command with another factory for what --recipe names, one of `known`."""
    options = _parser().parse_args(argv)
    log = Console(stderr=True, highlight=False)
    try:
        _run(options, factory, known, log)
    except BenchmarkError as error:
        log.print(f"quality.py: {error}", markup=False, soft_wrap=True)
        return 2
    except LdrpsError as error:
        log.print(f"quality.py: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    return 0


def _run(
    options: argparse.Namespace,
    factory: RestoreFactory | None,
    known: Sequence[str],
    log: Console,
) -> None:
    recipes = [name for name in options.recipe or ["auto"] if name != "none"]
    check_recipes(recipes, known)
    sets = _sets(options)
    _check_files(options)
    distance = Lpips(options.lpips) if options.lpips else None
    ffdnet = FfdnetRivals(options.ffdnet) if options.ffdnet else None
    _use_threads(options.threads)
    rivals = installed(chosen(options.rivals), log)
    everywhere = methods(recipes, rivals, options.seed, factory or (Engine() if recipes else _none))
    rows: list[Row] = []
    scores: list[Score] = []
    for test_set in sets:
        restored: Restored = {}
        given = installed(ffdnet.rivals(test_set.sigma), log) if ffdnet else []
        tried = [*everywhere, *as_methods(given)]
        for method in tried:
            found, restored[method.name] = _measure(test_set, method, distance)
            scores += found
            rows.append(mean_row(found))
            log.print(f"{test_set.name}: {method.name} done, {rows[-1].seconds:.2f} s a photo")
            # Written as we go: a long run that is stopped keeps what it has.
            if options.json:
                write_json(options.json, rows)
            if options.details:
                write_csv(options.details, scores)
            if options.out and method.kind != "degraded":
                _save(options.out / test_set.name / method.name, test_set, restored[method.name])
        if options.sheets:
            _save_sheet(options.sheets, test_set, tried, scores, restored)
        if options.chart:
            draw_costs(rows).save(options.chart)
    print_tables(rows, Console(highlight=False))


def _check_files(options: argparse.Namespace) -> None:
    """Refuse files that could not be written, before hours are spent on what goes into them."""
    for option in ("json", "details", "chart"):
        path: Path | None = getattr(options, option)
        if path and (path.is_dir() or not path.resolve().parent.is_dir()):
            raise BenchmarkError(
                f"--{option} {path} cannot be written; name a file in a folder that exists"
            )
    if options.chart:
        check_picture(options.chart)


def _sets(options: argparse.Namespace) -> list[TestSet]:
    found = [load(*_named(text, "--set"), options.limit) for text in options.set]
    found += [derive(*_named(text, "--derive"), options.limit) for text in options.derive]
    names = [test_set.name for test_set in found]
    if not names:
        raise BenchmarkError("no set was given; use --set NAME=DIR or --derive KIND=DIR")
    if len(set(names)) < len(names):
        raise BenchmarkError("two sets have the same name; give each its own")
    return found


def _named(text: str, option: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    # The name becomes a folder and a file below --out and --sheets.
    if not (equals and name and folder) or Path(name).name != name:
        raise BenchmarkError(f"{option} '{text}' is not NAME=DIR")
    return name, Path(folder)


def _measure(
    test_set: TestSet, method: Method, distance: Distance
) -> tuple[list[Score], list[Samples]]:
    scores, restored = [], []
    for pair in test_set.pairs:
        start, before = time.perf_counter(), time.process_time()
        result = method.run(pair.degraded)
        cpu, seconds = time.process_time() - before, time.perf_counter() - start
        a, b = result / 255.0, pair.reference / 255.0
        ratio = min(psnr(a, b), PSNR_CEILING)
        apart = distance(a, b) if distance else None
        scores.append(
            Score(
                set=test_set.name,
                file=pair.name,
                method=method.name,
                psnr=ratio,
                ssim=ssim(a, b),
                lpips=apart,
                seconds=seconds,
                cpu_seconds=cpu,
                megapixels=result.shape[0] * result.shape[1] / 1e6,
            )
        )
        restored.append(result)
    return scores, restored


def _save(folder: Path, test_set: TestSet, restored: Sequence[Samples]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for pair, pixels in zip(test_set.pairs, restored, strict=True):
        Image.fromarray(pixels).save(folder / f"{Path(pair.name).stem}.png")


def _save_sheet(
    folder: Path,
    test_set: TestSet,
    tried: Sequence[Method],
    scores: Sequence[Score],
    restored: Restored,
) -> None:
    """Degraded, our first recipe, the rival with the best mean PSNR, and the reference."""
    by_photo = {(s.method, s.file): s for s in scores if s.set == test_set.name}

    def total(method: Method) -> float:
        return sum(by_photo[method.name, pair.name].psnr for pair in test_set.pairs)

    shown = [method.name for method in tried if method.kind != "rival"][:2]
    rivals = [method for method in tried if method.kind == "rival"]
    shown += [max(rivals, key=total).name] if rivals else []
    rows = []
    for index, pair in enumerate(test_set.pairs):
        found = [(restored[name][index], by_photo[name, pair.name]) for name in shown]
        cells = [Cell(pixels, f"{score.psnr:.2f} dB  {score.ssim:.3f}") for pixels, score in found]
        rows.append([*cells, Cell(pair.reference, pair.name)])
    folder.mkdir(parents=True, exist_ok=True)
    contact_sheet([*shown, "reference"], rows).save(folder / f"{test_set.name}.png")


def _use_threads(count: int | None) -> None:
    if count is None:
        return
    import torch

    torch.set_num_threads(count)
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(count)


def _none(recipe: str, seed: int) -> Callable[[Samples], Samples]:
    raise AssertionError("no recipe was asked for")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="quality.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--set", action="append", default=[], metavar="NAME=DIR", help="a set; repeatable")
    add("--derive", action="append", default=[], metavar="KIND=DIR", help="a derived set")
    add("--recipe", action="append", metavar="NAME", help="a recipe, pilot, or none; repeatable")
    add("--rivals", choices=("none", "fast", "all"), default="none", help="filters to run as well")
    add("--ffdnet", type=Path, metavar="WEIGHTS", help="ffdnet_color.pth, to run FFDNet as well")
    add("--limit", type=positive, metavar="N", help="only the first N photos of each set")
    add("--lpips", type=Path, metavar="WEIGHTS", help="LPIPS weights for AlexNet (safetensors)")
    add("--seed", type=int, default=0, help="seed of the sampler; sets do not depend on it")
    add("--json", type=Path, metavar="FILE", help="write the rows of the table")
    add("--chart", type=Path, metavar="FILE", help="draw PSNR over CPU seconds a megapixel")
    add("--details", type=Path, metavar="FILE", help="write a CSV with a line for each photo")
    add("--out", type=Path, metavar="DIR", help="save what was restored")
    add("--sheets", type=Path, metavar="DIR", help="save a contact sheet for each set")
    add("--threads", type=positive, metavar="N", help="threads of torch and OpenCV")
    return parser


if __name__ == "__main__":
    sys.exit(main())
