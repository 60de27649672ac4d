"""Consequences of a worker letting go of a job: its end, or another turn."""

from __future__ import annotations

import asyncio
import logging

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.failure_policy import FailurePolicy
from ldrps_daemon.scheduling.job_reports import JobReports
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.repository import JobRepository, ended_well
from ldrps_daemon.storage.spool import StoredLayers
from ldrps_daemon.workers.pipe import End, Lost, NotNow, OutOfMemory, Paused

log = logging.getLogger("ldrps.dispatch")


class Endings:
    """Decides for one daemon and leaves difficult cases to its policy."""

    def __init__(self, repository: JobRepository, policy: FailurePolicy) -> None:
        self.stopping = False
        """True once the daemon is about to end, so that what happens is no job's fault."""
        self._repository = repository
        self._policy = policy

    async def of(self, job: Job, end: End | Lost | None, reports: JobReports) -> bool:
        """Settle a job that a worker let go of; False if it is to go on."""
        if end is None:
            return self.stopping or await self._policy.of_crashed(job, reports.slot.device)
        if isinstance(end, Lost):
            return self.stopping or await self._policy.of_lost(job)
        if isinstance(end, Paused):
            return await self._policy.of_paused(
                job, counts=not (self.stopping or reports.slot.retired)
            )
        if isinstance(end, OutOfMemory):
            return await self._policy.of_starved(job, reports.slot.device)
        if isinstance(end, NotNow):
            return job.ending
        if end.HasField("cancelled"):
            await self._policy.cancelled(job)
            return True
        end, stored = await self._kept(job, end, reports)
        await self._repository.end(job, end, stored)
        if ended_well(job) and reports.whole:
            device, took = reports.slot.device, reports.elapsed()
            await self._repository.learn(job, device, took, reports.course)
        return True

    async def _kept(
        self, job: Job, end: pb.Event, reports: JobReports
    ) -> tuple[pb.Event, StoredLayers | None]:
        """Return a job's end event and its result, moved to its final place."""
        if job.ending or not (end.HasField("done") and reports.headers):
            return end, None
        stored = StoredLayers(job.folder.result, tuple(reports.headers))
        try:
            await asyncio.to_thread(reports.attempt.keep_result)
        except OSError as error:
            log.error("a result cannot be kept", extra={"job": job.id, "why": error.strerror})
        if stored.is_whole():
            return end, stored
        words = (
            "the result did not come into the spool whole; make room on that disk, and hand the "
            "photo in again"
        )
        return pb.Event(failed=pb.Failed(reason="internal", message=words)), None
