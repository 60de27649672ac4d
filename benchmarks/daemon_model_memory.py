"""Memory of a worker and its device: while it works, while it rests, and after it left.

python -m benchmarks.daemon_model_memory --device cuda:0 --model sd21
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time

from benchmarks.daemon_process import REAL, dark_scene, served
from benchmarks.errors import BenchmarkError
from ldrps_client import Client

_REST_SECONDS, _IDLE_SECONDS = 3.0, 8.0
_PATIENCE = 60.0


def run(device: str, model: str) -> list[tuple[str, int, int | None]]:
    """State of the worker, its resident bytes, and the bytes its device has in use."""
    options = {"device": device, "rest_seconds": _REST_SECONDS, "idle_seconds": _IDLE_SECONDS}
    with served(engine=REAL, **options) as daemon, daemon.client() as client:
        seen = [("before", 0, _device_bytes())]
        client.restore(dark_scene(300, 400), recipe="low-light", model=model)
        for state in ("idle", "resting", "asleep"):
            seen.append((state, _memory_when(client, state), _device_bytes()))
        return seen


def _memory_when(client: Client, state: str) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        (worker,) = client.status().workers
        if worker.state == state:
            return worker.memory_bytes
        time.sleep(0.05)
    raise BenchmarkError(f"the worker did not come to be {state}")


def _device_bytes() -> int | None:
    """Bytes used on the first device, by all processes; None where there is no nvidia-smi."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(found.split()[0]) << 20


def main() -> int:
    """Print a line for each state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="bundled")
    given = parser.parse_args()
    for state, memory, device in run(given.device, given.model):
        on_device = "" if device is None else f", {device >> 20:6d} MiB on the device"
        print(f"{state:>8}: {memory >> 20:6d} MiB of its own{on_device}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
