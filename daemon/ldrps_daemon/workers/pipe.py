"""Messages between front and worker. No pickle: a worker that was taken over by a malicious photo
must not be able to run code in the front.

Front to worker, as JSON: {"do": "work", "job": id, "folder": path, ...} with the fields of Order,
{"do": "load", "job": words, "model": name}, the same with "unload", {"do": "rest"},
{"do": "cancel", "job": id}, the same with "pause", {"do": "previews", "job": id, "wanted": bool}.
These are small, so that sending one never has to wait for the worker; headers and pixels lie in
the job's folder.

Worker to front, one tag byte and a message: `W` with pb.Worker (the worker's state and the
models it holds), `E` with pb.Event (of the job it works on; layer headers without chunks,
since the samples lie in the result file), `S` with a step's number (up to which there is a
checkpoint now), `D` with the size in bytes of a file's photo, `P` (the job was paused), `M` (it
needs more memory than there is), `N` with words (the machine lacks what any job needs), `X` with
words (it cannot take orders at all).
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.spool import JobFolder
from ldrps_daemon.transport import limits

MAX_REPORT = 4 << 20
"""Longest message read from a worker, in bytes: its previews are much smaller."""
_WORKER = b"W"
_EVENT = b"E"
_SAVED = b"S"
_PAUSED = b"P"
_MEMORY = b"M"
_SIZED = b"D"
_NOT_NOW = b"N"
_CANNOT = b"X"
END_KINDS = ("done", "failed", "cancelled")
"""Events with which a worker lets go of a job."""
_END_TAGS = (_PAUSED, _MEMORY, _NOT_NOW, _CANNOT)
_MAX_WORDS = 300
_FOLDERS = ("folder", "attempt")
_MAX_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Order:
    """A job as the worker gets it."""

    job: str
    folder: JobFolder
    """Folder from which header, pixels and checkpoint are read."""
    attempt: JobFolder
    """Folder to which all else is written, see `attempts.py`."""
    max_pixels: int
    checkpoint_seconds: float = 2.0
    memory_saving: int = 0
    """Level of saving memory. 0: none; 1: one model at a time, in tiles; 2: on the CPU."""
    spool_bytes: int = 1 << 62
    """Bytes that the result of a file may take at most."""
    lasting: bool = True
    """False where the files written are carried on to where they are to survive a crash."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk."""

    step: int


@dataclass(frozen=True)
class Sized:
    """A file's photo, decoded, and its size in bytes."""

    bytes: int


@dataclass(frozen=True)
class CannotStart:
    """Refusal of the worker to take any orders."""

    why: str


@dataclass(frozen=True)
class NotNow:
    """Lack of something that any job needs; the job waits until that has passed."""

    why: str


class Paused:
    """Pause of the job, which goes on from its checkpoint another time."""


class OutOfMemory:
    """Lack of memory for the job."""


End = pb.Event | Paused | OutOfMemory | NotNow
"""Ways for a job to leave a worker that lives on; the event is Done, Failed or Cancelled."""


class Lost:
    """Loss of the worker: its machine is gone, or the line to it."""


Report = pb.Worker | Saved | Sized | CannotStart | End | Lost
"""Messages of a worker; Lost is what its transport says in its place."""


class Sender(Protocol):
    """Way to the other side: a pipe's end, or a transport."""

    def send_bytes(self, data: bytes, /) -> None:
        """Send one message; OSError if the other side is gone."""


@dataclass(frozen=True, kw_only=True)
class ModelCommand:
    """A task with a model, done like a job but without a photo."""

    job: str
    """Text that the status shows in the place of a job's id."""
    action: str
    """Action: `load` or `unload`."""
    model: str


def send_order(worker: Sender, order: Order | ModelCommand) -> None:
    """Give a worker a job or a command."""
    if isinstance(order, ModelCommand):
        return _send(worker, {"do": order.action, "job": order.job, "model": order.model})
    _send(worker, {"do": "work", **vars(order), **_paths(order)})


def send_cancel(worker: Sender, job: str) -> None:
    """Tell a worker to stop a job at its next step."""
    _send(worker, {"do": "cancel", "job": job})


