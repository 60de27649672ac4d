"""Times of the dialog in GIMP, and its liveliness: `python -m benchmarks.gimp_dialog [PHOTO...]`.

In a real GIMP with a real window (`scripts/gimp_root.py SUITE --window`) and with the real engine,
over a photo of `--megapixels` put together of PHOTOs (without: `examples/low-light.jpg`). The
dialog is opened once to warm everything up, and once more, by its key:

- seconds from the key to the dialog, from there to the first diagnosis, of a small copy, and to
  that of the whole photo, and until the middle of the photo is restored ahead; from the click on a
  place to its restoration, for a first and a second one; and for the whole photo;
- processor time of the daemon's processes in each, which other work on the machine does not change;
- the longest that the dialog does not turn its events in each, with the processor time that it and
  GIMP took meanwhile, and what ran then; and the longest that GIMP does not answer a question while
  the whole photo is restored.

`--engine support.noop_engine` replaces the real engine: what is left is the plug-in's part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from PIL import Image

from benchmarks.daemon_process import REAL
from benchmarks.errors import BenchmarkError
from benchmarks.mosaic import mosaic

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 1800.0
WANTED = {"dialog": 1.0, "diagnosis": 1.5, "first place": 3.0, "second place": 3.0}
"""Seconds that are asked for."""
FROZEN = 0.2
"""Seconds for which nothing may stand still."""
PLACES = (200, 200), (420, 330)
"""Places in the dialog that are clicked on; both lie in the photo, far from each other."""
_MAIN = "Gimp.main("
_OPEN = """
from gi.repository import Gio
file = Gio.File.new_for_path("/mnt/shared/photo.png")
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
image.undo_enable()
keep["image"], keep["display"] = image, Gimp.Display.new(image)
answer = state(image)
"""
_ASK = """
import time
count, longest, turned = 1, 0.0, time.monotonic()
until = turned + {seconds}
while not any("(restored" in layer.get_name() for layer in keep["image"].get_layers()):
    now = time.monotonic()
    if now > until:
        raise SystemExit("no result came")
    longest, turned = max(longest, now - turned), now
    time.sleep(0.005)
answer = [longest, time.monotonic()]
"""
_KEY = "python3 -c 'import time; print(time.monotonic())'; xdotool key {key}"
_CLICK = "python3 -c 'import time; print(time.monotonic())'; xdotool click 1"


@dataclass(frozen=True)
class Part:
    """One part of the work with the dialog."""

    name: str
    began: float
    ended: float
    busy: float
    """Processor time of the daemon's processes."""
    gimp: float
    """Processor time of GIMP and its plug-ins."""


