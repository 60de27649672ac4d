"""`ldrps status` and `ldrps stop`."""

from __future__ import annotations

import os
import signal
import time
from argparse import Namespace
from dataclasses import asdict

from ldrps_client._autostart import is_serving
from ldrps_client._records import DaemonStatus, ResidentModel, WorkerStatus
from ldrps_client.cli._output import duration, print_json
from ldrps_client.client import Client
from ldrps_engine.errors import UnavailableError

_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


def status(options: Namespace) -> int:
    """Print how the daemon is."""
    with Client(options.address, autostart=False) as client:
        answer = client.status()
    if options.json:
        print_json(asdict(answer))
    else:
        _print_status(answer)
    return 0


def _print_status(answer: DaemonStatus) -> None:
    print(
        f"ldrps {answer.version} on {answer.address}, pid {answer.pid}, "
        f"up for {duration(answer.uptime_seconds)}"
    )
    print(f"{answer.running} running, {answer.queued} of {answer.queue_limit} places taken")
    for worker in answer.workers:
        print(f"{worker.device}: {_worker(worker)}")


def _worker(worker: WorkerStatus) -> str:
    parts = [worker.state]
    if worker.pid:
        parts.append(f"pid {worker.pid}, {worker.memory_bytes / 2**20:.0f} MiB")
    if worker.residents:
        parts.append("holds " + ", ".join(_resident(each) for each in worker.residents))
    elif worker.models:
        parts.append("holds " + ", ".join(worker.models))
    if worker.job_id:
        parts.append(f"works on {worker.job_id}")
    return "; ".join(parts)


def _resident(model: ResidentModel) -> str:
    return f"{model.name} ({model.bytes / 1e6:.0f} MB, read in {model.load_seconds:.1f} s)"


def stop(options: Namespace) -> int:
    """Ask the daemon to end and wait until it has; fine if there is none."""
    with Client(options.address, autostart=False) as client:
        address = client.address
        stopped = is_serving(address) and _stop(client.status().pid, address)
    if options.json:
        print_json({"stopped": stopped, "address": address})
    else:
        print("stopped" if stopped else f"no daemon answers on {address}; nothing to stop")
    return 0


def _stop(pid: int, address: str) -> bool:
    if pid <= 1:
        raise UnavailableError(f"the daemon on {address} names no process; stop it by hand")
    try:
        os.kill(pid, signal.SIGTERM)
        _wait(pid, address)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise UnavailableError(f"the daemon (pid {pid}) is another user's; stop it there") from None
    return True


def _wait(pid: int, address: str) -> None:
    """Return when the process has gone; ProcessLookupError is how that shows."""
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        # A child that nobody waits for keeps its number; it serves no longer all the same.
        if _is_zombie(pid):
            return
        time.sleep(_PAUSE_SECONDS)
    raise UnavailableError(f"the daemon (pid {pid}) on {address} does not end; kill it by hand")


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False
