"""Real photos: is what is wrong found, is it mended, and is everything else left alone?

    python benchmarks/recognition.py FOLDER... --good PHOTOS --no-photos --json FILE --pictures DIR

FOLDER holds photos with a labels.tsv: the columns `file` and `what a photographer sees`, free text
in the words of benchmarks/findings.py. `NAME_reference.png` and `NAME_longer_exposure.png` next to
a photo are what it is held against. PHOTOS holds a manifest.tsv: its held-out rows are good photos
and must come back as they are, and so must the pictures of benchmarks/no_photos.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import no_photos
from benchmarks import recognition_report as report
from benchmarks.arguments import positive
from benchmarks.calibration import reliabilities
from benchmarks.charts import draw_matrix, draw_reliability
from benchmarks.compared import Compared, compare, rivals
from benchmarks.errors import BenchmarkError
from benchmarks.findings import FINDINGS, FINE
from benchmarks.judging import DIAGNOSE, Judged, MakeJudge, Task, engine_judge, judge_all
from benchmarks.labelled import Labelled, Photograph, held_out, labelled, on_purpose, read, spread
from benchmarks.recognition_report import GOOD, NO_PHOTOS, ON_PURPOSE, Row
from benchmarks.rivals import installed
from benchmarks.sets import Samples
from ldrps_engine.settings import RECIPES

KINDS = (*FINDINGS, FINE, report.REFERENCES, *report.UNTOUCHED_GROUPS)
"""Names for --only."""

Answers = dict[tuple[str, str], Judged]


class Run:
    """One call of the command: what was judged so far, and how to judge more."""

    def __init__(self, options: argparse.Namespace, make: MakeJudge, log: Console) -> None:
        self.options = options
        self.rows: list[Row] = []
        self.compared: list[Compared] = []
        self.photos: list[Labelled] = []
        self.has_probabilities = False
        self._make, self._log = make, log
        self._first = DIAGNOSE if options.diagnose_only else "auto"

    def wants(self, kind: str) -> bool:
        """Tell if --only lets a kind through."""
        return not self.options.only or kind in self.options.only

    def judge_labelled(self) -> None:
        """Judge labelled photos and their references; compare and draw what was restored."""
        found = [photo for folder in self.options.folders for photo in labelled(folder)]
        names = [photo.name for photo in found]
        if len(set(names)) < len(names):
            raise BenchmarkError("two folders label photos of one name; run them one by one")
        self.photos = [photo for photo in found if self.wants(photo.kind)]
        answers = self._judge(self._tasks())
        for photo in self.photos:
            answer, pixels = answers[photo.name, self._first], read(photo.path)
            self._add(photo.name, report.LABELLED, photo, answer, pixels)
        if not self.options.diagnose_only:
            self._compare(answers)
        if self.wants(report.REFERENCES):
            self._judge_references()

    def _tasks(self) -> list[Task]:
        tasks = [Task(photo.name, photo.path, self._first) for photo in self.photos]
        for recipe in () if self.options.diagnose_only else self.options.recipe:
            tasks += [
                Task(photo.name, photo.path, recipe)
                for photo in self.photos
                if recipe != "auto" and (photo.reference or photo.longer)
            ]
        return tasks

    def _judge_references(self) -> None:
        """Diagnose references: what is called wrong with them is a false alarm, mostly."""
        paths = [path for one in self.photos for path in (one.reference, one.longer) if path]
        answers = self._judge([Task(path.name, path, DIAGNOSE) for path in paths])
        for path in paths:
            plain = Photograph(path.name, path, report.REFERENCES)
            self._add(path.name, report.REFERENCES, plain, answers[path.name, DIAGNOSE], None)

    def _compare(self, answers: Answers) -> None:
        wanted = self.options.rivals
        filters = installed([] if wanted == "none" else rivals(wanted), self._log)
        made: dict[str, Mapping[str, Samples]] = {}
        for photo in self.photos:
            if photo.reference or photo.longer:
                restored = {
                    recipe: answer.restored
                    for (name, recipe), answer in answers.items()
                    if name == photo.name and answer.restored is not None
                }
                found, made[photo.name] = compare(photo, restored, filters)
                self.compared += found
        if folder := self.options.pictures:
            pairs = [(one, read(one.path), answers[one.name, "auto"].restored)
                     for one in self.photos]  # fmt: skip
            shown = [(one, before, after) for one, before, after in pairs if after is not None]
            report.save_sheets(folder, shown, made, self.compared)

    def judge_untouchable(self) -> None:
        """Judge good photos, and pictures that are none or look degraded on purpose."""
        shown: list[tuple[Row, Samples, Samples]] = []
        for group, pictures in self._untouchable().items():
            some = spread(pictures, self.options.limit)
            sources = [one.path if group != NO_PHOTOS else _picture(group, one) for one in some]
            tasks = [
                Task(one.name, source, self._first)
                for one, source in zip(some, sources, strict=True)
            ]
            answers = self._judge(tasks)
            for photo in some:
                answer, before = answers[photo.name, self._first], _picture(group, photo)
                added = self._add(photo.name, group, photo, answer, before)
                if added.touched and answer.restored is not None:
                    shown.append((added, before, answer.restored))
        if self.options.pictures:
            report.save_touched(self.options.pictures, shown)

    def _untouchable(self) -> dict[str, list[Photograph]]:
        found: dict[str, list[Photograph]] = {}
        if self.options.good and self.wants(GOOD):
            found[GOOD] = held_out(self.options.good)
        if self.options.no_photos and self.wants(NO_PHOTOS):
            nowhere = Path()
            found[NO_PHOTOS] = [Photograph(d.name, nowhere, d.kind) for d in no_photos.DRAWINGS]
        if self.options.good and self.wants(ON_PURPOSE):
            found[ON_PURPOSE] = on_purpose(self.options.good)
        return found

    def _add(
        self, name: str, group: str, photo: Photograph, answer: Judged, pixels: Samples | None
    ) -> Row:
        wanted = photo.expected if isinstance(photo, Labelled) else None
        self.has_probabilities |= answer.has_probabilities
        added = report.row(name, group, photo.kind, wanted, answer, pixels)
        self.rows.append(added)
        return added

    def _judge(self, tasks: Sequence[Task]) -> Answers:
        done = 0

        def tell(task: Task, answer: Judged) -> None:
            nonlocal done
            done += 1
            line = f"{done} of {len(tasks)} {task.recipe} {task.name}: {answer.words}"
            self._log.print(line, markup=False, soft_wrap=True)

        return judge_all(tasks, self.options.jobs, self._make, self.options.threads, tell)

    def report(self, console: Console) -> None:
        """Print the tables, and write the JSON and the two diagrams."""
        expectations = {photo.name: photo.expected for photo in self.photos}
        found = reliabilities(report.forecasts(self.rows, expectations))
        report.print_found(self.rows, console)
        report.print_matrix(self.rows, console)
        report.print_compared(self.compared, console)
        report.print_reliability(found, self.has_probabilities, console)
        report.print_harm(self.rows, self.options.diagnose_only, console)
        if self.options.json:
            report.write_json(self.options.json, self.rows, self.compared, found)
        if folder := self.options.pictures:
            names, counts, totals = report.matrix(self.rows)
            drawn = draw_matrix(counts, names, report.COLUMNS, report.is_right, totals)
            drawn.save(folder / "confusion.png")
            if found:
                draw_reliability(found).save(folder / "reliability.png")


def _picture(group: str, photo: Photograph) -> Samples:
    """Draw or read one picture of a group that is to be left alone."""
    if group != NO_PHOTOS:
        return read(photo.path)
    return no_photos.draw(next(one for one in no_photos.DRAWINGS if one.name == photo.name))


def main(argv: Sequence[str] | None = None, make: MakeJudge = engine_judge) -> int:
    """Run the command, with another judge for tests; 2 where its input cannot be used."""
    options = _parser().parse_args(argv)
    log = Console(stderr=True, highlight=False)
    try:
        if not (options.folders or options.good or options.no_photos):
            raise BenchmarkError("nothing to judge; give a FOLDER, --good PHOTOS or --no-photos")
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
        run = Run(options, make, log)
        run.judge_labelled()
        run.judge_untouchable()
        if not run.rows:
            raise BenchmarkError("--only leaves nothing to judge; name a kind that is there")
        # A pipe has no width; a table that is cut off at 80 columns says nothing.
        run.report(Console(highlight=False, width=max(Console().width, 120)))
    except BenchmarkError as error:
        log.print(f"recognition.py: {error}", markup=False, soft_wrap=True)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recognition.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folders", nargs="*", type=Path, metavar="FOLDER", help="photos with a labels.tsv")
    add("--good", type=Path, metavar="PHOTOS", help="a folder with a manifest.tsv")
    add("--no-photos", action="store_true", help="judge the drawn pictures too")
    add("--only", action="append", default=[], choices=KINDS, help="a kind; repeatable")
    add("--diagnose-only", action="store_true", help="restore nothing: minutes, not hours")
    add("--recipe", action="append", default=[], choices=RECIPES, help="besides auto, on those "
        "with a reference; repeatable")  # fmt: skip
    add("--rivals", choices=("none", "fast", "all"), default="fast", help="filters to run as well")
    add("--limit", type=positive, metavar="N", help="at most N good photos, no photos ...")
    add("--jobs", type=positive, default=1, metavar="N", help="processes side by side")
    add("--threads", type=positive, metavar="N", help="threads of torch in each process")
    add("--json", type=Path, metavar="FILE", help="write all rows")
    add("--pictures", type=Path, metavar="DIR", help="save matrix, reliability diagram and sheets")
    return parser


if __name__ == "__main__":
    sys.exit(main())