def send_pause(worker: Sender, job: str) -> None:
    """Tell a worker to let go of a job at its next step, with a checkpoint."""
    _send(worker, {"do": "pause", "job": job})


def send_rest(worker: Sender) -> None:
    """Tell a worker without work to give its device's memory back."""
    _send(worker, {"do": "rest"})


def send_previews(worker: Sender, job: str, wanted: bool) -> None:
    """Tell a worker whether any client looks at previews."""
    _send(worker, {"do": "previews", "job": job, "wanted": wanted})


def _send(worker: Sender, message: dict[str, Any]) -> None:
    worker.send_bytes(json.dumps(message).encode())


def receive_command(pipe: Connection) -> dict[str, Any]:
    """Receive the next command, in the worker; EOFError when the front is gone."""
    command: dict[str, Any] = json.loads(pipe.recv_bytes())
    return command


def order_of(command: dict[str, Any]) -> Order | ModelCommand:
    """Parse the job in a `work` command, or the one for models in another, in the worker."""
    if command["do"] != "work":
        return ModelCommand(job=command["job"], action=command["do"], model=command["model"])
    given = {name: value for name, value in command.items() if name != "do"}
    folders = {name: JobFolder(Path(command[name])) for name in _FOLDERS}
    return Order(**given | folders)


def _paths(order: Order) -> dict[str, str]:
    return {name: str(getattr(order, name).path) for name in _FOLDERS}


def send_worker(pipe: Connection, state: pb.WorkerState, residents: list[pb.Resident]) -> None:
    """Report the worker's state and the models it holds."""
    names = sorted(resident.name for resident in residents)
    message = pb.Worker(state=state, models=names, residents=residents)
    pipe.send_bytes(_WORKER + message.SerializeToString())


def send_event(pipe: Connection, event: pb.Event) -> None:
    """Report the progress of the job."""
    pipe.send_bytes(_EVENT + event.SerializeToString())


def send_saved(pipe: Connection, step: int) -> None:
    """Report that there is a checkpoint."""
    pipe.send_bytes(_SAVED + str(step).encode())


def send_size(pipe: Connection, size: int) -> None:
    """Report the size of a file's photo, in bytes."""
    pipe.send_bytes(_SIZED + str(size).encode())


def send_cannot_start(pipe: Connection, why: str) -> None:
    """Report why the worker will take no orders."""
    pipe.send_bytes(_CANNOT + why.encode(errors="replace"))


def send_end(pipe: Connection, end: End) -> None:
    """Report how the worker let go of the job."""
    if isinstance(end, pb.Event):
        send_event(pipe, end)
    elif isinstance(end, NotNow):
        pipe.send_bytes(_NOT_NOW + end.why.encode(errors="replace"))
    else:
        pipe.send_bytes(_PAUSED if isinstance(end, Paused) else _MEMORY)


def receive_report(pipe: Connection) -> Report:
    """Receive the worker's next message, in the front; EOFError for its death or rubbish."""
    return report_of(pipe.recv_bytes(MAX_REPORT))


def is_end(data: bytes) -> bool:
    """Tell whether a message says that the worker has let go of its job, or takes none."""
    if data[:1] != _EVENT:
        return data[:1] in _END_TAGS
    with contextlib.suppress(DecodeError):
        return pb.Event.FromString(data[1:]).WhichOneof("kind") in END_KINDS
    return False


def report_of(data: bytes) -> Report:
    """Parse a message, in the front; EOFError or DecodeError if it is rubbish."""
    tag, body = data[:1], data[1:]
    if tag in (_SAVED, _SIZED) and len(body) < _MAX_DIGITS and body.isdigit():
        return Saved(int(body)) if tag == _SAVED else Sized(int(body))
    if tag in (_PAUSED, _MEMORY):
        return Paused() if tag == _PAUSED else OutOfMemory()
    if tag in (_NOT_NOW, _CANNOT):
        words = body.decode(errors="replace")[:_MAX_WORDS]
        return NotNow(words) if tag == _NOT_NOW else CannotStart(words)
    if tag not in (_WORKER, _EVENT):
        raise EOFError
    report = pb.Worker() if tag == _WORKER else pb.Event()
    report.ParseFromString(body)
    if limits.has_too_many_bytes(report):
        raise EOFError
    limits.clip(report)
    return report
