"""What front and worker say to each other. No pickle: a worker that was taken over by a
malicious photo must not be able to run code in the front.

Front to worker, as JSON: {"do": "work", "job": id, "folder": path, "max_pixels": n},
{"do": "load", "job": words, "model": name}, the same with "unload",
{"do": "cancel", "job": id}, {"do": "previews", "job": id, "wanted": bool}. These are small, so
that sending one never has to wait for the worker; headers and pixels lie in the job's folder.

Worker to front, one tag byte and a message: `W` with pb.Worker (how the worker is, which
models it holds), `E` with pb.Event (of the job it works on; layer headers without chunks,
since the samples lie in the result file).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.spool import JobFolder

_WORKER = b"W"
_EVENT = b"E"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A job as the worker gets it."""

    job: str
    folder: JobFolder
    max_pixels: int


@dataclass(frozen=True, kw_only=True)
class Errand:
    """Something to do with a model, done like a job but without a photo."""

    job: str
    """What the status shows in the place of a job's id."""
    action: str
    """`load` or `unload`."""
    model: str


def send_order(pipe: Connection, order: Order | Errand) -> None:
    """Give a worker a job or an errand."""
    if isinstance(order, Errand):
        return _send(pipe, {"do": order.action, "job": order.job, "model": order.model})
    folder = str(order.folder.path)
    message = {"job": order.job, "folder": folder, "max_pixels": order.max_pixels}
    _send(pipe, {"do": "work", **message})


def send_cancel(pipe: Connection, job: str) -> None:
    """Tell a worker to stop a job at its next step."""
    _send(pipe, {"do": "cancel", "job": job})


def send_previews(pipe: Connection, job: str, wanted: bool) -> None:
    """Tell a worker whether anybody looks at previews."""
    _send(pipe, {"do": "previews", "job": job, "wanted": wanted})


def _send(pipe: Connection, message: dict[str, Any]) -> None:
    pipe.send_bytes(json.dumps(message).encode())


def receive_command(pipe: Connection) -> dict[str, Any]:
    """In the worker: the next command; EOFError when the front is gone."""
    command: dict[str, Any] = json.loads(pipe.recv_bytes())
    return command


def order_of(command: dict[str, Any]) -> Order | Errand:
    """In the worker: the job in a `work` command, or the errand in another."""
    if command["do"] != "work":
        return Errand(job=command["job"], action=command["do"], model=command["model"])
    return Order(
        job=command["job"],
        folder=JobFolder(Path(command["folder"])),
        max_pixels=command["max_pixels"],
    )


def send_worker(pipe: Connection, state: pb.WorkerState, residents: list[pb.Resident]) -> None:
    """In the worker: tell how it is and what it holds."""
    names = sorted(resident.name for resident in residents)
    message = pb.Worker(state=state, models=names, residents=residents)
    pipe.send_bytes(_WORKER + message.SerializeToString())


def send_event(pipe: Connection, event: pb.Event) -> None:
    """In the worker: tell how the job goes."""
    pipe.send_bytes(_EVENT + event.SerializeToString())


def receive_report(pipe: Connection) -> pb.Worker | pb.Event:
    """In the front: what the worker says next; EOFError when it has died."""
    data = pipe.recv_bytes()
    report = pb.Worker() if data[:1] == _WORKER else pb.Event()
    report.ParseFromString(data[1:])
    return report
