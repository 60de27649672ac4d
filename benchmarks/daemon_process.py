"""A daemon in a folder of its own for the benchmarks of it: started, killed, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError
from ldrps_client import Client
from ldrps_client._autostart import is_serving

ROOT = Path(__file__).parents[1]
NOOP = "support.noop_engine"
"""The engine of the tests: inverts the photo in as many steps as it is asked for."""
REAL = "ldrps_engine.restore"
_START_SECONDS = 120.0


class Served:
    """One daemon at one address, whichever process it is at the moment."""

    def __init__(self, folder: Path, **options: object) -> None:
        """`options` are those of `ldrps serve`, lists for repeated ones; the engine inverts."""
        self.folder = folder
        self.address = f"unix:{folder}/s"
        self.log = folder / "log"
        given = {"address": self.address, "spool": folder / "spool", "engine": NOOP} | options
        words = [
            f"--{name.replace('_', '-')}={each}"
            for name, value in given.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        self._command = [sys.executable, "-m", "ldrps_daemon", *words]
        self.process = self._start()

    def client(self) -> Client:
        """A client that never starts a daemon itself."""
        return Client(self.address, autostart=False)

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Another process in its place, which must have ended."""
        self.process = self._start()

    def kill_worker(self) -> bool:
        """End a worker at once; whether there was one."""
        with self.client() as client:
            pids = [worker.pid for worker in client.status().workers if worker.pid]
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def _start(self) -> subprocess.Popen[bytes]:
        paths = [ROOT / "tests", ROOT, ROOT / "proto", ROOT / "daemon"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stderr=log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
            )
        deadline = time.monotonic() + _START_SECONDS
        while not is_serving(self.address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"the daemon did not start; see {self.log}")
            time.sleep(0.05)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def served(**options: object) -> Iterator[Served]:
    """A daemon in a new folder, which is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="ldrps-") as folder,
        Served(Path(folder), **options) as daemon,
    ):
        yield daemon


def picture(seed: int, height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """A small photo that no other seed has."""
    made: NDArray[np.uint8] = np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )
    return made


def dark_scene(height: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    """A dark photo of soft shapes with a trace of noise, for the real engine."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.sin(x / 37 + seed) * np.cos(y / 53) + np.sin((x + y) / 211)
    rgb = 30 + 8 * waves[..., None] * np.array([1.0, 0.8, 0.6], np.float32)
    rgb += np.random.default_rng(seed).normal(0, 0.5, rgb.shape).astype(np.float32)
    made: NDArray[np.uint8] = np.clip(rgb, 0, 255).astype(np.uint8)
    return made


def resident_bytes(pid: int) -> int:
    """Resident set of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
