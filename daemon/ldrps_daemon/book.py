"""Every job the daemon knows, and which ended ones it may forget."""

from __future__ import annotations

import time

from ldrps_daemon.config import ServeConfig
from ldrps_daemon.jobs import Job
from ldrps_engine.errors import NotFoundError


class JobBook:
    """Jobs by id and by idempotency key, oldest first."""

    def __init__(self, config: ServeConfig) -> None:
        self._config = config
        self._jobs: dict[str, Job] = {}
        self._by_key: dict[str, Job] = {}
        self._forgotten: list[str] = []

    def add(self, job: Job) -> None:
        """Know a job from now on."""
        self._jobs[job.id] = job
        if job.header.idempotency_key:
            self._by_key[job.header.idempotency_key] = job

    def get(self, job_id: str) -> Job:
        """A job by its id; NotFoundError if it never was or has been forgotten."""
        if job := self._jobs.get(job_id):
            return job
        raise NotFoundError(f"job '{job_id[:64]}' is not known; ended jobs are forgotten in time")

    def with_key(self, key: str) -> Job | None:
        """The job that came with an idempotency key."""
        return self._by_key.get(key) if key else None

    def newest(self, limit: int) -> list[Job]:
        """Newest first."""
        return list(reversed(self._jobs.values()))[:limit]

    def ids(self) -> set[str]:
        """Of all jobs."""
        return set(self._jobs)

    def open(self) -> list[Job]:
        """Jobs that have not ended."""
        return [job for job in self._all() if not job.ended]

    def stored_bytes(self) -> int:
        """Photos that wait and results that are kept."""
        return sum(_bytes(job) for job in self._all())

    def watchers(self) -> int:
        """Of all jobs together."""
        return sum(job.watchers for job in self._all())

    def sweep(self, spare: int = 0) -> None:
        """Forget ended jobs, longest ended first, until all limits are kept.

        With `spare`, also until so many bytes would find room in the spool.
        """
        ended = sorted((job for job in self._all() if job.ended), key=lambda job: job.ended_at)
        kept_bytes = sum(_bytes(job) for job in ended)
        in_all, kept = self.stored_bytes(), len(ended)
        oldest = time.time() - self._config.keep_seconds
        for job in ended:
            over = kept > self._config.max_kept_jobs or kept_bytes > self._config.max_kept_bytes
            wanted = spare and in_all + spare > self._config.spool_bytes
            # Someone who is reading a result may finish.
            if job.watchers or not (over or wanted or job.ended_at < oldest):
                continue
            self._forget(job)
            kept -= 1
            kept_bytes -= _bytes(job)
            in_all -= _bytes(job)

    def _all(self) -> list[Job]:
        # A copy: metrics are scraped in another thread, while jobs come and go in this one.
        return list(self._jobs.values())

    def forgotten(self) -> list[str]:
        """Ids that were swept since the last call, for the journal."""
        ids, self._forgotten = self._forgotten, []
        return ids

    def _forget(self, job: Job) -> None:
        del self._jobs[job.id]
        self._by_key.pop(job.header.idempotency_key, None)
        self._forgotten.append(job.id)
        job.folder.remove()


def _bytes(job: Job) -> int:
    if not job.ended:
        return job.payload_bytes
    return job.log.layers.bytes if job.log.layers else 0
