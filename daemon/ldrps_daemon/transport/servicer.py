"""The contract's calls, mapped to the dispatcher; errors mapped to status and reason."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from importlib import metadata
from typing import Any

import grpc
import grpc.aio

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.dispatch import Dispatcher
from ldrps_daemon.scheduling.outlook import NO_TURN, Turn
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.transport.clients import Clients
from ldrps_daemon.transport.intake import Intake
from ldrps_daemon.transport.peer_proxy import PeerProxy
from ldrps_engine.errors import BusyError, InternalError, LdrpsError, UnavailableError
from ldrps_wire.remarks import remarks
from ldrps_wire.status import REASON_KEY, RETRY_AFTER_KEY, sentence, status_of

log = logging.getLogger("ldrps.server")
DEFAULT_LIST = 100
MAX_LIST = 1000
LIST_BYTES = 4 << 20
"""Largest message that gRPC's clients take unless they are configured otherwise."""
_FRAMING = 8


class Servicer(pb_grpc.RestorationServicer):
    """Answers of one daemon."""

    def __init__(
        self, config: ServeConfig, dispatcher: Dispatcher, proxy: PeerProxy | None = None
    ) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._proxy = proxy
        self._clients = Clients(proxy)
        self._intake = Intake(config, dispatcher)
        self._started = time.monotonic()

    async def Submit(self, requests: Any, context: Any) -> pb.SubmitResponse:
        """Take a photo in."""
        async with answering(context):
            if self._dispatcher.stopping:
                raise UnavailableError("the daemon is stopping; submit again when it is back")
            client = self._clients.of(context)
            job, existing = await self._intake.take(aiter(requests), client)
            position = self._dispatcher.queue.position(job)
            return pb.SubmitResponse(job_id=job.id, position=position, existing=existing)

    async def Watch(self, request: pb.WatchRequest, context: Any) -> None:
        """Stream events from a number on."""
        async with answering(context):
            job = self._dispatcher.index.get(request.job_id)
            async with self._dispatcher.watched(job, request.previews):
                async for event in job.feed.follow(request.from_event, request.previews):
                    await context.write(event)

    async def Cancel(self, request: pb.CancelRequest, context: Any) -> pb.Job:
        """Stop a job."""
        async with answering(context):
            job = self._dispatcher.index.get(request.job_id)
            await self._dispatcher.cancel(job, "a client asked for it")
            return self._show(job)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.Job:
        """Show one job."""
        async with answering(context):
            return self._show(self._dispatcher.index.get(request.job_id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        """Show jobs, newest first."""
        async with answering(context):
            jobs = self._dispatcher.index.newest(min(request.limit or DEFAULT_LIST, MAX_LIST))
            turns = self._dispatcher.outlook().of_all(jobs)
            shown = (self._shown(job, turns.get(job.id, NO_TURN)) for job in jobs)
            return pb.ListJobsResponse(jobs=_fitting(shown))

    async def Status(self, request: pb.StatusRequest, context: Any) -> pb.StatusResponse:
        """Show the daemon and its workers."""
        async with answering(context):
            counts = self._dispatcher.repository.counts
            return pb.StatusResponse(
                version=version(),
                pid=os.getpid(),
                uptime_seconds=time.monotonic() - self._started,
                queued=len(self._dispatcher.queue) + len(self._dispatcher.looks),
                running=self._dispatcher.running(),
                queue_limit=self._config.queue_limit,
                workers=[slot.to_proto() for slot in self._dispatcher.slots],
                address=self._config.address,
                spool_bytes=self._dispatcher.admission.used_bytes(),
                spool_limit=self._config.spool_bytes,
                watchers=self._dispatcher.index.watchers(),
                connections=self._proxy.connections if self._proxy else 0,
                done=counts.done,
                failed=counts.failed,
                cancelled=counts.cancelled,
                crashes=counts.crashes,
                preemptions=counts.preemptions,
                remarks=remarks(),
                stopping=self._dispatcher.stopping,
                nodes=[
                    pb.Node(name=node.name, models=node.models, trouble=node.trouble)
                    for node in self._dispatcher.pool.nodes
                ],
            )

    def _show(self, job: Job) -> pb.Job:
        return self._shown(job, self._dispatcher.outlook().of(job))

    def _shown(self, job: Job, turn: Turn) -> pb.Job:
        return job.to_proto(turn.position, self._dispatcher.seconds_left(job, turn))


def _fitting(jobs: Iterable[pb.Job]) -> Iterator[pb.Job]:
    """Return the first jobs that fit into one message that every client of gRPC takes."""
    left = LIST_BYTES
    for job in jobs:
        left -= job.ByteSize() + _FRAMING
        if left < 0:
            return
        yield job


@asynccontextmanager
async def answering(context: Any) -> AsyncIterator[None]:
    """Turn exceptions raised inside into a status, a sentence and a reason."""
    try:
        yield
    except LdrpsError as error:
        await _abort(context, error)
    except grpc.aio.AbortError:
        raise
    except Exception:
        if context.cancelled():
            raise
        log.exception("a call failed")
        await _abort(context, InternalError("the daemon failed at this call; its log says where"))


async def _abort(context: Any, error: LdrpsError) -> None:
    trailing = [(REASON_KEY, error.reason)]
    if isinstance(error, BusyError):
        trailing.append((RETRY_AFTER_KEY, str(math.ceil(error.retry_after))))
    await context.abort(status_of(error), sentence(error), tuple(trailing))


@cache
def version() -> str:
    """Return the version of the installed distribution; 0 when run from a source tree."""
    try:
        return metadata.version("ldrps")
    except metadata.PackageNotFoundError:
        return "0"
