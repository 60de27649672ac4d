"""A storm on the hot folder: careless writers, and kill -9 of all that works, at random.

    python benchmarks/hotfolder_storm.py --photos 1000 --kills 50 --folder DIR

Four writers drop photos as whole and partial writes, renames, hard links and moved folders, with
duplicates, rubbish and copied-back results among them, while the watcher, the daemon (with an
engine that only inverts) and its worker are killed with SIGKILL and started again. In the end
every photo must have exactly one good result, and no original may have changed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

if not __package__:
    # Run as a file, the repository's root is not where Python looks.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.hotfolder_writers import SETTLE, Dropped, Photos, Writer, seen
from ldrps_client.client import Client
from ldrps_client.hotfolder.report.status import states_of, status_of
from ldrps_engine.errors import LdrpsError

ROOT = Path(__file__).parents[1]
_WRITERS = 4
_LONGEST_SECONDS = 3600.0


@dataclass(kw_only=True)
class Outcome:
    """State of the folder when the storm is over."""

    seed: int
    photos: int
    kills: dict[str, int] = field(default_factory=dict)
    """Number of kills by what was killed."""
    good: int = 0
    """Photos with exactly one result, whose pixels are right."""
    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Results whose pixels belong to no photo."""
    touched: list[str] = field(default_factory=list)
    """Originals that are not what was dropped."""
    leftovers: list[str] = field(default_factory=list)
    """Unfinished files of ours."""
    failed: int = 0
    """Rubbish with a photo's name, listed as failed."""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """True where all promises were kept."""
        faults = (self.lost, self.duplicates, self.wrong, self.touched, self.leftovers)
        return self.good == self.photos and not any(faults)


class Storm:
    """Everything that runs, and what it may be killed by."""

    def __init__(
        self,
        folder: Path,
        photos: int,
        kills: int,
        seed: int,
        setenv: Callable[[str, str], object] = os.environ.__setitem__,
    ) -> None:
        """`folder` is empty and the storm's own; `setenv` sets what this process reads too."""
        self.photos = Photos(photos)
        self.inside, self.outside, self.out = (folder / n for n in ("in", "outside", "out"))
        for path in (self.inside, self.outside, self.out):
            path.mkdir()
        self.pause = 0.08
        self._folder = folder
        self._kills = kills
        self._seed = seed
        self._random = random.Random(seed)
        self._address = f"unix:{tempfile.mkdtemp(prefix='storm-')}/s"
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, _PATHS)),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_RUNTIME_DIR": str(folder),
        }
        setenv("XDG_STATE_HOME", self._environment["XDG_STATE_HOME"])
        self._killed: dict[str, int] = {}
        self._daemon = self._start_daemon()
        self._watcher = self._start_watcher()

    def _start(self, log: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *words],
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )

    def _start_daemon(self) -> subprocess.Popen[bytes]:
        spool = self._folder / "spool"
        return self._start(
            "daemon.log",
            *("ldrps_daemon", f"--address={self._address}", f"--spool={spool}"),
            "--engine=support.noop_engine",
        )

    def _start_watcher(self) -> subprocess.Popen[bytes]:
        return self._start(
            "watcher.log",
            *("ldrps_client.cli", "watch", str(self.inside), f"--out={self.out}", "--json-lines"),
            *(f"--settle={SETTLE}", "--scan-every=20", "--no-start", "--parallel=4"),
            f"--address={self._address}",
        )

    def run(self) -> Outcome:
        """Let it rage, wait for the calm, and look at what is left."""
        began = time.monotonic()
        numbers = list(range(self.photos.count))
        self._random.shuffle(numbers)
        writers = [
            Writer(self, numbers[index::_WRITERS], self._seed + index) for index in range(_WRITERS)
        ]
        for writer in writers:
            writer.start()
        try:
            self._kill_at_random()
            for writer in writers:
                writer.join()
            self._wait_for_calm()
        finally:
            self._end()
        outcome = self._judged({path: then for w in writers for path, then in w.dropped.items()})
        outcome.seconds = time.monotonic() - began
        return outcome

    def _kill_at_random(self) -> None:
        """Spread over the photos' way, so that there is always work to be interrupted."""
        for index in range(self._kills):
            self._wait_for_results(int(self.photos.count * 0.9 * index / self._kills))
            time.sleep(self._random.uniform(0, 0.7))
            what = self._random.choice(("watcher", "daemon", "worker"))
            self._kill(what)

    def _wait_for_results(self, count: int) -> None:
        deadline = time.monotonic() + _LONGEST_SECONDS
        while sum(1 for _ in self.out.rglob("*_restored*")) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} results did not come; see {self._folder}")
            time.sleep(0.05)

    def _kill(self, what: str) -> None:
        self._killed[what] = self._killed.get(what, 0) + 1
        if what == "watcher":
            self._watcher.kill()
            self._watcher.wait()
            self._watcher = self._start_watcher()
        elif what == "daemon":
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = self._start_daemon()
        else:
            with suppress(LdrpsError, OSError), Client(self._address, autostart=False) as client:
                for worker in client.status().workers:
                    if worker.pid:
                        os.kill(worker.pid, signal.SIGKILL)

    def _wait_for_calm(self) -> None:
        """Until nothing has been left to do for longer than files settle and are retried."""
        quiet_since = time.monotonic()
        deadline = quiet_since + _LONGEST_SECONDS
        while time.monotonic() - quiet_since < 10 * SETTLE:
            status = status_of(*states_of([self.inside])[0])
            if status["queued"] or status["working"]:
                quiet_since = time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError(f"it does not come to rest; see {self._folder}")
            time.sleep(0.2)
        self._failed = status["failed"]

    def _end(self) -> None:
        for process in (self._watcher, self._daemon):
            process.terminate()
        for process in (self._watcher, self._daemon):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _judged(self, dropped: dict[Path, Dropped]) -> Outcome:
        outcome = Outcome(
            seed=self._seed, photos=self.photos.count, kills=self._killed, failed=self._failed
        )
        found: dict[int, list[str]] = {}
        for path in sorted(p for p in self._folder.rglob("*") if p.is_file()):
            if ".ldrps-" in path.name:
                outcome.leftovers.append(str(path))
            elif path.is_relative_to(self.out):
                number = self.photos.number_of(path)
                if number is None:
                    outcome.wrong.append(str(path))
                else:
                    found.setdefault(number, []).append(str(path))
        for number in range(self.photos.count):
            results = found.get(number, [])
            outcome.good += len(results) == 1
            if not results:
                outcome.lost.append(str(number))
            outcome.duplicates += results[1:]
        outcome.touched = [str(path) for path, then in dropped.items() if seen(path) != then]
        return outcome


_PATHS = (ROOT / "tests", ROOT, ROOT / "proto", ROOT / "daemon")


def main() -> int:
    """Run one storm; 0 if all promises were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--folder", type=Path, help="an empty folder to work in; kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="storm-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, in {folder}", flush=True)
    outcome = Storm(folder.resolve(), options.photos, options.kills, options.seed).run()
    print(json.dumps(asdict(outcome), indent=2))
    print("all promises kept" if outcome.is_clean else "A PROMISE WAS BROKEN")
    return 0 if outcome.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
