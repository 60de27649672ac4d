"""Records of jobs and of the daemon, as plain objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import settings_from_proto

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, as it stood when it was asked for."""

    id: str
    state: JobState
    position: int
    """Position in the queue; 0 when not queued."""
    settings: Settings
    width: int
    height: int
    submitted_at: float
    """Seconds since 1970, as the other times; 0 means: not yet."""
    started_at: float
    ended_at: float
    step: int
    step_count: int
    reason: str
    """One word for the reason of a failure; else empty."""
    message: str
    batch: bool = False
    detached: bool = False
    client: str = ""
    """Client that submitted it, if known to the daemon."""
    estimated_seconds: float = 0.0
    """Seconds until it has ended; 0 if not known."""
    crashes: int = 0
    """Number of times a worker died at it without progress."""
    preemptions: int = 0
    """Number of times it yielded to an interactive job."""
    deadline_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ResidentModel:
    """A model in a worker's memory."""

    name: str
    kind: str
    """`prior` or `describer`."""
    bytes: int
    """Size of its weights in bytes."""
    load_seconds: float
    """Seconds it took to load."""
    idle_seconds: float
    """Seconds since it was last used, when the worker reported."""


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """One worker of the daemon."""

    device: str
    state: str
    pid: int
    """Process id; 0 when asleep."""
    models: tuple[str, ...]
    memory_bytes: int
    job_id: str
    residents: tuple[ResidentModel, ...] = ()
    """Models in memory, the one used last first."""
    trouble: str = ""
    """Reason why no process can be started for now; empty: nothing is known against it."""


@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """Another machine on which workers are."""

    name: str
    """Name, as behind the @ in those of its devices."""
    models: tuple[str, ...]
    """Models on its disk, but for the bundled one."""
    trouble: str = ""
    """Reason why it lacks a model, or waits for one; empty: nothing is known."""


@dataclass(frozen=True, kw_only=True)
class DaemonStatus:
    """The daemon as a whole."""

    version: str
    pid: int
    uptime_seconds: float
    queued: int
    running: int
    queue_limit: int
    workers: tuple[WorkerStatus, ...]
    address: str
    spool_bytes: int = 0
    """Bytes of photos and results on disk."""
    spool_limit: int = 0
    watchers: int = 0
    connections: int = 0
    """Number of connections over the unix socket."""
    done: int = 0
    """Number of jobs done since the daemon was started; the next ones count alike."""
    failed: int = 0
    cancelled: int = 0
    crashes: int = 0
    """Number of workers that died."""
    preemptions: int = 0
    stopping: bool = False
    nodes: tuple[NodeStatus, ...] = ()
    """Other machines on which workers are, in a Ray cluster."""
    remarks: tuple[str, ...] = ()
    """Sentences on what protects on other systems and not on the daemon's."""


_PLAIN = (
    *("spool_bytes", "spool_limit", "watchers", "connections", "done", "failed", "cancelled"),
    *("crashes", "preemptions", "stopping"),
)


def job_of(message: pb.Job) -> Job:
    """Convert from the message of the protocol."""
    return Job(
        id=message.job_id,
        state=cast(JobState, _word(pb.JobState.Name(message.state), "JOB_STATE_")),
        position=message.position,
        settings=settings_from_proto(message.settings),
        width=message.width,
        height=message.height,
        submitted_at=message.submitted_at,
        started_at=message.started_at,
        ended_at=message.ended_at,
        step=message.step,
        step_count=message.step_count,
        reason=message.reason,
        message=message.message,
        batch=message.priority == pb.PRIORITY_BATCH,
        detached=message.detached,
        client=message.client,
        estimated_seconds=message.estimated_seconds,
        crashes=message.crashes,
        preemptions=message.preemptions,
        deadline_at=message.deadline_at,
    )


def status_from_wire(message: pb.StatusResponse) -> DaemonStatus:
    """Convert from the message of the protocol."""
    return DaemonStatus(
        version=message.version,
        pid=message.pid,
        uptime_seconds=message.uptime_seconds,
        queued=message.queued,
        running=message.running,
        queue_limit=message.queue_limit,
        workers=tuple(_worker(worker) for worker in message.workers),
        address=message.address,
        nodes=tuple(
            NodeStatus(name=node.name, models=tuple(node.models), trouble=node.trouble)
            for node in message.nodes
        ),
        remarks=tuple(message.remarks),
        **{name: getattr(message, name) for name in _PLAIN},
    )


def _worker(message: pb.Worker) -> WorkerStatus:
    return WorkerStatus(
        device=message.device,
        state=_word(pb.WorkerState.Name(message.state), "WORKER_STATE_"),
        pid=message.pid,
        models=tuple(message.models),
        memory_bytes=message.memory_bytes,
        job_id=message.job_id,
        residents=tuple(_resident(each) for each in message.residents),
        trouble=message.trouble,
    )


def _resident(message: pb.Resident) -> ResidentModel:
    return ResidentModel(
        name=message.name,
        kind=message.kind,
        bytes=message.bytes,
        load_seconds=message.load_seconds,
        idle_seconds=message.idle_seconds,
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
