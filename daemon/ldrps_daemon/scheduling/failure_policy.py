"""Retry or failure of jobs that did not simply end: crashes, preemption, too little memory."""

from __future__ import annotations

import logging

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.repository import JobRepository

log = logging.getLogger("ldrps.dispatch")
# Extra deaths allowed to daemons, more often killed for reasons of their own than workers.
_DAEMONS = 3
# Extra losses allowed to machines, for the same reason.
_MACHINES = 3
_MOST_SAVING = {"cpu": 1, "cuda": 2}


class FailurePolicy:
    """Decides case by case: each `of_...` returns whether the job ends; if not, it waits again."""

    def __init__(self, config: ServeConfig, repository: JobRepository) -> None:
        self._config = config
        self._repository = repository

    async def cancelled(self, job: Job) -> None:
        """End a job that was to be cancelled."""
        await self._repository.end(
            job, pb.Event(cancelled=pb.Cancelled(message=job.cancel_message))
        )

    async def failed(self, job: Job, message: str, reason: str = "internal") -> None:
        """End a job in failure."""
        await self._repository.end(job, pb.Event(failed=pb.Failed(reason=reason, message=message)))

    async def of_recovered(self, job: Job) -> bool:
        """Settle a job whose end an earlier daemon did not see."""
        job.folder.mend_header(job.header)
        if job.cancel_message:
            await self.cancelled(job)
        elif job.deadline_at and job.deadline_left() <= 0:
            job.cancel_message = "its deadline passed while no daemon ran"
            await self.cancelled(job)
        elif not job.folder.is_whole(job.payload_bytes):
            await self.failed(job, "the photo is gone from the spool; hand it in again")
        elif job.interruptions >= self._config.max_crashes + _DAEMONS:
            words = f"the daemon died {job.interruptions} times while it worked at this photo"
            await self.failed(job, f"{words}, so it will not be tried again")
        return job.ending

    async def of_crashed(self, job: Job, device: str) -> bool:
        """Settle a job whose worker died."""
        self._repository.counts.crashes += 1
        further = job.saved_step > job.crash_step
        job.crashes = 1 if further else job.crashes + 1
        job.crash_step = max(job.crash_step, job.saved_step)
        if device != "cpu":
            # Devices end processes that want too much. On the CPU a worker's memory is limited, so
            # that the client hears so; and there the pixels of an undisturbed run are promised.
            job.memory_saving = max(job.memory_saving, 1)
        said = {"job": job.id, "crashes": job.crashes, "checkpoint": job.saved_step}
        log.warning("the worker died at a job", extra=said)
        if job.cancelling.is_set():
            await self.cancelled(job)
        elif job.crashes >= self._config.max_crashes:
            times = "twice" if job.crashes == 2 else f"{job.crashes} times"
            words = f"a worker died {times} at this job, so it will not be tried again; see the log"
            await self.failed(job, words)
        return job.ending

    async def of_lost(self, job: Job) -> bool:
        """Settle a job whose worker's machine went, or was cut off."""
        job.losses = 1 if job.saved_step > job.loss_step else job.losses + 1
        job.loss_step = max(job.loss_step, job.saved_step)
        said = {"job": job.id, "losses": job.losses, "checkpoint": job.saved_step}
        log.warning("the worker's machine is gone or cut off", extra=said)
        if job.cancelling.is_set():
            await self.cancelled(job)
        elif job.losses >= self._config.max_crashes + _MACHINES:
            words = f"{job.losses} machines were lost in a row while they worked at this photo"
            await self.failed(job, f"{words}, so it will not be tried again")
        return job.ending

    async def of_paused(self, job: Job, *, counts: bool) -> bool:
        """Settle a job that yielded to another, or to the end of the daemon."""
        job.interruptions = 0
        if job.cancelling.is_set():
            await self.cancelled(job)
        elif counts:
            job.preemptions += 1
            self._repository.counts.preemptions += 1
            log.info("job yields", extra={"job": job.id, "checkpoint": job.saved_step})
        return job.ending

    async def of_starved(self, job: Job, device: str) -> bool:
        """Settle a job that ran out of memory: smaller parts, then off the device, then failure."""
        if job.cancelling.is_set():
            await self.cancelled(job)
        elif job.memory_saving >= _MOST_SAVING[device.partition(":")[0]]:
            words = "the photo needs more memory than this machine has; give a smaller photo"
            await self.failed(job, words, "limit")
        else:
            job.memory_saving += 1
            log.warning("job needs less", extra={"job": job.id, "memory_saving": job.memory_saving})
        return job.ending