class Dialog:
    """The dialog over the photo, and what it notes about itself."""

    def __init__(self, window: Any, daemon: Any) -> None:
        self._window, self._daemon = window, daemon
        self.parts: list[Part] = []
        self.silent = 0.0
        """Longest that GIMP did not answer."""

    def warm_up(self) -> None:
        """Open it once, for all that is read from disk the first time."""
        self._window.choose()
        self._wait("whole diagnosis", 0.0)
        self._window.press("Escape", until=lambda: not self._window.has_dialog())
        time.sleep(2)

    def work(self, *, runs: bool) -> None:
        """Do everything once; the whole photo only if it `runs`."""
        before = self._busy()
        asked = self._answered(_KEY.format(key=self._window.shortcut), "GIMP$")
        up = self._wait("dialog", asked)
        self._note("dialog", asked, up, before)
        before = self._busy()
        first = self._wait("diagnosis", up)
        self._note("diagnosis", up, first, before)
        before = self._busy()
        self._note("whole diagnosis", first, self._wait("whole diagnosis", first), before)
        # Done ahead, without a click.
        before, began = self._busy(), time.monotonic()
        self._note("middle place", began, self._wait("place", up), before)
        for name, place in zip(("first place", "second place"), PLACES, strict=True):
            time.sleep(2)
            before = self._busy()
            clicked = float(self._window.point(*place, _CLICK))
            self._note(name, clicked, self._wait("place", clicked), before)
        if runs:
            self._restore_all()

    def _restore_all(self) -> None:
        time.sleep(2)
        before = self._busy()
        pressed = self._answered(_KEY.format(key="Return"), "Restore .LD-RPS")
        self.silent, ended = self._window.do(_ASK.format(seconds=SECONDS))
        self._note("all of it", pressed, ended, before)

    def gaps(self, part: Part) -> list[dict[str, Any]]:
        """Times within a part when the dialog stood still, the longest first."""
        found = [each for each in self._notes("gap") if part.began <= each["at"] <= part.ended]
        return sorted(found, key=lambda each: -float(each["seconds"]))

    def openings(self) -> list[float]:
        """List the seconds of work at once before the dialog was there, and all was warm."""
        began = self.parts[0].began
        return [each["seconds"] for each in self._notes("opening") if each["at"] >= began]

    def _answered(self, script: str, title: str) -> float:
        """Press a key in a window; the time just before."""
        (to, *_) = self._window.titles(title)
        said = self._window.app.run(f"xdotool windowactivate --sync {to}; sleep 0.3; {script}")
        return float(said.splitlines()[-1])

    def _note(self, name: str, began: float, ended: float, before: tuple[float, float]) -> None:
        spent = (now - then for now, then in zip(self._busy(), before, strict=True))
        self.parts.append(Part(name, began, ended, *spent))
        print(f"{name}: {ended - began:.2f} s", file=sys.stderr)

    def _wait(self, what: str, since: float) -> float:
        """Wait for a note; the time that it tells."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if late := [each["at"] for each in self._notes(what) if each["at"] >= since]:
                return float(late[0])
            time.sleep(0.2)
        raise BenchmarkError(f"no {what} came; GIMP said: {self._window.app.log()[-2000:]}")

    def _notes(self, what: str) -> list[dict[str, Any]]:
        files = self._window.app.shared.glob("notes-*")
        # The last line may be under way.
        lines = [line for file in files for line in file.read_text().split("\n")[:-1]]
        return sorted(
            (each for each in map(json.loads, lines) if each["what"] == what),
            key=lambda each: float(each["at"]),
        )

    def _busy(self) -> tuple[float, float]:
        """Processor time so far, of the daemon's processes, and of GIMP's."""
        gimp = min(self._window.app.processes("gimp -s"))
        return _busy(self._daemon.process.pid), _busy(gimp)


def _busy(pid: int) -> float:
    """Processor time so far of a process and its descendants, those included that have ended."""
    total = 0.0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += sum(times[:4])
    return total


def with_heartbeat(folder: Path, plug_in: Path) -> Path:
    """A copy of the plug-in that notes its own times."""
    made = Path(shutil.copytree(plug_in, folder / "ldrps"))
    shutil.copy(Path(__file__).with_name("gimp_heartbeat.py"), made)
    script = made / "ldrps.py"
    source = script.read_text()
    script.write_text(source.replace(_MAIN, f"import gimp_heartbeat  # noqa\n\n{_MAIN}"))
    return made


def report(dialog: Dialog) -> None:
    """Print the table, and what ran while the dialog stood still."""
    load = os.getloadavg()[0]
    print(f"On {os.cpu_count()} cores with a load of {load:.1f}.\n")
    print("| part | seconds | wanted | CPU s: daemon | GIMP | stands still | CPU s in that |")
    print("|---|---|---|---|---|---|---|")
    for part in dialog.parts:
        gap = next(iter(dialog.gaps(part)), {"seconds": 0.0, "busy": 0.0})
        cells = [part.name, f"{part.ended - part.began:.2f}", str(WANTED.get(part.name, ""))]
        cells += [
            f"{part.busy:.2f}",
            f"{part.gimp:.2f}",
            f"{gap['seconds']:.2f}",
            f"{gap['busy']:.2f}",
        ]
        print(f"| {' | '.join(cells)} |")
    if opening := dialog.openings():
        print(f"\nBefore there is a window, at most {max(opening):.2f} s at once.")
    if dialog.silent:
        print(f"\nGIMP does not answer for at most {dialog.silent:.2f} s (wanted: {FROZEN}).")
    print()
    for part in dialog.parts:
        for gap in dialog.gaps(part)[:4]:
            print(f"- {part.name}: {gap['seconds']:.2f} s, {gap['busy']:.2f} CPU s: {gap['where']}")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gimp_dialog")
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    parser.add_argument("--suite", default="trixie", choices=("trixie", "forky"))
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--engine", default=REAL)
    parser.add_argument("--without-run", action="store_true", help="stop after the places")
    chosen = parser.parse_args()
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT), str(ROOT / "proto"), str(ROOT / "daemon")]
    photos = chosen.photos or [ROOT / "examples" / "low-light.jpg"]
    with tempfile.TemporaryDirectory(prefix="ldrps-") as folder:
        plug_in = with_heartbeat(Path(folder), import_module("gimp.gimp_app").PLUG_IN)
        # A user's GIMP keeps the byte code; the tests' does not write into this repository.
        env = {"PYTHONDONTWRITEBYTECODE": ""}
        window = import_module("gimp.window").Window(chosen.suite, plug_in=plug_in, env=env)
        address = f"unix:{window.app.shared}/run/ldrps/ldrps.sock"
        photo = Image.fromarray(mosaic(photos, chosen.megapixels))
        photo.save(window.app.shared / "photo.png", compress_level=1)
        start = import_module("support.daemon").Daemon
        daemon = start(Path(folder), address=address, engine=chosen.engine)
        try:
            window.open(_OPEN)
            dialog = Dialog(window, daemon)
            dialog.warm_up()
            dialog.work(runs=not chosen.without_run)
            report(dialog)
        finally:
            daemon.stop()
            window.app.close()


if __name__ == "__main__":
    main()
