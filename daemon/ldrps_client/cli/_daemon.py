"""`ldrps status` and `ldrps stop`."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from ldrps_client._listening import is_listening
from ldrps_client._records import DaemonStatus, Job, NodeStatus, ResidentModel, WorkerStatus
from ldrps_client._text import cause
from ldrps_client.cli._output import duration, print_json
from ldrps_client.client import MAX_JOBS, Client
from ldrps_engine.errors import UnavailableError
from ldrps_wire.system import TELLS_UNIX_PEERS

if TYPE_CHECKING:
    from rich.console import RenderableType

_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_WATCH_SECONDS = 1.0
_SHOWN = 10


def status(options: argparse.Namespace) -> int:
    """Print the state of the daemon."""
    with Client(options.address, autostart=False) as client:
        if options.json:
            _print_records(client, go_on=options.watch)
        elif options.watch:
            _watch(client)
        else:
            from rich.console import Console

            Console(highlight=False).print(_picture(client))
    return 0


def _print_records(client: Client, *, go_on: bool) -> None:
    """Print one object, or one a second and line."""
    print_json(asdict(client.status()))
    while go_on:
        time.sleep(_WATCH_SECONDS)
        print_json(asdict(client.status()))


def _watch(client: Client) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(_picture(client), console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            time.sleep(_WATCH_SECONDS)
            live.update(_picture(client), refresh=True)


def _picture(client: Client) -> RenderableType:
    from rich.console import Group

    answer = client.status()
    open_jobs = _open_jobs(client)
    parts: list[RenderableType] = [_head(answer), *answer.remarks, _workers(answer.workers)]
    if answer.nodes:
        parts.append(_nodes(answer.nodes))
    if open_jobs:
        parts.append(_jobs(open_jobs))
    return Group(*parts)


def _open_jobs(client: Client) -> list[Job]:
    # All that it knows: a batch job that yields may be older than many that have ended.
    return [job for job in client.jobs(MAX_JOBS) if job.state in ("queued", "running")]


def _head(answer: DaemonStatus) -> str:
    state = "stopping" if answer.stopping else f"up for {duration(answer.uptime_seconds)}"
    return (
        f"ldrps {answer.version} on {answer.address}, pid {answer.pid}, {state}\n"
        f"{answer.running} running, {answer.queued} of {answer.queue_limit} places taken, "
        f"{_size(answer.spool_bytes)} of {_size(answer.spool_limit)} on disk\n"
        f"{answer.done} done, {answer.failed} failed, {answer.cancelled} cancelled, "
        f"{answer.crashes} crashes, {answer.preemptions} preemptions; "
        f"{answer.connections} connections, {answer.watchers} watchers"
    )


def _workers(workers: tuple[WorkerStatus, ...]) -> RenderableType:
    from rich.table import Table

    table = Table("device", "worker", "pid", "memory", "models", "works on")
    for worker in workers:
        held = "\n".join(_resident(each) for each in worker.residents)
        pid, memory = (str(worker.pid), _size(worker.memory_bytes)) if worker.pid else ("", "")
        state = f"{worker.state}; {worker.trouble}" if worker.trouble else worker.state
        table.add_row(worker.device, state, pid, memory, held, worker.job_id)
    return table


def _nodes(nodes: tuple[NodeStatus, ...]) -> RenderableType:
    from rich.table import Table

    table = Table("node", "models on its disk", "trouble")
    for node in nodes[:_SHOWN]:
        table.add_row(node.name, ", ".join(("bundled", *node.models)), node.trouble)
    if len(nodes) > _SHOWN:
        table.add_row(f"and {len(nodes) - _SHOWN} more")
    return table


def _resident(model: ResidentModel) -> str:
    idle = f", idle {duration(model.idle_seconds)}" if model.idle_seconds >= 1 else ""
    return f"{model.name} {_size(model.bytes)}\n  loaded in {model.load_seconds:.1f} s{idle}"


def _jobs(jobs: list[Job]) -> RenderableType:
    from rich.table import Table

    table = Table("job", "state", "priority", "photo", "client", "ends in")
    order = sorted(jobs, key=lambda job: (job.state != "running", job.position))
    for job in order[:_SHOWN]:
        done = f" {job.step}/{job.step_count}" if job.step_count else ""
        state = f"{job.state}{done}" if job.state == "running" else f"place {job.position}{done}"
        left = duration(job.estimated_seconds) if job.estimated_seconds >= 1 else ""
        priority = "batch" if job.batch else "interactive"
        table.add_row(job.id, state, priority, f"{job.width}x{job.height}", job.client, left)
    if len(order) > _SHOWN:
        table.add_row(f"and {len(order) - _SHOWN} more")
    return table


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def stop(options: argparse.Namespace) -> int:
    """Ask the daemon to end and wait until it has; having none is fine."""
    with Client(options.address, autostart=False) as client:
        address, stopped = client.address, False
        unfinished: list[Job] = []
        try:
            answer = client.status()
            unfinished = _open_jobs(client)
        except UnavailableError:
            if is_listening(address):
                raise
        else:
            stopped = _stop(answer.pid, address)
    detached = sum(job.detached for job in unfinished)
    if options.json:
        counts = {"unfinished": len(unfinished), "detached": detached}
        print_json({"stopped": stopped, "address": address, **counts})
    elif stopped:
        print("; ".join(("stopped", *_outlooks(detached, len(unfinished) - detached))))
    else:
        print(f"no daemon answers on {address}; nothing to stop")
    return 0


def _outlooks(detached: int, attached: int) -> Iterator[str]:
    """Say what becomes of jobs that were not done.

    The daemon cancels an attached job whose client does not come back to it after a restart, and a
    client seeks a daemon that was stopped for a few seconds (`ldrps_client._watching`).
    """
    if detached:
        jobs = "1 job goes" if detached == 1 else f"{detached} jobs go"
        yield f"{jobs} on when it is started again"
    if attached:
        jobs = "1 job is" if attached == 1 else f"{attached} jobs are"
        yield f"{jobs} lost unless it is started again within seconds, while the client waits"


def _stop(pid: int, address: str) -> bool:
    if pid <= 1:
        raise UnavailableError(f"the daemon on {address} names no process; stop it by hand")
    try:
        # Which ends it at once on Windows: its jobs go on all the same, from their checkpoints.
        os.kill(pid, signal.SIGTERM)
        _wait(pid, address)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise UnavailableError(f"the daemon (pid {pid}) is another user's; stop it there") from None
    except OSError as error:
        raise UnavailableError(
            f"the daemon (pid {pid}) cannot be ended ({cause(error)}); end it by hand"
        ) from None
    return True


def _wait(pid: int, address: str) -> None:
    """Return when the process has gone; ProcessLookupError may show that."""
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        # A child that is not waited for keeps its number; it serves no longer all the same.
        if _is_gone(pid, address):
            return
        time.sleep(_PAUSE_SECONDS)
    raise UnavailableError(f"the daemon (pid {pid}) on {address} does not end; kill it by hand")


def _is_gone(pid: int, address: str) -> bool:
    if not TELLS_UNIX_PEERS:
        # Windows has no signal that only asks, and macOS does not report zombies.
        return not is_listening(address)
    os.kill(pid, 0)
    return _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False
